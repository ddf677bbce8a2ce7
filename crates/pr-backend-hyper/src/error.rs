//! What hyper's errors are called in the contract.

use std::{error::Error as StdError, io};

use pr_connect::tls_failure;
use pr_core::{BackendError, Delivery, ErrorKind};

use crate::{informational::TooManyInformational, pool::Shared, upload::Fate};

/// For a request that hyper gave back: the connection was gone before it was begun.
pub(crate) fn unsent(error: hyper::Error, pool: &Shared) -> BackendError {
    if pool.tasks.is_shut_down() {
        return BackendError::backend_closed().with_source(error);
    }
    // hyper says only that the request was cancelled. If the cause is an error of its own, and
    // not one of the network's, then the peer had spoken before it was asked.
    let spoke_first = cause::<hyper::Error>(&error)
        .is_some_and(|inner| !inner.is_incomplete_message() && cause::<io::Error>(inner).is_none());
    let named = if let Some(message) = tls_failure(&error) {
        BackendError::new(ErrorKind::Tls, message)
    } else if spoke_first {
        BackendError::new(
            ErrorKind::Protocol,
            "the peer sent something before it was asked",
        )
    } else {
        gone()
    };
    named.with_delivery(Delivery::NotSent).with_source(error)
}

/// For a request on a connection that has ended.
pub(crate) fn gone() -> BackendError {
    BackendError::new(
        ErrorKind::Closed,
        "the connection was closed before the request",
    )
    .with_delivery(Delivery::NotSent)
}

/// For an exchange that ended before the head of the response was there.
pub(crate) fn before_head(
    error: hyper::Error,
    upload: Option<&Fate>,
    pool: &Shared,
) -> BackendError {
    if let Some(known) = known(upload, pool) {
        return known;
    }
    if let Some(message) = tls_failure(&error) {
        // The request may be under way by then, unlike in a handshake.
        return BackendError::new(ErrorKind::Tls, message)
            .with_delivery(Delivery::Unknown)
            .with_source(error);
    }
    if error.is_parse_too_large() {
        return pool.limits.exceeded_by_head().with_source(error);
    }
    if is_flood(&error) {
        return pool.limits.exceeded_by_informational().with_source(error);
    }
    let (kind, message) = if error.is_parse_status() {
        (ErrorKind::Protocol, "the response has no valid status")
    } else if error.is_parse() {
        (ErrorKind::Protocol, "the response's head is not HTTP/1.1")
    } else if error.is_incomplete_message() {
        (
            ErrorKind::Closed,
            "the peer closed the connection without an answer",
        )
    } else if cause::<io::Error>(&error).is_some() {
        (ErrorKind::Closed, "the connection failed before the answer")
    } else {
        (ErrorKind::Closed, "the connection ended before the answer")
    };
    BackendError::new(kind, message).with_source(error)
}

/// For a body that ended badly.
pub(crate) fn within_body(
    error: hyper::Error,
    upload: Option<&Fate>,
    pool: &Shared,
) -> BackendError {
    known(upload, pool).unwrap_or_else(|| after_body(error))
}

/// The same, when nothing is known but the error.
pub(crate) fn after_body(error: hyper::Error) -> BackendError {
    use io::ErrorKind::{InvalidData, InvalidInput};
    let (kind, message) = match cause::<io::Error>(&error) {
        Some(fault) if is_limit(fault) => (
            ErrorKind::Limit,
            "the response has too many chunk extensions or trailer fields",
        ),
        Some(fault) if matches!(fault.kind(), InvalidData | InvalidInput) => (
            ErrorKind::Protocol,
            "the response's body is not framed as HTTP/1.1 wants it",
        ),
        _ => (
            ErrorKind::Truncated,
            "the connection ended in the middle of the response's body",
        ),
    };
    BackendError::new(kind, message).with_source(error)
}

/// For a request that was cut off after it had been answered, though not refused.
pub(crate) fn after_early_answer(upload: Option<&Fate>, pool: &Shared) -> BackendError {
    known(upload, pool).unwrap_or_else(|| {
        BackendError::new(
            ErrorKind::Closed,
            "the peer answered, but the connection ended before all of the request was sent",
        )
    })
}

/// hyper tells its limits from other faults by their text alone.
fn is_limit(fault: &io::Error) -> bool {
    let text = fault.to_string();
    text.ends_with("over limit") || text == "chunk trailers count overflow"
}

/// Whether the wire has counted too many informational responses.
fn is_flood(error: &hyper::Error) -> bool {
    match cause::<io::Error>(error).and_then(io::Error::get_ref) {
        Some(inner) => inner.is::<TooManyInformational>(),
        None => false,
    }
}

/// The reason, if it lies on this side.
fn known(upload: Option<&Fate>, pool: &Shared) -> Option<BackendError> {
    let failed_upload = upload.and_then(Fate::take_failure);
    failed_upload.or_else(|| {
        pool.tasks.is_shut_down().then(|| {
            BackendError::new(
                ErrorKind::Closed,
                "the backend was closed during the exchange",
            )
        })
    })
}

/// The first cause of this type below an error.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
