//! What a retry policy did before there was an outcome, attempt by attempt.

use std::{borrow::Cow, fmt, time::Duration};

use http::StatusCode;

use crate::{BackendError, ConnectionInfo, Delivery, ErrorKind, NormalizedResponse, TimeoutPhase};

/// One attempt at a request, as a retry policy made it: when, what came of it, how long it took, on
/// which connection.
///
/// An attempt is a whole request with its redirects, up to the last byte of the response's body, or
/// up to its head if the body is streamed. A
/// response or error has those [before](NormalizedResponse::earlier_attempts) the one that gave it.
///
/// ```
/// use std::time::Duration;
/// use pr_core::{Attempt, BackendError, ErrorKind};
///
/// let failed = Err(BackendError::new(ErrorKind::Connect, "the connection was refused"));
/// let mut attempt = Attempt::of(Duration::ZERO, Duration::from_millis(3), &failed);
/// attempt.backoff = Some(Duration::from_millis(250));
///
/// let error = BackendError::new(ErrorKind::Timeout, "the timeout of 2s passed")
///     .with_earlier_attempts(vec![attempt]);
/// let first = &error.earlier_attempts()[0];
/// assert_eq!(first.result.as_ref().unwrap_err().kind, ErrorKind::Connect);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// When it began, after the request was first handed over.
    pub started: Duration,
    /// How long it took.
    pub elapsed: Duration,
    /// The status of its response, whatever that was, or its error.
    pub result: Result<StatusCode, AttemptError>,
    /// The connection of its last exchange; `None` if it had none, or it is not known.
    pub connection: Option<ConnectionInfo>,
    /// The pause before the next attempt; `None` if there was none.
    pub backoff: Option<Duration>,
}

impl Attempt {
    /// The attempt that began `started` after the request was handed over, took `elapsed`, and had
    /// this outcome. No pause followed, until [`backoff`](Self::backoff) is set.
    pub fn of(
        started: Duration,
        elapsed: Duration,
        outcome: &Result<NormalizedResponse, BackendError>,
    ) -> Self {
        match outcome {
            Ok(response) => {
                let (status, connection) = (response.status_code(), response.connection());
                Self::answered(started, elapsed, status, connection)
            }
            Err(error) => Self::failed(started, elapsed, error),
        }
    }

    /// The same of an attempt with a response of this status over this connection, whether its body
    /// has been read or not.
    pub fn answered(
        started: Duration,
        elapsed: Duration,
        status: StatusCode,
        connection: ConnectionInfo,
    ) -> Self {
        Self {
            started,
            elapsed,
            result: Ok(status),
            connection: Some(connection).filter(|connection| connection.id != 0),
            backoff: None,
        }
    }

    /// The same of an attempt that failed, whatever it would have given.
    pub fn failed(started: Duration, elapsed: Duration, error: &BackendError) -> Self {
        Self {
            started,
            elapsed,
            result: Err(AttemptError::of(error)),
            connection: error.connection(),
            backoff: None,
        }
    }
}

/// What is kept of the [`BackendError`] of an attempt. There is no secret in it.
///
/// ```
/// use std::time::Duration;
/// use pr_core::{Attempt, BackendError, ErrorKind};
///
/// let error = BackendError::new(ErrorKind::Closed, "the connection was closed");
/// let attempt = Attempt::failed(Duration::ZERO, Duration::from_millis(3), &error);
/// let kept = attempt.result.unwrap_err();
/// assert_eq!(kept.to_string(), "closed error: the connection was closed");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// What was waited for, if it is a [`Timeout`](ErrorKind::Timeout).
    pub phase: Option<TimeoutPhase>,
    /// What is known of the request's fate at the peer.
    pub delivery: Delivery,
    /// What happened, in a phrase.
    pub message: Cow<'static, str>,
}

impl AttemptError {
    fn of(error: &BackendError) -> Self {
        Self {
            kind: error.kind(),
            phase: error.timeout_phase(),
            delivery: error.delivery(),
            message: error.shared_message(),
        }
    }
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            phase,
            message,
            ..
        } = self;
        match phase {
            Some(phase) => write!(f, "{kind} error ({phase}): {message}"),
            None => write!(f, "{kind} error: {message}"),
        }
    }
}

impl std::error::Error for AttemptError {}
