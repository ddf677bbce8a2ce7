//! What goes wrong, in the terms of [`BackendError`], which every backend shares.

use std::{error::Error as StdError, io};

use pr_core::{BackendError, BoxError, Delivery, ErrorKind};
use pr_tls::handshake_error;

use crate::{
    exchange::{Exchange, Stop},
    informational::MOST_FIELDS,
};

/// What an exchange was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Everything up to the response's head.
    Head,
    /// Reading the response's body.
    Body,
}

/// The error of an exchange that ureq has given up.
pub(crate) fn of_ureq(error: ureq::Error, moment: Moment, exchange: &Exchange) -> BackendError {
    if let Some(why) = exchange.stopped() {
        return stopped(why, exchange);
    }
    let delivery = exchange.delivery();
    let unsent = delivery == Delivery::NotSent;
    let described = match error {
        ureq::Error::Other(cause) => return of_ours(cause, moment, exchange),
        ureq::Error::Io(cause) => return lost(cause, moment, exchange),
        ureq::Error::BodyStalled => {
            return lost(io::ErrorKind::UnexpectedEof.into(), moment, exchange);
        }
        ureq::Error::LargeResponseHeader(_, limit) => BackendError::new(
            ErrorKind::Limit,
            format!("the response's head is longer than {limit} bytes"),
        ),
        // The only one of ureq-proto's errors that is a limit; its type has no name here.
        ureq::Error::Protocol(cause) if format!("{cause:?}") == "HttpParseTooManyHeaders" => {
            return too_many_fields(MOST_FIELDS);
        }
        ureq::Error::Protocol(cause) if unsent => BackendError::new(
            ErrorKind::Input,
            "the request cannot be written as HTTP/1.1",
        )
        .with_source(cause),
        ureq::Error::Protocol(cause) => {
            BackendError::new(ErrorKind::Protocol, "the peer does not keep to HTTP/1.1")
                .with_source(cause)
        }
        other => BackendError::new(ErrorKind::Other, "ureq failed").with_source(other),
    };
    described.with_delivery(delivery)
}

/// The error of a body that could not be read on.
pub(crate) fn of_body(error: io::Error, exchange: &Exchange) -> BackendError {
    // Errors of ureq come wrapped; the conversion unwraps them.
    of_ureq(error.into(), Moment::Body, exchange)
}

/// What our own connector or transport has handed to ureq.
fn of_ours(cause: BoxError, moment: Moment, exchange: &Exchange) -> BackendError {
    let cause = match cause.downcast::<BackendError>() {
        Ok(error) => return *error,
        Err(cause) => cause,
    };
    match cause.downcast::<io::Error>() {
        Ok(cause) => lost(*cause, moment, exchange),
        Err(cause) => BackendError::new(ErrorKind::Other, "ureq failed")
            .with_source(cause)
            .with_delivery(exchange.delivery()),
    }
}

/// The error of a connection that ended, or broke, before its exchange was over.
fn lost(cause: io::Error, moment: Moment, exchange: &Exchange) -> BackendError {
    let speaks_tls = cause
        .get_ref()
        .is_some_and(<dyn StdError + Send + Sync>::is::<rustls::Error>);
    let error = match moment {
        // Such as a client certificate that the peer asks for: with TLS 1.3 it says so after the
        // handshake.
        Moment::Head if speaks_tls => handshake_error(cause),
        Moment::Head => {
            BackendError::new(ErrorKind::Closed, "the connection ended before the answer")
                .with_source(cause)
        }
        Moment::Body => BackendError::new(
            ErrorKind::Truncated,
            "the connection ended in the middle of the response's body",
        )
        .with_source(cause),
    };
    error
        .with_delivery(exchange.delivery())
        .on_reused_connection(exchange.connection().reused)
}

/// The error of a request that was answered as if it had been sent, which it was only in part.
pub(crate) fn half_sent(exchange: &Exchange) -> BackendError {
    BackendError::new(
        ErrorKind::Closed,
        "the peer answered, and closed the connection, before it had the whole request",
    )
    .with_delivery(exchange.delivery())
}

/// The error of an exchange that was ended from this side.
pub(crate) fn stopped(why: Stop, exchange: &Exchange) -> BackendError {
    let error = match (why, exchange.delivery()) {
        (Stop::Closed, Delivery::NotSent) => return BackendError::backend_closed(),
        (Stop::Closed, _) => BackendError::new(
            ErrorKind::Closed,
            "the backend was closed during the exchange",
        ),
        (Stop::Dropped, _) => BackendError::new(
            ErrorKind::Cancelled,
            "nobody waits for the response any more",
        ),
    };
    error.with_delivery(exchange.delivery())
}

/// The error of a thread that panicked.
pub(crate) fn panicked(delivery: Delivery) -> BackendError {
    BackendError::new(
        ErrorKind::Other,
        "the thread that carried out the request panicked",
    )
    .with_delivery(delivery)
}

pub(crate) fn too_many_fields(limit: usize) -> BackendError {
    BackendError::new(
        ErrorKind::Limit,
        format!("the response has more than {limit} header fields"),
    )
}

pub(crate) fn too_many_informational(limit: usize) -> BackendError {
    BackendError::new(
        ErrorKind::Limit,
        format!("more than {limit} informational responses came before the final one"),
    )
}

/// The error of a connection that cannot be taken from the runtime on which it was dialed.
pub(crate) fn not_taken(cause: io::Error) -> BackendError {
    BackendError::new(ErrorKind::Connect, "the connection cannot be used").with_source(cause)
}

/// The error of a backend that cannot dial at all.
pub(crate) fn no_runtime(cause: io::Error) -> BackendError {
    let message = "dialing could not be prepared, for want of file descriptors or of memory; raise the \
                   process's limits (ulimit -n)";
    BackendError::new(ErrorKind::Connect, message)
        .with_source(cause)
        .with_delivery(Delivery::NotSent)
}
