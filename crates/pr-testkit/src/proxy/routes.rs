//! Where a proxy's targets are: on this machine, wherever they say they are.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpStream;

use super::ProxyTarget;

/// What hosts a proxy was told about.
#[derive(Debug, Default)]
pub(super) struct Routes {
    told: HashMap<String, SocketAddr>,
}

impl Routes {
    pub(super) fn add(&mut self, host: &str, to: SocketAddr) {
        self.told.insert(host.to_ascii_lowercase(), to);
    }

    /// Connects to a target. The error is of kind `NotFound` where the proxy does not know it.
    pub(super) async fn dial(&self, target: &ProxyTarget) -> io::Result<TcpStream> {
        let addr = self.addr(target).ok_or(io::ErrorKind::NotFound)?;
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn addr(&self, target: &ProxyTarget) -> Option<SocketAddr> {
        if let Some(told) = self.told.get(&target.host().to_ascii_lowercase()) {
            return Some(*told);
        }
        match target {
            ProxyTarget::Address(addr) => addr.ip().is_loopback().then_some(*addr),
            ProxyTarget::Name(name, port) => name
                .eq_ignore_ascii_case("localhost")
                .then_some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), *port)),
        }
    }
}
