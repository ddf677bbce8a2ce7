//! TLS over a socket, with reading and writing kept apart.

use std::io::{self, BufRead, Read, Write};

use rustls::ClientConnection;

use crate::socket::Socket;

/// A TLS connection whose handshake is done.
///
/// rustls has such a type too, [`StreamOwned`](rustls::StreamOwned), which may read while it writes
/// and the other way round. Here, a peer that reads nothing must not keep us from reading its
/// answer, nor must one that says nothing keep us from writing.
pub(crate) struct TlsStream {
    session: ClientConnection,
    socket: Socket,
}

impl TlsStream {
    pub(crate) fn new(session: ClientConnection, socket: Socket) -> Self {
        Self { session, socket }
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(crate) fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Whether all that the session has taken from the socket has been read, and it has not ended.
    pub(crate) fn holds_nothing(&mut self) -> bool {
        let held = self.session.reader().fill_buf().map(drop);
        held.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads what the reader may see and the peer has not been asked for yet, up to the length of
    /// `into`, and leaves it there. The socket must not block.
    pub(crate) fn peek(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.fetch()?,
                Err(error) => return Err(error),
                Ok(held) => {
                    let length = held.len().min(into.len());
                    into[..length].copy_from_slice(&held[..length]);
                    return Ok(length);
                }
            }
        }
    }

    /// Takes what has arrived at the socket into the session.
    fn fetch(&mut self) -> io::Result<()> {
        // At the end of the connection nothing is read; the session knows then that it ended.
        self.session.read_tls(&mut self.socket)?;
        let outcome = self.session.process_new_packets();
        outcome
            .map(drop)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

impl Read for TlsStream {
    /// 0 is a proper end; an end without a farewell (RFC 8446, section 6.1) is
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(into) {
                // The session has nothing, which says nothing about the socket.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.fetch()?,
                outcome => return outcome,
            }
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What is left from before goes first, so that the session holds a bounded amount.
        self.flush()?;
        self.session.writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut self.socket)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}
