//! The words of an error: what went wrong, what became of the request, what it was waiting for.

use std::fmt;

/// What went wrong, in terms that mean the same on every backend.
///
/// *Retry* says whether trying again makes sense: "no" means that the same request would fail the
/// same way, "yes" that it may not. Whether it is *safe* is for the error's
/// [`delivery`](crate::BackendError::delivery) to say, whatever the kind: where that is
/// [`Unknown`](Delivery::Unknown), only for idempotent methods (RFC 9110, section 9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself is wrong, or leads where the client's settings forbid it to go; nothing was
    /// sent. Retry: no.
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
    /// Refused without sending anything, because the circuit breaker of its host is open: too many
    /// requests to it have failed of late. Retry: yes, when it has closed; no policy waits for that.
    CircuitOpen,
    /// Time ran out; [`timeout_phase`](crate::BackendError::timeout_phase) says in what. Retry: yes.
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
    /// The request was cancelled from this side. Retry: yes, if it is wanted after all; no policy does
    /// it by itself.
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
        Self::CircuitOpen,
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

    /// The kind as one lower-case word, with a hyphen where it needs one, as it stands in JSON and in `preq`'s output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Unsupported => "unsupported",
            Self::Config => "config",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::CircuitOpen => "circuit-open",
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
    pub(super) const fn precedes_sending(self) -> bool {
        matches!(
            self,
            Self::Input
                | Self::Unsupported
                | Self::Config
                | Self::Dns
                | Self::Connect
                | Self::Tls
                | Self::Proxy
                | Self::CircuitOpen
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

/// Which part of the way through a proxy failed, when a connection was to be opened.
///
/// ```
/// use pr_core::{BackendError, ErrorKind, FailedHop};
///
/// let error = BackendError::new(ErrorKind::Proxy, "the proxy cannot be reached")
///     .with_failed_hop(FailedHop::Proxy);
/// assert_eq!(error.failed_hop(), Some(FailedHop::Proxy));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailedHop {
    /// The way to the proxy, or the proxy itself: it could not be reached, or not in time; does not
    /// accept the credentials; or is no such proxy.
    Proxy,
    /// The way from the proxy to the origin. The proxy was there and was asked, but refused, or did not
    /// answer in time; whether that is its fault or the origin's is not known.
    Tunnel,
    /// What is the origin's: its name, if that is resolved here, or TLS with it through the tunnel.
    Origin,
}

impl FailedHop {
    /// Every part there is, in the order of the way.
    pub const ALL: &'static [Self] = &[Self::Proxy, Self::Tunnel, Self::Origin];

    /// The part as one lower-case word, as it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Tunnel => "tunnel",
            Self::Origin => "origin",
        }
    }
}

impl fmt::Display for FailedHop {
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
    /// Anything at all: what ran out is the time of the whole batch that the request was part of.
    Batch,
}

impl TimeoutPhase {
    /// Every phase there is, in the order in which a request goes through them; the batch, which
    /// spans them all, comes last.
    pub const ALL: &'static [Self] = &[
        Self::Queue,
        Self::Connect,
        Self::Write,
        Self::Head,
        Self::Read,
        Self::Batch,
    ];

    /// The phase as one lower-case word, as it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Connect => "connect",
            Self::Write => "write",
            Self::Head => "head",
            Self::Read => "read",
            Self::Batch => "batch",
        }
    }
}

impl fmt::Display for TimeoutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
