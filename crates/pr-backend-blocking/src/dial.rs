//! The way from a connection key to a connection: name resolution, TCP, and TLS for `https`.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::{Duration, Instant},
};

use pr_core::{BackendError, ConnectionKey, Scheme, TransportConfig};
use pr_tls::{Alpn, TlsContext, handshake_error, server_name};
use rustls::ClientConnection;
use socket2::{SockRef, TcpKeepalive};

use crate::{
    connection::Connection,
    error,
    exchange::Exchange,
    pool::Generation,
    race,
    socket::{Socket, is_delay},
    tls::TlsStream,
};

/// Opens connections.
pub(crate) struct Dialer {
    tls: TlsContext,
    connect_timeout: Duration,
}

/// How long a connection may be silent before the kernel asks the peer whether it is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// How long the kernel waits between two such questions.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

impl Dialer {
    pub(crate) fn new(config: &TransportConfig) -> Result<Self, BackendError> {
        Ok(Self {
            tls: TlsContext::new(&config.roots)?,
            connect_timeout: config.connect_timeout,
        })
    }

    /// Opens a connection for this exchange, which may stop it at any time but for one: the
    /// system's resolver cannot be interrupted.
    pub(crate) fn dial(
        &self,
        key: &ConnectionKey,
        exchange: &Exchange,
        generation: Generation,
    ) -> Result<Connection, BackendError> {
        // A limit too long to be represented is no limit.
        let deadline = Instant::now().checked_add(self.connect_timeout);
        let addresses = resolve(key)?;
        let tcp = race::connect(addresses, deadline, exchange)
            .map_err(|failure| self.not_connected(failure, exchange))?;
        // Both settings are for the better only: without them the connection works as well.
        let _ = tcp.set_nodelay(true);
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE_AFTER)
            .with_interval(KEEPALIVE_EVERY);
        let _ = SockRef::from(&tcp).set_tcp_keepalive(&keepalive);

        let tcp = Arc::new(tcp);
        exchange
            .use_socket(&tcp)
            .map_err(|why| error::stopped(why, exchange))?;
        let socket = Socket::new(tcp);
        match key.scheme() {
            Scheme::Http => Ok(Connection::plain(socket, generation)),
            Scheme::Https => {
                let stream = self.shake_hands(socket, key, deadline, exchange)?;
                Ok(Connection::tls(stream, generation))
            }
        }
    }

    fn not_connected(&self, failure: race::Failure, exchange: &Exchange) -> BackendError {
        match failure {
            race::Failure::Stopped(why) => error::stopped(why, exchange),
            race::Failure::TooLate(cause) => {
                let error = error::connect_timeout(self.connect_timeout, "DNS and TCP");
                match cause {
                    Some(cause) => error.with_source(cause),
                    None => error,
                }
            }
            race::Failure::Refused(cause) => error::not_connected(cause),
        }
    }

    fn shake_hands(
        &self,
        mut socket: Socket,
        key: &ConnectionKey,
        deadline: Option<Instant>,
        exchange: &Exchange,
    ) -> Result<TlsStream, BackendError> {
        let name = server_name(key)?;
        let config = self.tls.client_config(key.verify_ssl(), Alpn::Http1)?;
        let mut session = ClientConnection::new(config, name)
            .map_err(|error| handshake_error(io::Error::other(error)))?;
        let outcome = Within {
            socket: &mut socket,
            deadline,
        }
        .complete(&mut session);
        match outcome {
            Ok(()) => Ok(TlsStream::new(session, socket)),
            Err(cause) => Err(match exchange.stopped() {
                Some(why) => error::stopped(why, exchange),
                None if cause.kind() == io::ErrorKind::TimedOut => {
                    error::connect_timeout(self.connect_timeout, "the TLS handshake")
                }
                None => handshake_error(cause),
            }),
        }
    }
}

/// The addresses of the key's host. A literal address is not looked up.
fn resolve(key: &ConnectionKey) -> Result<Vec<SocketAddr>, BackendError> {
    let host = key.bare_host();
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, key.port())]);
    }
    let addresses: Vec<_> = (host, key.port())
        .to_socket_addrs()
        .map_err(error::not_resolved)?
        .collect();
    if addresses.is_empty() {
        return Err(error::not_resolved(io::Error::other(
            "the name has no address",
        )));
    }
    Ok(addresses)
}

/// A socket during a handshake that has to be done by a certain time.
struct Within<'a> {
    socket: &'a mut Socket,
    deadline: Option<Instant>,
}

impl Within<'_> {
    fn complete(mut self, session: &mut ClientConnection) -> io::Result<()> {
        while session.is_handshaking() {
            session.complete_io(&mut self)?;
        }
        // From here on the socket waits for as long as it takes.
        let tcp = self.socket.tcp();
        tcp.set_read_timeout(None)?;
        tcp.set_write_timeout(None)
    }

    fn remaining(&self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.deadline else {
            return Ok(None);
        };
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(Some(remaining))
        }
    }
}

impl Read for Within<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.tcp().set_read_timeout(self.remaining()?)?;
        self.socket.read(into).map_err(too_late)
    }
}

impl Write for Within<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.tcp().set_write_timeout(self.remaining()?)?;
        self.socket.write(bytes).map_err(too_late)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// rustls takes `WouldBlock` for a reason to try again.
fn too_late(error: io::Error) -> io::Error {
    if is_delay(&error) {
        io::ErrorKind::TimedOut.into()
    } else {
        error
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("tls", &self.tls)
            .field("connect_timeout", &self.connect_timeout)
            .finish()
    }
}
