//! The bytes of a connection: a socket, and as many layers of TLS over it as the way takes.

use std::io::{self, IoSlice, Read, Write};

use pr_connect::StreamParts;

use crate::{socket::Socket, tls::TlsStream};

/// A socket, or TLS over another stream: twice for an `https` origin behind an `https` proxy.
pub(crate) enum Stream {
    Plain(Socket),
    // Boxed because a TLS session is some hundred times the size of a socket.
    Tls(Box<TlsStream>),
}

impl From<StreamParts> for Stream {
    fn from(parts: StreamParts) -> Self {
        let plain = Self::Plain(Socket::new(parts.socket, parts.place));
        let over = |below, session| Self::Tls(Box::new(TlsStream::new(session, below)));
        parts.sessions.into_iter().fold(plain, over)
    }
}

impl Stream {
    pub(crate) fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.below().socket(),
        }
    }

    pub(crate) fn socket_mut(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.below_mut().socket_mut(),
        }
    }

    /// Whether all that has been taken from the socket has been read.
    pub(crate) fn holds_nothing(&mut self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Tls(stream) => stream.holds_nothing(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write_vectored(bytes),
            Self::Tls(stream) => stream.write_vectored(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
