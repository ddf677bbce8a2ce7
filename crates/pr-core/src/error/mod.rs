//! The one error of the contract: the same kinds on every backend, and whether the request was sent.

mod kind;

use std::{borrow::Cow, error::Error as StdError, fmt};

use http::StatusCode;
use url::Url;

pub use self::kind::{Delivery, ErrorKind, FailedHop, TimeoutPhase};
use crate::{Attempt, ConnectionInfo, DnsFailure, Proxy, redact};

/// Any error, as a cause.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a request has no response.
///
/// The type is opaque, so that backends can change what they are built on. Ask for its
/// [`kind`](Self::kind), whether the peer may have acted on the request
/// ([`delivery`](Self::delivery)), and, for the log, its `source()` chain. No text in it holds a
/// URL's user information or query, a header's value or a body.
///
/// ```
/// use pr_core::{BackendError, Delivery, ErrorKind};
///
/// let error = BackendError::new(ErrorKind::Connect, "the connection was refused")
///     .with_backend("hyper")
///     .with_delivery(Delivery::NotSent);
/// assert!(error.is_connect());
/// assert!(!error.may_have_been_processed());
/// assert_eq!(error.to_string(), "connect error: the connection was refused (hyper backend)");
/// ```
pub struct BackendError {
    // Boxed so that a `Result` stays as small as its success.
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    backend: Option<Cow<'static, str>>,
    url: Option<Box<str>>,
    /// Host and port.
    proxy: Option<Box<str>>,
    delivery: Delivery,
    phase: Option<TimeoutPhase>,
    dns_failure: Option<DnsFailure>,
    proxy_status: Option<StatusCode>,
    failed_hop: Option<FailedHop>,
    status: Option<StatusCode>,
    reused_connection: bool,
    connection: Option<ConnectionInfo>,
    earlier_attempts: Box<[Attempt]>,
    source: Option<BoxError>,
}

const BACKEND_CLOSED: &str = "the backend has been closed";

