//! An address at which nobody listens, for tests of refused connections.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A loopback address that refuses every connection for as long as this value lives.
///
/// The port is held by a socket that never listens, so no other program can be given it in the
/// meantime; a port that was only free a moment ago would make the test a matter of luck.
///
/// ```
/// let closed = pr_testkit::closed_port().expect("a free port");
/// let error = std::net::TcpStream::connect(closed.addr()).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
/// ```
#[derive(Debug)]
pub struct ClosedPort {
    addr: SocketAddr,
    _held: TcpSocket,
}

/// Reserves a port on 127.0.0.1 that refuses connections. Fails only if no port is left.
pub fn closed_port() -> io::Result<ClosedPort> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(ClosedPort {
        addr: socket.local_addr()?,
        _held: socket,
    })
}

impl ClosedPort {
    /// The address to connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// An `http` URL at the address; `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}
