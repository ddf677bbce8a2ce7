//! A TCP connection that one thread uses and another may shut down.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

/// A TCP socket with blocking reads and writes, which knows whether it has been written to.
pub(crate) struct Socket {
    tcp: Arc<TcpStream>,
    has_written: bool,
}

impl Socket {
    pub(crate) fn new(tcp: Arc<TcpStream>) -> Self {
        Self {
            tcp,
            has_written: false,
        }
    }

    pub(crate) fn tcp(&self) -> &Arc<TcpStream> {
        &self.tcp
    }

    pub(crate) fn remote_addr(&self) -> Option<SocketAddr> {
        self.tcp.peer_addr().ok()
    }

    /// Whether the peer has neither said anything that has not been read, nor left. This takes one
    /// system call where the system has a way to say "do not wait" for just that one.
    pub(crate) fn is_silent(&self) -> bool {
        look(&self.tcp).is_err_and(|error| is_delay(&error))
    }

    /// Whether anything has been written since this was asked last.
    pub(crate) fn take_has_written(&mut self) -> bool {
        std::mem::take(&mut self.has_written)
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&*self.tcp).read(into)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = (&*self.tcp).write(bytes)?;
        self.has_written |= written > 0;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Looks for a byte without waiting for it, and leaves it there.
#[cfg(unix)]
fn look(tcp: &TcpStream) -> io::Result<usize> {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    socket2::SockRef::from(tcp).recv_with_flags(&mut byte, libc::MSG_PEEK | libc::MSG_DONTWAIT)
}

/// Looks for a byte without waiting for it, and leaves it there.
#[cfg(not(unix))]
fn look(tcp: &TcpStream) -> io::Result<usize> {
    tcp.set_nonblocking(true)?;
    let seen = tcp.peek(&mut [0]);
    tcp.set_nonblocking(false)?;
    seen
}

/// Whether the error says that nothing has happened yet: the socket does not block, or its time
/// limit has passed, which is called one thing or the other on different systems.
pub(crate) fn is_delay(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
