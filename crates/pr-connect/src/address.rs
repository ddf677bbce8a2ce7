//! Hosts and ports in the form that hyper-util's connectors take.

use http::{Uri, uri::Authority};
use pr_core::{BackendError, ErrorKind};

/// A host, an IPv6 address in brackets, and a port.
pub(crate) fn uri_of(host: &str, port: u16) -> Result<Uri, BackendError> {
    uri(&format!("{host}:{port}"))
}

/// The same in one.
pub(crate) fn uri(host_and_port: &str) -> Result<Uri, BackendError> {
    let refuse = |error: http::Error| {
        BackendError::new(ErrorKind::Input, "the host cannot be dialed").with_source(error)
    };
    let authority = Authority::try_from(host_and_port).map_err(|error| refuse(error.into()))?;
    // The connectors look at host and port only, but want a whole URI.
    Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query("/")
        .build()
        .map_err(refuse)
}
