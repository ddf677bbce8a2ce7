//! The two kinds of sockets that connections run over, as one type.

#[cfg(unix)]
use std::time::Duration;
use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

#[cfg(not(unix))]
use pr_core::{BackendError, ErrorKind};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
#[cfg(unix)]
use tokio::{net::UnixStream, time::sleep};

use crate::{Socket, error::Failure};

/// A socket of the runtime.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// The longest pause before a Unix socket is asked again whether it has room.
#[cfg(unix)]
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The same call on whichever socket it is.
macro_rules! each {
    ($transport:expr, $socket:ident => $call:expr) => {
        match $transport {
            Transport::Tcp($socket) => $call,
            #[cfg(unix)]
            Transport::Unix($socket) => $call,
        }
    };
}

impl Transport {
    /// Connects to a Unix socket, waiting while its backlog is full.
    #[cfg(unix)]
    pub(crate) async fn unix(path: &Path) -> Result<Self, Failure> {
        let mut pause = Duration::from_millis(1);
        loop {
            match UnixStream::connect(path).await {
                // Unlike TCP, the system tells a socket that must not block that it would, and
                // never says when it would no more.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                socket => return socket.map(Self::Unix).map_err(Failure::Unix),
            }
        }
    }

    #[cfg(not(unix))]
    pub(crate) async fn unix(_path: &Path) -> Result<Self, Failure> {
        Err(Failure::Other(BackendError::new(
            ErrorKind::Unsupported,
            "this platform has no Unix sockets",
        )))
    }

    /// The peer's address, which a Unix socket does not have.
    pub(crate) fn remote_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.peer_addr().ok(),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }

    /// The socket without the runtime: it blocks from then on.
    pub(crate) fn into_socket(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(socket) => {
                let socket = socket.into_std()?;
                socket.set_nonblocking(false)?;
                Ok(Socket::Tcp(socket))
            }
            #[cfg(unix)]
            Self::Unix(socket) => {
                let socket = socket.into_std()?;
                socket.set_nonblocking(false)?;
                Ok(Socket::Unix(socket))
            }
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_read(cx, buf))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, socket => socket.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_shutdown(cx))
    }
}
