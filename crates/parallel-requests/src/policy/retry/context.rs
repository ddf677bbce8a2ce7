//! What a user's predicate is told of an attempt, and what it can say.

use pr_core::{BackendError, NormalizedResponse, RequestConfig};

use crate::policy::Reply;

/// An attempt and what came of it, for the predicate of
/// [`RetryPolicy::retry_if`](crate::RetryPolicy::retry_if).
///
/// ```
/// use parallel_requests::{RetryContext, RetryDecision, RetryPolicy};
///
/// fn not_for_images(attempt: &RetryContext<'_>) -> RetryDecision {
///     let path = attempt.request().url().map_or("", |url| url.path());
///     if path.ends_with(".png") || attempt.number() > 2 {
///         RetryDecision::Stop
///     } else {
///         RetryDecision::ByTheRules
///     }
/// }
///
/// let policy = RetryPolicy::default().retry_if(not_for_images);
/// # drop(policy);
/// ```
#[derive(Debug)]
pub struct RetryContext<'a> {
    request: &'a RequestConfig,
    number: u32,
    reply: &'a Reply,
}

impl<'a> RetryContext<'a> {
    pub(super) fn new(request: &'a RequestConfig, number: u32, reply: &'a Reply) -> Self {
        Self {
            request,
            number,
            reply,
        }
    }

    /// The request.
    pub fn request(&self) -> &'a RequestConfig {
        self.request
    }

    /// Which attempt this was, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its response, whatever the status, or its error.
    pub fn reply(&self) -> Result<&'a NormalizedResponse, &'a BackendError> {
        self.reply.as_ref()
    }
}

/// What a predicate says of an attempt.
///
/// ```
/// use parallel_requests::RetryDecision;
///
/// assert_eq!(RetryDecision::default(), RetryDecision::ByTheRules);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryDecision {
    /// Whatever the policy says otherwise.
    #[default]
    ByTheRules,
    /// Again, whatever the status, the kind of error and the method: it is on you that the request
    /// can be processed twice.
    Retry,
    /// This is the outcome.
    Stop,
}
