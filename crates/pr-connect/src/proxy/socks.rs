//! A way through a SOCKS5 proxy (RFC 1928).

use std::net::SocketAddr;

use pr_core::{BackendError, ConnectionKey, DialTimings, ErrorKind, FailedHop};
use tokio_socks::{Error, tcp::Socks5Stream};

use super::{HANDSHAKE, Way, failed, unanswered};
use crate::{clock::Clock, transport::Transport};

/// How to ask a SOCKS5 proxy: everything that is wrong with it has been found.
pub(crate) struct SocksPassage {
    pub(super) login: Option<(String, String)>,
}

/// Why there is no way through.
pub(crate) struct Refusal {
    pub(crate) error: BackendError,
    /// Whether it is about the address that was asked for, so that another one may do.
    pub(crate) of_address: bool,
}

impl From<BackendError> for Refusal {
    fn from(error: BackendError) -> Self {
        Self {
            error: unanswered(error),
            of_address: false,
        }
    }
}

impl SocksPassage {
    /// Asks the proxy, which has just been dialed, for a way to the key's origin: to this address of
    /// it or, without one, to its name, which the proxy resolves.
    pub(crate) async fn take(
        &self,
        transport: Transport,
        key: &ConnectionKey,
        target: Option<SocketAddr>,
        clock: &Clock,
        timings: &mut DialTimings,
    ) -> Result<Way, Refusal> {
        let asking = open(transport, key, target, self.login.as_ref());
        let transport = clock.time(HANDSHAKE, &mut timings.proxy, asking).await?;
        Ok(Way::Plain(transport))
    }
}

async fn open(
    transport: Transport,
    key: &ConnectionKey,
    target: Option<SocketAddr>,
    login: Option<&(String, String)>,
) -> Result<Transport, Refusal> {
    let by_name = (key.bare_host(), key.port());
    let opened = match (target, login) {
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
        .map_err(|error| Refusal {
            of_address: is_of_address(&error),
            error: refused(error, login.is_some()),
        })
}

/// Replies 3, 4, 5, 6 and 8 (RFC 1928, section 6): another address may be reached, or be of a type
/// that the proxy knows.
fn is_of_address(error: &Error) -> bool {
    matches!(
        error,
        Error::NetworkUnreachable
            | Error::HostUnreachable
            | Error::ConnectionRefused
            | Error::TtlExpired
            | Error::AddressTypeNotSupported
    )
}

/// Replies to what was asked for, but for one that says that the proxy does not know the command.
fn is_reply(error: &Error) -> bool {
    is_of_address(error)
        || matches!(
            error,
            Error::GeneralSocksServerFailure | Error::ConnectionNotAllowedByRuleset
        )
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
        // Said of an unknown reply as well, so that as a source it might mislead.
        Error::UnknownAuthMethod => {
            return failed(
                "the SOCKS5 proxy gave a reply that has no meaning (RFC 1928, section 6), or chose \
                 a method of authentication that it was not offered",
            );
        }
        // These say in a few words what the proxy did.
        _ if is_reply(&error) => failed(format!("the SOCKS5 proxy refused or failed: {error}"))
            .with_failed_hop(FailedHop::Tunnel),
        _ => failed(format!("the SOCKS5 proxy refused or failed: {error}")),
    }
    .with_source(error)
}
