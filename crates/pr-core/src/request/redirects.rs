//! Which redirects a user wants followed.

use std::{fmt, sync::Arc};

use http::StatusCode;
use url::Url;

use crate::{Hop, MAX_REDIRECTS};

/// Which redirects are followed (RFC 9110, section 15.4).
///
/// Whatever it says, only `http` and `https` are followed, credentials do not leave their origin,
/// and a one-shot body is not sent twice.
///
/// ```
/// use pr_core::{RedirectAction, RedirectPolicy, RequestConfig};
///
/// let same_host = RedirectPolicy::custom(|attempt| {
///     if attempt.target().host() == attempt.from().host() {
///         RedirectAction::Follow
///     } else {
///         RedirectAction::Deliver
///     }
/// });
/// let request = RequestConfig::get("https://example.org/").redirect_policy(same_host);
/// ```
#[derive(Clone)]
pub struct RedirectPolicy(Kind);

#[derive(Clone)]
enum Kind {
    Limited(usize),
    Custom(Arc<Decide>),
}

/// More than anybody means: whoever gets there goes round in circles.
const MOST: usize = 100;

type Decide = dyn Fn(&RedirectAttempt<'_>) -> RedirectAction + Send + Sync;

impl RedirectPolicy {
    /// Follows none: the redirect itself is the response.
    pub const fn none() -> Self {
        Self(Kind::Limited(0))
    }

    /// Follows this many; one more is an error of kind [`Redirect`](crate::ErrorKind::Redirect).
    /// 0 is [`none`](Self::none), which is no error.
    pub const fn limited(most: usize) -> Self {
        Self(Kind::Limited(most))
    }

    /// Asks `decide` about each redirect. Of one request, 100 are followed at most, whatever it
    /// says; one more is an error of kind [`Redirect`](crate::ErrorKind::Redirect).
    pub fn custom(
        decide: impl Fn(&RedirectAttempt<'_>) -> RedirectAction + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Custom(Arc::new(decide)))
    }

    pub(crate) fn decide(&self, attempt: &RedirectAttempt<'_>) -> RedirectAction {
        match &self.0 {
            Kind::Limited(0) => RedirectAction::Deliver,
            Kind::Limited(most) if attempt.history.len() >= *most => {
                RedirectAction::Refuse(format!("more than {most} redirects"))
            }
            Kind::Limited(_) => RedirectAction::Follow,
            Kind::Custom(_) if attempt.history.len() >= MOST => RedirectAction::Refuse(format!(
                "more than {MOST} redirects, which no policy may follow"
            )),
            Kind::Custom(decide) => decide(attempt),
        }
    }

    /// Whether it follows none, so that a redirect's location need not even be looked at.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.0, Kind::Limited(0))
    }
}

impl Default for RedirectPolicy {
    fn default() -> Self {
        Self::limited(MAX_REDIRECTS)
    }
}

impl fmt::Debug for RedirectPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Limited(most) => write!(f, "RedirectPolicy(at most {most})"),
            Kind::Custom(_) => f.write_str("RedirectPolicy(custom)"),
        }
    }
}

/// What a [custom policy](RedirectPolicy::custom) says.
///
/// ```
/// use pr_core::RedirectAction;
///
/// let refusal = RedirectAction::Refuse("the target is not one of ours".to_owned());
/// assert_ne!(refusal, RedirectAction::Follow);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectAction {
    /// Ask there.
    Follow,
    /// Give the redirect to the user as the response.
    Deliver,
    /// Fail with kind [`Redirect`](crate::ErrorKind::Redirect) and this message.
    Refuse(String),
}

/// A redirect that may be followed. Its `Debug` output shows no query.
#[derive(Clone, Copy)]
pub struct RedirectAttempt<'a> {
    pub(crate) status: StatusCode,
    pub(crate) from: &'a Url,
    pub(crate) target: &'a Url,
    pub(crate) history: &'a [Hop],
}

impl RedirectAttempt<'_> {
    /// The status of the redirect.
    pub fn status_code(&self) -> StatusCode {
        self.status
    }

    /// The URL that answered with it.
    pub fn from(&self) -> &Url {
        self.from
    }

    /// Where it leads.
    pub fn target(&self) -> &Url {
        self.target
    }

    /// The redirects that have been followed before, in order.
    pub fn history(&self) -> &[Hop] {
        self.history
    }
}

impl fmt::Debug for RedirectAttempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedirectAttempt")
            .field("status_code", &self.status)
            .field("from", &format_args!("{}", crate::redact::url(self.from)))
            .field(
                "target",
                &format_args!("{}", crate::redact::url(self.target)),
            )
            .field("history", &self.history)
            .finish()
    }
}
