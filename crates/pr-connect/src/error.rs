//! What went wrong before there was a connection to the first hop: the name, or the network.

use std::{io, net::IpAddr, sync::Arc};

use pr_core::{AddressFilter, BackendError, ErrorKind, FailedHop, ResolveError, TimeoutPhase};

/// Why a host could not be reached.
pub(crate) enum Failure {
    /// Its name has no address.
    Name(Arc<ResolveError>),
    /// The filter lets pass none of its addresses.
    Forbidden(AddressFilter),
    /// None of its addresses is of the family of the local one.
    OtherFamily(IpAddr),
    /// None of its addresses took the connection.
    Socket(io::Error),
    /// The Unix socket did not.
    #[cfg(unix)]
    Unix(io::Error),
    /// Time ran out, or something that has its error already.
    Other(BackendError),
}

impl Failure {
    /// Whether it says something about the addresses that were dialed, rather than about what this
    /// side allows or has left to dial with.
    pub(crate) fn is_of_the_peer(&self) -> bool {
        use io::ErrorKind::{
            ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut,
        };
        match self {
            Self::Socket(error) => matches!(
                error.kind(),
                ConnectionRefused
                    | ConnectionReset
                    | HostUnreachable
                    | NetworkUnreachable
                    | TimedOut
            ),
            Self::Other(error) => error.is_timeout(),
            _ => false,
        }
    }

    /// The error of a request to this host.
    pub(crate) fn of_origin(self) -> BackendError {
        match self {
            Self::Name(error) => BackendError::dns(error.failure()).with_source(error),
            // It would forbid the same the next time.
            Self::Forbidden(filter) => {
                let why = format!(
                    "no address of the host may be dialed: the address filter ({}) forbids it",
                    name_of(&filter)
                );
                BackendError::new(ErrorKind::Input, why)
            }
            Self::OtherFamily(local) => connect(format!(
                "the host has no address that can be reached from the local address {local}"
            )),
            Self::Socket(error) => socket(error),
            #[cfg(unix)]
            Self::Unix(error) => unix(error),
            Self::Other(error) => error,
        }
    }

    /// The error of a request through this proxy.
    pub(crate) fn of_proxy(self) -> BackendError {
        match self {
            // The settings contradict each other.
            Self::Forbidden(filter) => {
                let why = format!(
                    "no address of the proxy may be dialed: the address filter ({}) forbids it",
                    name_of(&filter)
                );
                BackendError::new(ErrorKind::Config, why).with_failed_hop(FailedHop::Proxy)
            }
            Self::OtherFamily(local) => connect(format!(
                "the proxy has no address that can be reached from the local address {local}"
            )),
            failure => {
                let error = failure.of_origin();
                if error.kind() == ErrorKind::Config {
                    return error;
                }
                if error.is_timeout() {
                    return error.with_failed_hop(FailedHop::Proxy);
                }
                let message = format!("the proxy cannot be reached: {}", error.message());
                BackendError::new(ErrorKind::Proxy, message)
                    .with_failed_hop(FailedHop::Proxy)
                    .with_source(error)
            }
        }
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self::Other(error)
    }
}

/// What a filter calls itself.
fn name_of(filter: &AddressFilter) -> String {
    let shown = format!("{filter:?}");
    let name = shown
        .strip_prefix("AddressFilter(")
        .and_then(|rest| rest.strip_suffix(')'));
    name.unwrap_or(&shown).to_owned()
}

fn socket(error: io::Error) -> BackendError {
    let message = match error.kind() {
        io::ErrorKind::TimedOut => {
            return BackendError::timeout(
                TimeoutPhase::Connect,
                "the peer did not answer the TCP connection",
            )
            .with_source(error);
        }
        io::ErrorKind::ConnectionRefused => "the connection was refused",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "the peer cannot be reached from here"
        }
        io::ErrorKind::AddrNotAvailable => {
            "there is no local address, or no port of it left, to connect from"
        }
        _ => "the connection could not be opened",
    };
    BackendError::new(ErrorKind::Connect, message).with_source(error)
}

#[cfg(unix)]
fn unix(error: io::Error) -> BackendError {
    let message = match error.kind() {
        io::ErrorKind::NotFound => "there is no such Unix socket",
        io::ErrorKind::PermissionDenied => {
            // Nor the next time.
            let why = "the Unix socket may not be used by this process";
            return BackendError::new(ErrorKind::Config, why).with_source(error);
        }
        io::ErrorKind::ConnectionRefused => "nobody listens on the Unix socket",
        _ => "the connection to the Unix socket could not be opened",
    };
    BackendError::new(ErrorKind::Connect, message).with_source(error)
}

fn connect(message: String) -> BackendError {
    BackendError::new(ErrorKind::Connect, message)
}
