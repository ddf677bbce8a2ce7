//! Sockets to the first hop: the addresses that may be dialed, and how their sockets are set up.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use pr_core::{AddressFilter, TransportConfig};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};

use crate::{error::Failure, race};

/// Opens TCP connections.
pub(crate) struct Dialer {
    filter: Option<AddressFilter>,
    local: Option<IpAddr>,
    keep_alive: Option<TcpKeepalive>,
}

/// How long the kernel waits between two questions whether the peer is still there.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// The kernel takes whole seconds, and Linux no more than these.
const KEEP_ALIVE_RANGE: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(32_767));

impl Dialer {
    pub(crate) fn new(config: &TransportConfig) -> Self {
        let (least, most) = KEEP_ALIVE_RANGE;
        Self {
            filter: config.address_filter.clone(),
            local: config.local_address,
            keep_alive: config.tcp_keep_alive.map(|after| {
                TcpKeepalive::new()
                    .with_time(after.clamp(least, most))
                    .with_interval(KEEP_ALIVE_EVERY)
            }),
        }
    }

    /// A connection to whichever of a host's addresses answers first.
    pub(crate) async fn dial(&self, addresses: Vec<SocketAddr>) -> Result<TcpStream, Failure> {
        let mut is_of_family = false;
        // Looked at one by one, each right before it is dialed.
        let candidates = race::alternating(addresses).filter(|address| {
            let fits = self
                .local
                .is_none_or(|local| local.is_ipv4() == address.is_ipv4());
            is_of_family |= fits;
            fits && self.check(address.ip()).is_ok()
        });
        if let Some(outcome) = race::connect(candidates, |address| self.open(address)).await {
            return outcome.map_err(Failure::Socket);
        }
        Err(match (&self.filter, self.local) {
            (_, Some(local)) if !is_of_family => Failure::OtherFamily(local),
            (Some(filter), _) => Failure::Forbidden(filter.clone()),
            // No resolver gives nothing, and no overrides do.
            (None, _) => Failure::Socket(io::ErrorKind::AddrNotAvailable.into()),
        })
    }

    /// Refuses an address that may not be dialed, be it by somebody else.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Failure> {
        match &self.filter {
            Some(filter) if !filter.allows(address) => Err(Failure::Forbidden(filter.clone())),
            _ => Ok(()),
        }
    }

    async fn open(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // Both settings are for the better only: without them the connection works as well.
        let _ = socket.set_nodelay(true);
        if let Some(keep_alive) = &self.keep_alive {
            let _ = SockRef::from(&socket).set_tcp_keepalive(keep_alive);
        }
        if let Some(local) = self.local {
            socket.bind(SocketAddr::new(local, 0))?;
        }
        socket.connect(address).await
    }
}
