//! What went wrong before there was a TCP connection: the name, or the network.

use std::{error::Error as StdError, io};

use pr_core::{BackendError, BoxError, ErrorKind, TimeoutPhase};

use crate::resolver::ResolveError;

/// The error of a dialing that failed with `error`, which becomes its source.
pub(crate) fn dialing(error: impl Into<BoxError>) -> BackendError {
    let error = error.into();
    if find::<ResolveError>(&*error).is_some() {
        return BackendError::new(ErrorKind::Dns, "the host's name could not be resolved")
            .with_source(error);
    }
    let message = match find::<io::Error>(&*error).map(io::Error::kind) {
        Some(io::ErrorKind::TimedOut) => {
            return BackendError::timeout(
                TimeoutPhase::Connect,
                "the peer did not answer the TCP connection",
            )
            .with_source(error);
        }
        Some(io::ErrorKind::ConnectionRefused) => "the connection was refused",
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            "the peer cannot be reached from here"
        }
        _ => "the TCP connection failed",
    };
    BackendError::new(ErrorKind::Connect, message).with_source(error)
}

/// The first cause of this type.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
