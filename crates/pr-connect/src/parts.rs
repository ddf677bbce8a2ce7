//! What a stream is made of, for backends that read and write without a runtime.

use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;

use pr_tls::rustls::ClientConnection;

use crate::Place;

/// A [`Stream`](crate::Stream) taken apart by [`into_parts`](crate::Stream::into_parts).
///
/// A session may hold bytes that came with the end of the handshake: whoever reads asks the
/// sessions' `reader()` first and the socket when those have nothing.
///
/// ```
/// use pr_connect::{Connected, Socket};
///
/// fn runs_over_tls_in_tls(connected: Connected) -> std::io::Result<bool> {
///     let parts = connected.io.into_parts()?;
///     Ok(parts.sessions.len() == 2)
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct StreamParts {
    /// What the bytes travel over. Its calls block.
    pub socket: Socket,
    /// The TLS sessions, their handshakes complete, the one closest to the socket first: none for
    /// `http`, one for `https`, two for `https` through an `https` proxy.
    pub sessions: Vec<ClientConnection>,
    /// The connection's place among those that may be open. It is to be kept for as long as the
    /// socket is open, and dropped after it.
    pub place: Option<Place>,
}

/// A socket of the standard library.
///
/// ```
/// use std::time::Duration;
/// use pr_connect::Socket;
///
/// fn give_up_after_a_minute(socket: &Socket) -> std::io::Result<()> {
///     let limit = Some(Duration::from_secs(60));
///     match socket {
///         Socket::Tcp(socket) => socket.set_read_timeout(limit),
///         #[cfg(unix)]
///         Socket::Unix(socket) => socket.set_read_timeout(limit),
///     }
/// }
/// ```
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}
