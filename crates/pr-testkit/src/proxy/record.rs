//! What a proxy was shown and asked for, for the test to read.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bell::Bell;
use crate::scripted::RequestHead;

/// What happened on one connection of a [`ProxyServer`](crate::ProxyServer).
///
/// ```
/// use std::io::{Read, Write};
/// use pr_testkit::{ProxyServer, Server};
///
/// let (server, proxy) = (Server::start(), ProxyServer::http());
/// let mut client = std::net::TcpStream::connect(proxy.addr())?;
/// write!(client, "CONNECT {} HTTP/1.1\r\nhost: x\r\n\r\n", server.authority())?;
/// let mut answer = [0; 12];
/// client.read_exact(&mut answer)?;
/// assert_eq!(&answer, b"HTTP/1.1 200");
///
/// let connection = &proxy.connections()[0];
/// assert!(connection.received.starts_with(b"CONNECT 127.0.0.1:"));
/// assert!(connection.open && connection.requests[0].tunnel);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ProxyConnection {
    /// What the proxy could read of what the client sent, up to 256 KiB: everything, in plain text
    /// where the proxy itself speaks TLS, and what goes through a tunnel as it goes through.
    pub received: Vec<u8>,
    /// What was asked for, in order.
    pub requests: Vec<ProxyRequest>,
    /// The credentials that were offered, as `user:password`, in order: a SOCKS5 client whose
    /// credentials are wrong never gets to its request.
    pub credentials: Vec<String>,
    /// The server name that the client asked for in TLS with the proxy (RFC 6066 section 3).
    pub server_name: Option<String>,
    /// Whether the connection is still open.
    pub open: bool,
}

/// One thing that a [`ProxyServer`](crate::ProxyServer) was asked to do.
///
/// ```
/// use std::io::{Read, Write};
/// use pr_testkit::ProxyServer;
///
/// let proxy = ProxyServer::builder().credentials("user", "password").start();
/// let mut client = std::net::TcpStream::connect(proxy.addr())?;
/// client.write_all(b"GET http://origin.example/ HTTP/1.1\r\nhost: origin.example\r\n\r\n")?;
/// let mut answer = [0; 12];
/// client.read_exact(&mut answer)?;
/// assert_eq!(&answer, b"HTTP/1.1 407");
///
/// let request = &proxy.requests()[0];
/// assert_eq!(request.target.host(), "origin.example");
/// assert!(!request.tunnel && !request.accepted && request.credentials.is_none());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProxyRequest {
    /// Where to.
    pub target: ProxyTarget,
    /// Whether for a tunnel, by CONNECT or SOCKS5; otherwise for a request to be forwarded.
    pub tunnel: bool,
    /// The credentials that came with it, as `user:password`.
    pub credentials: Option<String>,
    /// The head of a request over HTTP: of CONNECT as it was sent, of a forwarded request with its
    /// field names in lower case and grouped.
    pub head: Option<RequestHead>,
    /// Whether the proxy did as it was asked: the target was reached, and the credentials, if it
    /// wants any, were right.
    pub accepted: bool,
}

/// Where a client wants a proxy to go.
///
/// ```
/// use pr_testkit::ProxyTarget;
///
/// let by_name = ProxyTarget::Name("origin.example".to_owned(), 443);
/// assert_eq!(by_name.to_string(), "origin.example:443");
/// let by_address = ProxyTarget::Address("[::1]:80".parse()?);
/// assert_eq!((by_address.host(), by_address.port()), ("::1".to_owned(), 80));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProxyTarget {
    /// To a name, which the proxy has to look up, and a port.
    Name(String, u16),
    /// To an address: whoever looked it up, it was not the proxy.
    Address(SocketAddr),
}

impl ProxyTarget {
    /// A target from a host as it stands in a URL, with IPv6 addresses in brackets.
    pub(super) fn new(host: &str, port: u16) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(ip) => Self::Address(SocketAddr::new(ip, port)),
            Err(_) => Self::Name(host.to_owned(), port),
        }
    }

    /// The name or IP address, the latter without brackets.
    pub fn host(&self) -> String {
        match self {
            Self::Name(name, _) => name.clone(),
            Self::Address(addr) => addr.ip().to_string(),
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Self::Name(_, port) => *port,
            Self::Address(addr) => addr.port(),
        }
    }
}

impl fmt::Display for ProxyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name, port) => write!(f, "{name}:{port}"),
            Self::Address(addr) => addr.fmt(f),
        }
    }
}

/// The records of all connections of a proxy, and who waits for them to change.
#[derive(Debug, Default)]
pub(super) struct Records {
    connections: Mutex<Vec<ProxyConnection>>,
    bell: Bell,
}

impl Records {
    pub(super) fn all(&self) -> Vec<ProxyConnection> {
        self.lock().clone()
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Adds a connection and returns its index.
    pub(super) fn add(&self) -> usize {
        let mut connections = self.lock();
        connections.push(ProxyConnection {
            open: true,
            ..ProxyConnection::default()
        });
        let index = connections.len() - 1;
        drop(connections);
        self.bell.ring();
        index
    }

    pub(super) fn change(&self, index: usize, change: impl FnOnce(&mut ProxyConnection)) {
        change(&mut self.lock()[index]);
        self.bell.ring();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ProxyConnection>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
