//! TLS over another stream, with reading and writing kept apart.

use std::io::{self, BufRead, IoSlice, Read, Write};

use rustls::ClientConnection;

use crate::{
    socket::{Socket, is_delay},
    stream::Stream,
};

/// A TLS connection whose handshake is done.
///
/// rustls has such a type too, [`StreamOwned`](rustls::StreamOwned), which may read while it writes
/// and the other way round. Here, a peer that reads nothing must not keep us from reading its
/// answer, nor must one that says nothing keep us from writing.
pub(crate) struct TlsStream {
    session: ClientConnection,
    below: Stream,
}

impl TlsStream {
    pub(crate) fn new(session: ClientConnection, below: Stream) -> Self {
        Self { session, below }
    }

    pub(crate) fn socket(&self) -> &Socket {
        self.below.socket()
    }

    pub(crate) fn below(&self) -> &Stream {
        &self.below
    }

    pub(crate) fn below_mut(&mut self) -> &mut Stream {
        &mut self.below
    }

    /// Whether all that has been taken from the socket has been read, and no session has ended.
    pub(crate) fn holds_nothing(&mut self) -> bool {
        let held = self.session.reader().fill_buf().map(drop);
        held.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            && self.below.holds_nothing()
    }

    /// Whether nothing has come that is for the reader, and the session has not ended. What belongs to
    /// TLS alone is taken in on the way. The socket must not block.
    pub(crate) fn is_silent(&mut self) -> bool {
        loop {
            match self.session.reader().fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return false,
            }
            if let Err(error) = self.fetch() {
                return is_delay(&error);
            }
        }
    }

    /// Takes what has arrived below into the session.
    fn fetch(&mut self) -> io::Result<()> {
        // At the end of the connection nothing is read; the session knows then that it ended.
        self.session.read_tls(&mut self.below)?;
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

    /// Writes as much as one layer of TLS over another has to say at a time.
    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush()?;
        self.session.writer().write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut self.below)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        // A session below has kept what it was given.
        self.below.flush()
    }
}
