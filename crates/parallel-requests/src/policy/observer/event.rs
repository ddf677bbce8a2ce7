//! What an observer is told.

use std::{fmt, sync::Arc, time::Duration};

use http::{Method, StatusCode, Version};
use pr_core::{BackendError, ConnectionInfo, Delivery, ErrorKind, TimeoutPhase};

use crate::policy::Reply;

/// Something that has happened to a request. There is no secret in it.
///
/// ```
/// use parallel_requests::{Event, Phase};
///
/// fn line(event: &Event) -> String {
///     let Event { request, method, url, elapsed, .. } = event;
///     match &event.phase {
///         Phase::Done(ending) => format!("{request} {method} {url} {ending:?} after {elapsed:?}"),
///         phase => format!("{request} {} at {elapsed:?}", phase.name()),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// A number that no other request of this process has. Its attempts have the same.
    pub request: u64,
    /// The method.
    pub method: Method,
    /// The URL that was asked for, without user information, query and fragment.
    pub url: Arc<str>,
    /// The attempt that this is about, from 1; 0 before the first.
    pub attempt: u32,
    /// How long ago the request was handed over.
    pub elapsed: Duration,
    /// What has happened.
    pub phase: Phase,
}

/// A phase of a request, with what is known of it.
///
/// ```
/// use parallel_requests::Phase;
///
/// assert_eq!(Phase::Queued.name(), "queued");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The request has been handed over, and waits for its turn.
    Queued,
    /// The attempts before this one are over and did not do; another one begins.
    Retried,
    /// Another attempt is under way and takes long; a copy is sent as well.
    Hedged,
    /// The attempt goes to the backend.
    Dispatched {
        /// Host and port of the proxy that the [pool](crate::ProxyPool) or the request itself chose.
        proxy: Option<Arc<str>>,
    },
    /// A name was resolved to open a connection: the proxy's, if there is one.
    Dns {
        /// How long that took.
        took: Duration,
    },
    /// A connection was opened.
    Connected {
        /// How long TCP took, and the proxy's own handshake, if there is one.
        took: Duration,
    },
    /// The new connection is secure.
    Tls {
        /// How long the handshake with the origin took.
        took: Duration,
    },
    /// This connection carries the request.
    Carried {
        /// Which one it is.
        connection: ConnectionInfo,
    },
    /// The whole request is with the connection.
    Sent,
    /// The head of a response is there: the last one's, or that of a redirect.
    Head,
    /// The whole response is there.
    Body {
        /// Its status, whatever that is.
        status: StatusCode,
        /// The version that it came in.
        version: Version,
        /// The size of its body in bytes, as it was received.
        received: u64,
        /// The size of its body in bytes, without content codings.
        decoded: u64,
    },
    /// The attempt has failed.
    Failed {
        /// What went wrong.
        kind: ErrorKind,
        /// What was waited for, if it is a timeout.
        timeout_phase: Option<TimeoutPhase>,
        /// What is known of the request's fate at the peer.
        delivery: Delivery,
    },
    /// Nobody waits for the attempt any longer: another copy of the request was faster, its time was up,
    /// or it was dropped.
    Cancelled,
    /// The request is over.
    Done(Ending),
}

/// How a request ended.
///
/// ```
/// use parallel_requests::{Ending, http::StatusCode};
///
/// fn is_fine(ending: &Ending) -> bool {
///     matches!(ending, Ending::Response { status } if status.is_success())
/// }
/// assert!(is_fine(&Ending::Response { status: StatusCode::OK }));
/// assert!(!is_fine(&Ending::Cancelled));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// With a response.
    Response {
        /// Its status, whatever that is.
        status: StatusCode,
    },
    /// With an error.
    Error {
        /// What went wrong.
        kind: ErrorKind,
        /// What was waited for, if it is a timeout.
        timeout_phase: Option<TimeoutPhase>,
        /// What is known of the request's fate at the peer.
        delivery: Delivery,
    },
    /// Without an outcome: whoever waited for it does so no longer.
    Cancelled,
}

impl Phase {
    /// The phase as one lower-case word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Retried => "retried",
            Self::Hedged => "hedged",
            Self::Dispatched { .. } => "dispatched",
            Self::Dns { .. } => "dns",
            Self::Connected { .. } => "connected",
            Self::Tls { .. } => "tls",
            Self::Carried { .. } => "carried",
            Self::Sent => "sent",
            Self::Head => "head",
            Self::Body { .. } => "body",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
            Self::Done(_) => "done",
        }
    }

    /// The last phase of an attempt with this reply.
    pub(crate) fn of_attempt(reply: &Reply) -> Self {
        match reply {
            Ok(response) => Self::Body {
                status: response.status_code(),
                version: response.version(),
                received: response.body_bytes_received(),
                decoded: response.body_bytes_decoded(),
            },
            Err(error) => Self::Failed {
                kind: error.kind(),
                timeout_phase: error.timeout_phase(),
                delivery: error.delivery(),
            },
        }
    }
}

impl Ending {
    pub(super) fn of(reply: &Reply) -> Self {
        match reply {
            Ok(response) => Self::Response {
                status: response.status_code(),
            },
            Err(error) => Self::of_error(error),
        }
    }

    fn of_error(error: &BackendError) -> Self {
        Self::Error {
            kind: error.kind(),
            timeout_phase: error.timeout_phase(),
            delivery: error.delivery(),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