impl BackendError {
    /// An error of a kind. The message says in a phrase what happened and, where the user can do
    /// something about it, what to do; it must hold no secret.
    ///
    /// The delivery starts as [`NotSent`](Delivery::NotSent) for the kinds that precede sending
    /// (from `Input` to `CircuitOpen`) and as [`Unknown`](Delivery::Unknown) for the rest.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let delivery = if kind.precedes_sending() {
            Delivery::NotSent
        } else {
            Delivery::Unknown
        };
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                backend: None,
                url: None,
                proxy: None,
                delivery,
                phase: None,
                dns_failure: None,
                proxy_status: None,
                failed_hop: None,
                status: None,
                reused_connection: false,
                connection: None,
                earlier_attempts: Box::default(),
                source: None,
            }),
        }
    }

    /// A [`Timeout`](ErrorKind::Timeout) in a phase. Queue and connect precede sending; of a batch's
    /// time, [say](Self::with_delivery) whether the request had been sent.
    pub fn timeout(phase: TimeoutPhase, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(ErrorKind::Timeout, message);
        error.inner.phase = Some(phase);
        if matches!(phase, TimeoutPhase::Queue | TimeoutPhase::Connect) {
            error.inner.delivery = Delivery::NotSent;
        }
        error
    }

    /// A [`Dns`](ErrorKind::Dns) error of this kind.
    pub fn dns(failure: DnsFailure) -> Self {
        let mut error = Self::new(
            ErrorKind::Dns,
            match failure {
                DnsFailure::NotFound => {
                    "the host's name could not be resolved: there is no such name"
                }
                DnsFailure::Transient => {
                    "the host's name could not be resolved for now: the resolver failed or did \
                     not answer"
                }
                DnsFailure::Other => "the host's name could not be resolved",
            },
        );
        error.inner.dns_failure = Some(failure);
        error
    }

    /// A [`Proxy`](ErrorKind::Proxy) error, for a proxy that answered with this status.
    pub fn proxy_refused(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(ErrorKind::Proxy, message);
        error.inner.proxy_status = Some(status);
        error
    }

    /// The error of whoever needs a Tokio runtime, with its timers, and finds none.
    pub fn no_runtime() -> Self {
        Self::new(
            ErrorKind::Config,
            "there is no Tokio runtime here; call this from a task of one",
        )
    }

    /// The error that an exchange gets from a backend that has been closed.
    pub fn backend_closed() -> Self {
        Self::new(ErrorKind::Closed, BACKEND_CLOSED).with_delivery(Delivery::NotSent)
    }

    /// Whether it is [that](Self::backend_closed) error: no request of this backend will ever do
    /// better.
    pub fn is_backend_closed(&self) -> bool {
        self.kind() == ErrorKind::Closed && self.message() == BACKEND_CLOSED
    }

    /// Keeps the cause.
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// The same error without its cause, for each of several who wait for the one thing that failed.
    pub fn without_source(&self) -> Self {
        let Inner {
            kind,
            ref message,
            ref backend,
            ref url,
            ref proxy,
            delivery,
            phase,
            dns_failure,
            proxy_status,
            failed_hop,
            status,
            reused_connection,
            connection,
            ref earlier_attempts,
            source: _,
        } = *self.inner;
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.clone(),
                backend: backend.clone(),
                url: url.clone(),
                proxy: proxy.clone(),
                delivery,
                phase,
                dns_failure,
                proxy_status,
                failed_hop,
                status,
                reused_connection,
                connection,
                earlier_attempts: earlier_attempts.clone(),
                source: None,
            }),
        }
    }

    /// Says what is known of the request's fate.
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.inner.delivery = delivery;
        self
    }

    /// Says that the connection had carried a request before, so that it may have gone stale.
    pub fn on_reused_connection(mut self, reused: bool) -> Self {
        self.inner.reused_connection = reused;
        self
    }

    /// Names the connection that the failed exchange was on.
    ///
    /// A backend need not: the caller does it, from what the backend has
    /// [told of the exchange](crate::Progress::connected).
    pub fn on_connection(mut self, connection: ConnectionInfo) -> Self {
        self.inner.connection = Some(connection);
        self
    }

    /// The same, unless there was none.
    pub(crate) fn on_any_connection(mut self, connection: ConnectionInfo) -> Self {
        if connection.id != 0 {
            self.inner.connection = Some(connection);
        }
        self
    }

    /// Keeps the attempts that came before the one that failed with this error, in order, in place
    /// of any that it has.
    ///
    /// The delivery stays as it is: if one of them may have been processed,
    /// [say](Self::with_delivery) so, because it is the request's fate that is asked for.
    pub fn with_earlier_attempts(mut self, attempts: Vec<Attempt>) -> Self {
        self.inner.earlier_attempts = attempts.into();
        self
    }

    #[cfg(feature = "serde")]
    pub(crate) fn with_dns_failure(mut self, failure: DnsFailure) -> Self {
        self.inner.dns_failure = Some(failure);
        self
    }

    pub(crate) fn with_status_code(mut self, status: StatusCode) -> Self {
        self.inner.status = Some(status);
        self
    }

    #[cfg(feature = "serde")]
    pub(crate) fn with_proxy_status(mut self, status: StatusCode) -> Self {
        self.inner.proxy_status = Some(status);
        self
    }

    /// Says with which part of the way through a proxy it was that the opening of a connection failed.
    pub fn with_failed_hop(mut self, hop: FailedHop) -> Self {
        self.inner.failed_hop = Some(hop);
        self
    }

    /// Names the backend.
    pub fn with_backend(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.inner.backend = Some(name.into());
        self
    }

    /// Names the URL, of which only scheme, host, port and path are kept.
    pub fn with_url(mut self, url: &Url) -> Self {
        self.inner.url = Some(redact::url(url).into());
        self
    }

    pub(crate) fn with_redacted_url(mut self, url: impl Into<Box<str>>) -> Self {
        self.inner.url = Some(url.into());
        self
    }

    /// Names the proxy that the request went through, or was to go through, of which only host and
    /// port are kept.
    pub fn with_proxy(self, proxy: &Proxy) -> Self {
        self.with_proxy_at(format!("{}:{}", proxy.host(), proxy.port()))
    }

    pub(crate) fn with_proxy_at(mut self, authority: impl Into<Box<str>>) -> Self {
        self.inner.proxy = Some(authority.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// What happened, without the kind, the URL and the cause.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The message, without a copy if it is a literal.
    pub(crate) fn shared_message(&self) -> Cow<'static, str> {
        self.inner.message.clone()
    }

    /// The backend that failed; `None` before one was chosen.
    pub fn backend_name(&self) -> Option<&str> {
        self.inner.backend.as_deref()
    }

    /// The URL that failed, a redirect's target perhaps, without user information and query.
    pub fn url(&self) -> Option<&str> {
        self.inner.url.as_deref()
    }

    /// Host and port of the proxy, if whoever chose it [named](Self::with_proxy) it: a pool of
    /// proxies does.
    pub fn proxy(&self) -> Option<&str> {
        self.inner.proxy.as_deref()
    }

    /// What is known of the request's fate at the peer. If there were
    /// [earlier attempts](Self::earlier_attempts), that is of all of them: a request of which one attempt
    /// may have been processed, may have been.
    pub fn delivery(&self) -> Delivery {
        self.inner.delivery
    }

    /// Whether the peer may have acted on the request, so that only an idempotent one may be
    /// sent again without asking.
    pub fn may_have_been_processed(&self) -> bool {
        self.inner.delivery == Delivery::Unknown
    }

    /// What the request was waiting for, if this is a [`Timeout`](ErrorKind::Timeout).
    pub fn timeout_phase(&self) -> Option<TimeoutPhase> {
        self.inner.phase
    }

    /// Why the name could not be resolved, if this is a [`Dns`](ErrorKind::Dns) error and it is
    /// known. Only [`Transient`](DnsFailure::Transient) is worth another try.
    pub fn dns_failure(&self) -> Option<DnsFailure> {
        self.inner.dns_failure
    }

    /// The status of the response that was turned into this error, by
    /// [`error_for_status`](crate::NormalizedResponse::error_for_status).
    pub fn status_code(&self) -> Option<StatusCode> {
        self.inner.status
    }

    /// The status with which the proxy refused a tunnel, if this is a [`Proxy`](ErrorKind::Proxy)
    /// error and the proxy answered.
    pub fn proxy_status(&self) -> Option<StatusCode> {
        self.inner.proxy_status
    }

    /// With which part of the way through a proxy the opening of a connection failed; `None` if it is
    /// not that which failed, if there was no proxy, or if the backend does not say.
    pub fn failed_hop(&self) -> Option<FailedHop> {
        self.inner.failed_hop
    }

    /// Whether the failed connection had carried a request before.
    pub fn was_on_reused_connection(&self) -> bool {
        let is_reused = |connection: ConnectionInfo| connection.reused;
        self.inner.reused_connection || self.inner.connection.is_some_and(is_reused)
    }

    /// The connection that the exchange was on when it failed; `None` if it had none yet, or the
    /// backend did not say.
    pub fn connection(&self) -> Option<ConnectionInfo> {
        self.inner.connection
    }

    /// The attempts that a retry policy made before the one that failed with this error, in order;
    /// empty if there was none.
    pub fn earlier_attempts(&self) -> &[Attempt] {
        &self.inner.earlier_attempts
    }

    /// Whether time ran out, in whatever phase.
    pub fn is_timeout(&self) -> bool {
        self.kind() == ErrorKind::Timeout
    }

    /// Whether no connection could be made: name resolution, TCP, proxy, TLS, or too slow at them.
    pub fn is_connect(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Dns | ErrorKind::Connect | ErrorKind::Tls | ErrorKind::Proxy
        ) || self.timeout_phase() == Some(TimeoutPhase::Connect)
    }

    /// Whether the host's name could not be resolved.
    pub fn is_dns(&self) -> bool {
        self.kind() == ErrorKind::Dns
    }

    /// Whether the TLS handshake or the certificate failed.
    pub fn is_tls(&self) -> bool {
        self.kind() == ErrorKind::Tls
    }

    /// Whether the request was refused as wrong before anything was sent.
    pub fn is_input(&self) -> bool {
        self.kind() == ErrorKind::Input
    }

    /// Whether the error came from [`error_for_status`](crate::NormalizedResponse::error_for_status).
    pub fn is_status(&self) -> bool {
        self.kind() == ErrorKind::Status
    }

    /// The message and every cause below it on one line, for a terminal or a log.
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            message,
            backend,
            url,
            proxy,
            phase,
            ..
        } = &*self.inner;
        match phase {
            Some(phase) => write!(f, "{kind} error ({}): {message}", phase.as_str())?,
            None => write!(f, "{kind} error: {message}")?,
        }
        let about = [
            url.as_deref().map(Cow::Borrowed),
            proxy
                .as_deref()
                .map(|proxy| format!("through proxy {proxy}").into()),
            backend
                .as_deref()
                .map(|backend| format!("{backend} backend").into()),
        ];
        let mut opening = " (";
        for about in about.into_iter().flatten() {
            write!(f, "{opening}{about}")?;
            opening = ", ";
        }
        f.write_str(if opening == ", " { ")" } else { "" })
    }
}

impl fmt::Debug for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            message,
            backend,
            url,
            proxy,
            delivery,
            phase,
            dns_failure,
            proxy_status,
            failed_hop,
            status,
            reused_connection,
            connection,
            earlier_attempts,
            source,
        } = &*self.inner;
        f.debug_struct("BackendError")
            .field("kind", kind)
            .field("message", message)
            .field("backend", backend)
            .field("url", url)
            .field("proxy", proxy)
            .field("delivery", delivery)
            .field("phase", phase)
            .field("dns_failure", dns_failure)
            .field("proxy_status", proxy_status)
            .field("failed_hop", failed_hop)
            .field("status", status)
            .field("reused_connection", reused_connection)
            .field("connection", connection)
            .field("earlier_attempts", earlier_attempts)
            .field("source", source)
            .finish()
    }
}

impl StdError for BackendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}
