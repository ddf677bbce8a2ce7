//! Sending again what failed: [`RetryPolicy`], and what it is made of.

mod backoff;
mod budget;
mod context;
mod decide;
mod service;

use std::{fmt, sync::Arc, time::Duration};

use http::{Method, StatusCode};

use self::backoff::Backoff;
pub use self::{
    budget::RetryBudget,
    context::{RetryContext, RetryDecision},
};
pub(crate) use self::{
    decide::Settings,
    service::{RetryLayer, Retrying},
};
use crate::ConfigurationError;

/// Which requests are sent again, how often, and after which pauses.
///
/// An attempt is a whole request: its redirects, its response's body up to the last byte, and the
/// decoding of that. The policy looks at what came of it and, if it may do better next time, waits
/// and makes another. The last one's outcome is the request's, and lists those before it:
/// [`earlier_attempts`](crate::NormalizedResponse::earlier_attempts).
///
/// | Setting | Default |
/// |---|---|
/// | [`max_retries`](Self::max_retries) | 3, so at most four attempts |
/// | [`base`](Self::base), [`cap`](Self::cap) | 500 ms, 20 s |
/// | [`statuses`](Self::statuses) | 408, 425, 429, 500, 502, 503, 504 |
/// | [`unprocessed_statuses`](Self::unprocessed_statuses) | 425 |
/// | [`retry_methods`](Self::retry_methods) | none but the idempotent ones |
/// | [`max_elapsed`](Self::max_elapsed) | no limit |
/// | [`retry_if`](Self::retry_if) | none |
///
/// # What is retried
///
/// Errors are retried by kind: `Dns` if the failure is transient, `Connect`, `Proxy`, `Timeout`
/// (but for time spent in queues and that of a batch), `Closed`, `Truncated`, `Body`, and `Status` by
/// its status. All others would fail in the same way again, or mean that somebody wants an end. So would
/// a proxy that answered 407, and to say wrong credentials again and again may lock their account: that
/// is retried only if a [pool](crate::ProxyPool), which has others, chose the proxy.
///
/// # What is safe
///
/// A request that its peer may have processed is sent again only if its method is idempotent (RFC
/// 9110, section 9.2.2: GET, HEAD, OPTIONS, TRACE, PUT, DELETE): a response came, or the error's
/// [`delivery`](crate::BackendError::delivery) is not known. So a POST that got 503 is not, unless you
/// [say so](Self::retry_methods). It is, with any method, if not a byte of it was sent, if the peer
/// proved that it did not process it, or if it answered with one of the
/// [`unprocessed_statuses`](Self::unprocessed_statuses). A request with a
/// [one-shot body](crate::Body::one_shot) is never sent twice.
///
/// # How long it waits
///
/// Before retry *n*, counted from 0, a time that is drawn evenly from zero to
/// min([`cap`](Self::cap), [`base`](Self::base) × 2ⁿ): exponential backoff with full jitter ("Exponential
/// Backoff And Jitter", AWS Architecture Blog). Without the jitter, all that failed together would come
/// back together. Meanwhile the request holds no place among those in flight. If the host is
/// [paused](crate::ClientBuilder::retry_after) longer than that, the retry goes when the pause ends; the
/// two waits run at the same time.
///
/// # Limits
///
/// Each attempt has the request's [`timeout`](crate::RequestConfig::timeout) anew;
/// [`max_elapsed`](Self::max_elapsed) bounds the beginnings of them all. The client's
/// [`RetryBudget`] bounds how much of its traffic retries are; one that is never sent is not charged.
///
/// # What the request ends with
///
/// The reply to its last attempt. A retry that is refused, by an open
/// [circuit](crate::CircuitBreaker) or because its turn did not come [in
/// time](crate::ClientBuilder::queue_timeout), was none: the reply before it is the outcome. If the
/// outcome is an error, its [`delivery`](crate::BackendError::delivery) is that of all attempts: if one
/// of them may have been processed, or was answered, it is not known, even if the last was not sent; one
/// that was answered with an [unprocessed status](Self::unprocessed_statuses) was not processed.
///
/// # Where it is set
///
/// For all requests by [`ClientBuilder::retry`](crate::ClientBuilder::retry), for one of them by
/// [`PolicyOverrides::retry`](crate::PolicyOverrides::retry). A clone costs little.
///
/// ```
/// use std::time::Duration;
/// use parallel_requests::{ParallelRequests, RetryPolicy};
///
/// # #[cfg(feature = "h2")]
/// let client = ParallelRequests::builder()
///     .retry(RetryPolicy::default().max_retries(5).base(Duration::from_millis(100)))
///     .build()?;
/// # Ok::<(), parallel_requests::ConfigurationError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a policy does nothing until a client or a request is given it"]
pub struct RetryPolicy {
    /// Shared, so that a request can carry a policy of its own for little.
    settings: Arc<Settings>,
}

impl RetryPolicy {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// No retries, nowhere: a request is sent at most once for each redirect on its way, and once
    /// before. A redirect that leads back to the same URL is followed as any other; if not even that is
    /// to be, have [none followed](crate::RequestConfig::follow_redirects).
    ///
    /// That goes for what is below, too. A request whose kept connection turns out to be gone is
    /// otherwise [sent again](crate::RequestConfig::resend) at once where that is safe; with this
    /// policy it fails instead, with kind [`Closed`](crate::ErrorKind::Closed).
    ///
    /// ```
    /// use parallel_requests::{PolicyOverrides, RequestConfig, RetryPolicy};
    ///
    /// let once = RequestConfig::get("https://example.org/one-time-link").retry(RetryPolicy::never());
    /// # drop(once);
    /// ```
    pub fn never() -> Self {
        Self::default().max_retries(0)
    }

