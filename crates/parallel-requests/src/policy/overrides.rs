//! What a single request says about the policies.

use std::time::Duration;

use pr_core::RequestConfig;

use super::{RetryPolicy, admission::QueueTimeout};

/// Policies of one request, in place of the client's.
///
/// They travel with the request as [extensions](RequestConfig::extension): clones have them, and JSON
/// has not.
///
/// ```
/// use parallel_requests::{PolicyOverrides, RequestConfig, RetryPolicy};
///
/// let careful = RequestConfig::post("https://api.example/orders").retry(RetryPolicy::never());
/// # drop(careful);
/// ```
pub trait PolicyOverrides: Sized {
    /// How this request is retried, in place of
    /// [the client's policy](crate::ClientBuilder::retry). Of two, the later counts.
    ///
    /// The client's [`RetryBudget`](crate::RetryBudget) stays in force. A policy given here is not
    /// checked as the client's is by `build`: a cap below the base is the cap.
    #[must_use]
    fn retry(self, policy: RetryPolicy) -> Self;

    /// How long each attempt at this request may wait for its turn, in place of
    /// [the client's setting](crate::ClientBuilder::queue_timeout); of two, the later counts. With zero
    /// it goes at once or fails.
    #[must_use]
    fn queue_timeout(self, limit: Duration) -> Self;
}

/// Marks a request that was said not to be sent again before its policy said so: another policy leaves
/// that as it is.
#[derive(Clone, Copy, Debug)]
struct OnceOnly;

impl PolicyOverrides for RequestConfig {
    fn retry(self, policy: RetryPolicy) -> Self {
        let was_never = self
            .extension_ref::<RetryPolicy>()
            .is_some_and(RetryPolicy::is_never);
        // Said to the request itself, because what is opened as a stream goes past the policies.
        let request = match (was_never, policy.is_never()) {
            (false, true) if self.resend_setting() == Some(false) => self.extension(OnceOnly),
            (_, true) => self.resend(false),
            (true, false) if self.extension_ref::<OnceOnly>().is_none() => self.resend(true),
            (_, false) => self,
        };
        request.extension(policy)
    }

    fn queue_timeout(self, limit: Duration) -> Self {
        self.extension(QueueTimeout(limit))
    }
}
