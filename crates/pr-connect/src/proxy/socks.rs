//! A way through a SOCKS5 proxy (RFC 1928).

use std::net::SocketAddr;

use pr_core::{BackendError, ConnectionKey, ErrorKind};
use tokio_socks::{Error, tcp::Socks5Stream};

use super::failed;
use crate::transport::Transport;

/// Asks the proxy for a way to the key's origin: to this address of it or, without one, to its
/// name, which the proxy resolves.
pub(super) async fn open(
    transport: Transport,
    key: &ConnectionKey,
    target: Option<SocketAddr>,
    login: Option<(String, String)>,
) -> Result<Transport, BackendError> {
    let by_name = (key.bare_host(), key.port());
    let has_credentials = login.is_some();
    let opened = match (target, &login) {
        (Some(address), None) => Socks5Stream::connect_with_socket(transport, address).await,
        (None, None) => Socks5Stream::connect_with_socket(transport, by_name).await,
        (Some(address), Some((user, password))) => {
            Socks5Stream::connect_with_password_and_socket(transport, address, user, password).await
        }
        (None, Some((user, password))) => {
            Socks5Stream::connect_with_password_and_socket(transport, by_name, user, password).await
        }
    };
    opened
        .map(Socks5Stream::into_inner)
        .map_err(|error| refused(error, has_credentials))
}

fn refused(error: Error, has_credentials: bool) -> BackendError {
    match error {
        Error::PasswordAuthFailure(_) => {
            failed("the SOCKS5 proxy does not accept the credentials of its URL")
        }
        Error::NoAcceptableAuthMethods | Error::AuthorizationRequired if !has_credentials => {
            failed("the SOCKS5 proxy wants credentials; put them into its URL")
        }
        Error::InvalidTargetAddress(_) => {
            BackendError::new(ErrorKind::Input, "the URL's host cannot be sent to a proxy")
        }
        Error::Io(_) => failed("the SOCKS5 proxy closed the connection without an answer"),
        Error::InvalidResponseVersion | Error::InvalidReservedByte | Error::UnknownAddressType => {
            failed("the proxy's answer is not SOCKS5")
        }
        // These say in a few words what the proxy did.
        _ => failed(format!("the SOCKS5 proxy refused or failed: {error}")),
    }
    .with_source(error)
}
