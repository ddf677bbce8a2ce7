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

/// Whether the error says that nothing has happened yet: the socket does not block, or its time
/// limit has passed, which is called one thing or the other on different systems.
pub(crate) fn is_delay(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
