//! One connection to a peer, plain or under TLS, with blocking reads and writes.

use std::{
    fmt,
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use pr_connect::Forwarding;
use pr_core::ConnectionInfo;
use socket2::SockRef;

use crate::{pool::Generation, socket::Shared, stream::Stream};

/// A connection, whether it is carrying an exchange or waits for its next one.
pub(crate) struct Connection {
    stream: Stream,
    info: ConnectionInfo,
    forwarding: Option<Forwarding>,
    dialed: Instant,
    generation: Generation,
    /// Whether writes have a time limit.
    writes_impatiently: bool,
}

/// How long the peer may take nothing of a message before it is asked whether it has answered.
const PATIENCE: Duration = Duration::from_millis(100);

impl Connection {
    pub(crate) fn new(
        stream: Stream,
        info: ConnectionInfo,
        forwarding: Option<Forwarding>,
        generation: Generation,
    ) -> Self {
        Self {
            stream,
            info,
            forwarding,
            dialed: Instant::now(),
            generation,
            writes_impatiently: false,
        }
    }

    pub(crate) fn info(&self, reused: bool) -> ConnectionInfo {
        ConnectionInfo::new(self.info.id, reused, self.info.remote_addr)
    }

    /// Whether it leads to a proxy that forwards requests, and how those differ then.
    pub(crate) fn forwarding(&self) -> Option<&Forwarding> {
        self.forwarding.as_ref()
    }

    /// When it came into being.
    pub(crate) fn dialed(&self) -> Instant {
        self.dialed
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// What has to be shut down to end whatever the connection is waiting for.
    pub(crate) fn socket(&self) -> &Shared {
        self.stream.socket().shared()
    }

    fn settings(&self) -> SockRef<'_> {
        self.stream.socket().settings()
    }

    /// Writes all of it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Unsent> {
        self.write_all(bytes)
    }

    /// Writes all of it, unless the peer takes nothing for a while, which is a
    /// [delay](crate::socket::is_delay). From then on, every write is impatient.
    pub(crate) fn send_some(&mut self, bytes: &[u8]) -> Result<(), Unsent> {
        if !self.writes_impatiently {
            let limited = self.settings().set_write_timeout(Some(PATIENCE));
            limited.map_err(|cause| Unsent {
                cause,
                written: 0,
                in_part: false,
            })?;
            self.writes_impatiently = true;
        }
        self.write_all(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Unsent> {
        let mut in_part = false;
        let mut written = 0;
        // What was written before, such as a handshake, does not count.
        self.stream.socket_mut().take_has_written();
        loop {
            let left = &bytes[written..];
            let is_last = left.is_empty();
            let outcome = if is_last {
                self.stream.flush().map(|()| 0)
            } else {
                self.stream.write(left)
            };
            in_part |= self.stream.socket_mut().take_has_written();
            let cause = match outcome {
                Ok(_) if is_last => return Ok(()),
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    written += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            return Err(Unsent {
                cause,
                written,
                in_part,
            });
        }
    }

    /// Reads what has arrived, waiting for it up to `limit` if there is one. 0 is the peer's end
    /// of the connection; under TLS, an improper end is
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
    pub(crate) fn receive(
        &mut self,
        into: &mut [u8],
        limit: Option<Duration>,
    ) -> io::Result<usize> {
        if limit.is_some() {
            self.settings().set_read_timeout(limit)?;
        }
        let outcome = loop {
            match self.stream.read(into) {
                // A signal is no reason to give the response up.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        if limit.is_some() {
            self.settings().set_read_timeout(None)?;
        }
        outcome
    }

    /// Reads what has arrived. Nothing is a [delay](crate::socket::is_delay); this does not wait for more.
    pub(crate) fn receive_arrived(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.settings().set_nonblocking(true)?;
        let outcome = self.receive(into, None);
        self.settings().set_nonblocking(false)?;
        outcome
    }

    /// Whether nothing has arrived, as far as one look can tell.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.stream.holds_nothing() && self.stream.socket().is_silent()
    }

    /// Whether a connection that has rested is still there: open, and with nothing to say. A peer
    /// that speaks without being asked is about to leave, or is not speaking HTTP. What belongs to
    /// TLS alone, such as session tickets, is no speech.
    pub(crate) fn is_usable(&mut self) -> bool {
        if self.is_silent() {
            return true;
        }
        let Stream::Tls(tls) = &mut self.stream else {
            return false;
        };
        let Ok(()) = tls.socket().settings().set_nonblocking(true) else {
            return false;
        };
        let is_silent = tls.is_silent();
        is_silent && tls.socket().settings().set_nonblocking(false).is_ok()
    }
}

/// A write that failed.
pub(crate) struct Unsent {
    pub(crate) cause: io::Error,
    /// How much of it was taken, by the socket or by a TLS session, which sends it later.
    pub(crate) written: usize,
    /// Whether some of it went out.
    pub(crate) in_part: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("info", &self.info)
            .field("forwarding", &self.forwarding)
            .field("tls", &self.is_tls())
            .finish_non_exhaustive()
    }
}