    /// How often a request is sent again at most. With 0 it is the same as [`never`](Self::never).
    /// Default: 3.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.edit().max_retries = retries;
        self
    }

    /// The most that the first retry waits; each further one may wait twice as long as the one
    /// before. Zero is for tests: everything is retried at once. Default: 500 ms.
    pub fn base(mut self, base: Duration) -> Self {
        self.edit().backoff.base = base;
        self
    }

    /// The most that any retry waits; not less than [`base`](Self::base). Default: 20 s.
    pub fn cap(mut self, cap: Duration) -> Self {
        self.edit().backoff.cap = cap;
        self
    }

    /// The statuses that are retried, in place of those before.
    ///
    /// ```
    /// use parallel_requests::{RetryPolicy, http::StatusCode};
    ///
    /// let policy = RetryPolicy::default()
    ///     .statuses([StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE]);
    /// # drop(policy);
    /// ```
    pub fn statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.edit().statuses = statuses.into_iter().collect();
        self
    }

    /// The statuses by which the peer says that it has not processed the request, in place of those
    /// before: among the [`statuses`](Self::statuses), these are retried whatever the method.
    ///
    /// Default: 425 (Too Early), with which a server refuses to process what may be a replay (RFC
    /// 8470, section 5.2). 429 is not among them, because RFC 6585 (section 4) does not say that
    /// nothing was done, nor is 503 (RFC 9110, section 15.6.4), which intermediaries send on behalf of
    /// servers that may have done it. If your peer's documentation promises it, say it here.
    ///
    /// ```
    /// use parallel_requests::{RetryPolicy, http::StatusCode};
    ///
    /// let refusals = [StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    /// let policy = RetryPolicy::default().unprocessed_statuses(refusals);
    /// # drop(policy);
    /// ```
    pub fn unprocessed_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.edit().unprocessed = statuses.into_iter().collect();
        self
    }

    /// Methods that are retried even if the peer may have processed the request, besides the
    /// idempotent ones; in place of those named before. Say POST if doing it twice does no harm, for
    /// instance because the request carries a key by which the peer tells.
    ///
    /// ```
    /// use parallel_requests::{PolicyOverrides, RequestConfig, RetryPolicy, http::Method};
    ///
    /// let order = RequestConfig::post("https://api.example/orders")
    ///     .header("idempotency-key", "8e03978e-40d5-43dd-bc93-6894a57f9324")
    ///     .retry(RetryPolicy::default().retry_methods([Method::POST]));
    /// # drop(order);
    /// ```
    pub fn retry_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.edit().methods = methods.into_iter().collect();
        self
    }

    /// Retries every method, even if the peer may have processed the request: every request may be
    /// processed more than once.
    pub fn any_method(mut self) -> Self {
        self.edit().any_method = true;
        self
    }

    /// How long after the first attempt began a retry may begin at the latest: one whose backoff would
    /// end later is not made, and not waited for. What the attempts wait in line, for their host, a token
    /// or a place, does not count, neither before the first nor between them. An attempt that has begun
    /// may take its time. Default: no limit.
    pub fn max_elapsed(mut self, limit: Duration) -> Self {
        self.edit().max_elapsed = Some(limit);
        self
    }

    /// Asks `predicate` after each attempt, successes included: it can leave it to the rules, have the
    /// request sent again in spite of them, or end it.
    ///
    /// Its word goes over statuses, kinds and methods; it is not asked when there is no retry left,
    /// and one-shot bodies, [`max_elapsed`](Self::max_elapsed) and the [`RetryBudget`] stay as they are.
    /// It is called where requests are driven, and should not block.
    ///
    /// ```
    /// use parallel_requests::{RetryDecision, RetryPolicy};
    ///
    /// let policy = RetryPolicy::default().retry_if(|attempt| match attempt.reply() {
    ///     // This peer answers 200 before it is ready.
    ///     Ok(response) if response.text().contains("please wait") => RetryDecision::Retry,
    ///     _ => RetryDecision::ByTheRules,
    /// });
    /// # drop(policy);
    /// ```
    pub fn retry_if(
        mut self,
        predicate: impl Fn(&RetryContext<'_>) -> RetryDecision + Send + Sync + 'static,
    ) -> Self {
        self.edit().predicate = Some(Predicate(Arc::new(predicate)));
        self
    }

    /// Whether it makes no retries at all.
    pub(crate) fn is_never(&self) -> bool {
        self.settings.is_never()
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), ConfigurationError> {
        let Backoff { base, cap } = self.settings.backoff;
        if cap < base {
            return Err(ConfigurationError::InvalidSetting {
                setting: "retry",
                value: format!("{base:?} up to {cap:?}"),
                why: "the cap of the backoff is not less than its base".into(),
            });
        }
        Ok(())
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    fn edit(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            settings: Arc::new(Settings::default()),
        }
    }
}

/// What a user wants asked.
#[derive(Clone)]
struct Predicate(Arc<dyn Fn(&RetryContext<'_>) -> RetryDecision + Send + Sync>);

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a predicate")
    }
}
