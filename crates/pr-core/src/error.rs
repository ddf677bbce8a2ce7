//! The one error of the contract: the same kinds on every backend, and whether the request was sent.

use std::{borrow::Cow, error::Error as StdError, fmt};

use url::Url;

use crate::redact;

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
    delivery: Delivery,
    phase: Option<TimeoutPhase>,
    reused_connection: bool,
    source: Option<BoxError>,
}

/// What went wrong, in terms that mean the same on every backend.
///
/// *Retry* says whether trying again makes sense: "no" means that the same request would fail the
/// same way, "yes" that it may not. Whether it is *safe* is for the error's
/// [`delivery`](BackendError::delivery) to say, whatever the kind: where that is
/// [`Unknown`](Delivery::Unknown), only for idempotent methods (RFC 9110, section 9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself is wrong; nothing was sent. Retry: no.
    Input,
    /// The backend cannot do what the request asks for; nothing was sent. Retry: no.
    Unsupported,
    /// The client or backend is set up wrongly, or no runtime is there. Retry: no.
    Config,
    /// The host's name could not be resolved. Retry: yes.
    Dns,
    /// No connection to the peer could be made. Retry: yes.
    Connect,
    /// The TLS handshake failed, or the certificate is not acceptable. Retry: no.
    Tls,
    /// The proxy refused or failed. Retry: yes.
    Proxy,
    /// Time ran out; [`timeout_phase`](BackendError::timeout_phase) says in what. Retry: yes.
    Timeout,
    /// The connection ended before the response's head was there, or the backend was closed.
    /// Retry: yes.
    Closed,
    /// The connection ended in the middle of the response's body. Retry: yes.
    Truncated,
    /// The peer broke the protocol. Retry: no.
    Protocol,
    /// A limit on size or number was exceeded. Retry: no.
    Limit,
    /// A redirect could not be followed, or there were too many. Retry: no.
    Redirect,
    /// The response's content is not what it was asked to be read as. Retry: no.
    Decode,
    /// The request's own body failed while it was read. Retry: yes.
    Body,
    /// The status is 4xx or 5xx and the caller asked for that to be an error. Retry: by status.
    Status,
    /// The request was cancelled from this side. Retry: yes.
    Cancelled,
    /// Anything else; see the message and the source. Retry: no.
    Other,
}

impl ErrorKind {
    /// Every kind there is.
    pub const ALL: &'static [Self] = &[
        Self::Input,
        Self::Unsupported,
        Self::Config,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Proxy,
        Self::Timeout,
        Self::Closed,
        Self::Truncated,
        Self::Protocol,
        Self::Limit,
        Self::Redirect,
        Self::Decode,
        Self::Body,
        Self::Status,
        Self::Cancelled,
        Self::Other,
    ];

    /// The kind as one lower-case word, as it stands in JSON and in `preq`'s output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Unsupported => "unsupported",
            Self::Config => "config",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Truncated => "truncated",
            Self::Protocol => "protocol",
            Self::Limit => "limit",
            Self::Redirect => "redirect",
            Self::Decode => "decode",
            Self::Body => "body",
            Self::Status => "status",
            Self::Cancelled => "cancelled",
            Self::Other => "other",
        }
    }

    /// Whether an error of this kind always comes before the first byte of the request.
    const fn precedes_sending(self) -> bool {
        matches!(
            self,
            Self::Input
                | Self::Unsupported
                | Self::Config
                | Self::Dns
                | Self::Connect
                | Self::Tls
                | Self::Proxy
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of the request's fate at the peer when there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Not a byte of the request was written.
    NotSent,
    /// The request was sent at least in part, and the peer proved that it did not process it: an
    /// HTTP/2 stream refused, or above the last one that a GOAWAY names (RFC 9113, section 8.7).
    NotProcessed,
    /// The peer may have processed the request.
    Unknown,
}

impl Delivery {
    /// The state as one lower-case word with hyphens, as it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not-sent",
            Self::NotProcessed => "not-processed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a request was waiting for when time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutPhase {
    /// A thread, a stream or a connection of the pool to become free.
    Queue,
    /// A connection: name resolution, TCP, the proxy and TLS together.
    Connect,
    /// The peer to take the request.
    Write,
    /// The response's head.
    Head,
    /// More of the response's body.
    Read,
}

impl TimeoutPhase {
    /// Every phase there is, in the order in which a request goes through them.
    pub const ALL: &'static [Self] = &[
        Self::Queue,
        Self::Connect,
        Self::Write,
        Self::Head,
        Self::Read,
    ];

    /// The phase as one lower-case word, as it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Connect => "connect",
            Self::Write => "write",
            Self::Head => "head",
            Self::Read => "read",
        }
    }
}

impl fmt::Display for TimeoutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl BackendError {
    /// An error of a kind. The message says in a phrase what happened and, where the user can do
    /// something about it, what to do; it must hold no secret.
    ///
    /// The delivery starts as [`NotSent`](Delivery::NotSent) for the kinds that precede sending
    /// (from `Input` to `Proxy`) and as [`Unknown`](Delivery::Unknown) for the rest.
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
                delivery,
                phase: None,
                reused_connection: false,
                source: None,
            }),
        }
    }

    /// A [`Timeout`](ErrorKind::Timeout) in a phase. Queue and connect precede sending.
    pub fn timeout(phase: TimeoutPhase, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(ErrorKind::Timeout, message);
        error.inner.phase = Some(phase);
        if matches!(phase, TimeoutPhase::Queue | TimeoutPhase::Connect) {
            error.inner.delivery = Delivery::NotSent;
        }
        error
    }

    /// The error that an exchange gets from a backend that has been closed.
    pub fn backend_closed() -> Self {
        Self::new(ErrorKind::Closed, "the backend has been closed").with_delivery(Delivery::NotSent)
    }

    /// Keeps the cause.
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.inner.source = Some(source.into());
        self
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

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// What happened, without the kind, the URL and the cause.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The backend that failed; `None` before one was chosen.
    pub fn backend_name(&self) -> Option<&str> {
        self.inner.backend.as_deref()
    }

    /// The URL that failed, a redirect's target perhaps, without user information and query.
    pub fn url(&self) -> Option<&str> {
        self.inner.url.as_deref()
    }

    /// What is known of the request's fate at the peer.
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

    /// Whether the failed connection had carried a request before.
    pub fn was_on_reused_connection(&self) -> bool {
        self.inner.reused_connection
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
            phase,
            ..
        } = &*self.inner;
        match phase {
            Some(phase) => write!(f, "{kind} error ({}): {message}", phase.as_str())?,
            None => write!(f, "{kind} error: {message}")?,
        }
        match (url, backend) {
            (Some(url), Some(backend)) => write!(f, " ({url}, {backend} backend)"),
            (Some(url), None) => write!(f, " ({url})"),
            (None, Some(backend)) => write!(f, " ({backend} backend)"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            message,
            backend,
            url,
            delivery,
            phase,
            reused_connection,
            source,
        } = &*self.inner;
        f.debug_struct("BackendError")
            .field("kind", kind)
            .field("message", message)
            .field("backend", backend)
            .field("url", url)
            .field("delivery", delivery)
            .field("phase", phase)
            .field("reused_connection", reused_connection)
            .field("source", source)
            .finish()
    }
}

impl StdError for BackendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}
