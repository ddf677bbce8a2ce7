//! Errors of the `h2` crate in the contract's terms, and what they say about a request's fate.

use std::{error::Error as StdError, fmt, sync::Arc};

use h2::Reason;
use pr_core::{BackendError, Delivery, ErrorKind};

/// A stream that ended in an error before the response's head was there.
pub(crate) fn before_head(error: h2::Error, reused: bool) -> BackendError {
    if let Some(message) = not_processed(&error) {
        // Whatever the connection had carried before, the peer has proved that a second attempt is
        // safe, and that this connection is not the one to make it on.
        return BackendError::new(ErrorKind::Closed, message)
            .with_delivery(Delivery::NotProcessed)
            .on_reused_connection(true)
            .with_source(error);
    }
    if let Some(message) = tls_failure(&error) {
        // The request may be under way by then, unlike in a handshake.
        return BackendError::new(ErrorKind::Tls, message)
            .with_delivery(Delivery::Unknown)
            .on_reused_connection(reused)
            .with_source(error);
    }
    if is_flood_of_fields(&error) {
        let message = "the peer sent a head that is many times larger than the limit, in answer to \
                       this request or to another on the same connection";
        return BackendError::new(ErrorKind::Limit, message)
            .on_reused_connection(reused)
            .with_source(error);
    }
    let (kind, message) = if error.is_io() {
        (
            ErrorKind::Closed,
            "the connection ended before the response's head was there".into(),
        )
    } else {
        (ErrorKind::Protocol, describe(&error))
    };
    BackendError::new(kind, message)
        .on_reused_connection(reused)
        .with_source(error)
}

/// A stream that ended in an error while the response's body was read.
pub(crate) fn in_body(error: h2::Error) -> BackendError {
    let gave_up = error.is_remote()
        && matches!(
            error.reason(),
            Some(
                Reason::NO_ERROR
                    | Reason::INTERNAL_ERROR
                    | Reason::REFUSED_STREAM
                    | Reason::CANCEL
                    | Reason::CONNECT_ERROR
                    | Reason::ENHANCE_YOUR_CALM
            )
        );
    let (kind, message) = if error.is_io() {
        (
            ErrorKind::Truncated,
            "the connection ended in the middle of the response's body".into(),
        )
    } else if gave_up {
        (ErrorKind::Truncated, describe(&error))
    } else {
        (ErrorKind::Protocol, describe(&error))
    };
    BackendError::new(kind, message).with_source(error)
}

/// A request that could not be handed to its connection.
pub(crate) fn not_sent(error: h2::Error) -> BackendError {
    if error.is_io() || error.reason().is_some() {
        // Between the choice of the connection and this moment, it has ended.
        return BackendError::new(ErrorKind::Closed, "the connection takes no more requests")
            .with_delivery(Delivery::NotSent)
            .on_reused_connection(true)
            .with_source(error);
    }
    BackendError::new(
        ErrorKind::Input,
        "HTTP/2 cannot carry this request; a header field belongs to HTTP/1.1 connections only \
         (RFC 9113, section 8.2.2)",
    )
    .with_source(error)
}

/// A stream that ended because the backend was closed.
pub(crate) fn closed(error: h2::Error) -> BackendError {
    BackendError::new(ErrorKind::Closed, "the backend has been closed").with_source(error)
}

/// Whether the peer wants HTTP/1.1 for this (RFC 9113, section 7).
pub(crate) fn wants_http1(error: &h2::Error) -> bool {
    error.is_remote() && error.reason() == Some(Reason::HTTP_1_1_REQUIRED)
}

/// Why the peer cannot have processed the request, if that is so (RFC 9113, section 8.7).
fn not_processed(error: &h2::Error) -> Option<&'static str> {
    if !error.is_remote() {
        return None;
    }
    // `h2` gives a peer's GOAWAY to just those streams that are above its last id.
    if error.is_go_away() {
        return Some("the peer said GOAWAY without having processed the request");
    }
    match error.reason() {
        Some(Reason::REFUSED_STREAM) => Some("the peer refused the stream"),
        Some(Reason::HTTP_1_1_REQUIRED) => Some("the peer wants HTTP/1.1 for this request"),
        _ => None,
    }
}

/// What an error of a connection is to say that is TLS's fault.
pub(crate) fn of_tls(failure: &str) -> String {
    format!("{OF_TLS}{failure}")
}

const OF_TLS: &str = "TLS: ";

/// What has become of TLS, if that is why the connection has ended.
fn tls_failure(error: &h2::Error) -> Option<String> {
    let text = error.get_io()?.get_ref()?.to_string();
    text.strip_prefix(OF_TLS).map(ToOwned::to_owned)
}

/// Whether `h2` has given up on a field section without end. It says so by text alone.
fn is_flood_of_fields(error: &h2::Error) -> bool {
    error.is_go_away()
        && error.is_library()
        && error.reason() == Some(Reason::ENHANCE_YOUR_CALM)
        && ["header_list_way_too_large", "too_many_continuations"]
            .iter()
            .any(|named| error.to_string().contains(named))
}

fn describe(error: &h2::Error) -> String {
    let reason = error.reason().unwrap_or(Reason::INTERNAL_ERROR);
    if error.is_remote() {
        format!("the peer reset the stream: {reason}")
    } else if error.is_go_away() {
        format!("the peer broke the protocol, or does not speak HTTP/2 at all: {reason}")
    } else {
        format!(
            "the peer's response broke the protocol, or its head is many times larger than the \
             limit: {reason}"
        )
    }
}

/// The error of a dial for each of those who waited for it, the same for all.
pub(crate) fn for_each_waiter(error: BackendError) -> impl FnMut() -> BackendError {
    let shared = Arc::new(error);
    move || {
        let copy = shared.without_source();
        if shared.source().is_some() {
            copy.with_source(SharedCause(shared.clone()))
        } else {
            copy
        }
    }
}

/// The cause of an error that several requests share.
#[derive(Debug)]
struct SharedCause(Arc<BackendError>);

impl fmt::Display for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(cause) => fmt::Display::fmt(cause, f),
            None => Ok(()),
        }
    }
}

impl StdError for SharedCause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()?.source()
    }
}
