//! One connection to a peer, plain or under TLS, with blocking reads and writes.

use std::{
    fmt,
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use pr_connect::Forwarding;
use pr_core::ConnectionInfo;
use socket2::SockRef;

use crate::{
    pool::Generation,
    socket::{Shared, is_delay},
    stream::Stream,
};

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
        self.write_all(bytes, |_| true)
    }

    /// Writes all of it, unless the peer takes nothing for a while and `go_on` says no.
    pub(crate) fn send_while(
        &mut self,
        bytes: &[u8],
        go_on: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), Unsent> {
        if !self.writes_impatiently {
            let limited = self.settings().set_write_timeout(Some(PATIENCE));
            limited.map_err(|cause| Unsent {
                cause,
                in_part: false,
            })?;
            self.writes_impatiently = true;
        }
        self.write_all(bytes, go_on)
    }

    fn write_all(
        &mut self,
        mut bytes: &[u8],
        mut go_on: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), Unsent> {
        let mut in_part = false;
        // What was written before, such as a handshake, does not count.
        self.stream.socket_mut().take_has_written();
        loop {
            let is_last = bytes.is_empty();
            let outcome = if is_last {
                self.stream.flush().map(|()| 0)
            } else {
                self.stream.write(bytes)
            };
            in_part |= self.stream.socket_mut().take_has_written();
            let cause = match outcome {
                Ok(_) if is_last => return Ok(()),
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(written) => {
                    bytes = &bytes[written..];
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_delay(&error) && go_on(self) => continue,
                Err(error) => error,
            };
            return Err(Unsent { cause, in_part });
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

    /// The beginning of what the peer has sent and nobody has read yet. This does not wait.
    pub(crate) fn overhear(&mut self) -> io::Result<Overheard> {
        self.settings().set_nonblocking(true)?;
        let mut heard = Overheard::default();
        let outcome = self.stream.peek(&mut heard.bytes);
        self.settings().set_nonblocking(false)?;
        match outcome {
            Ok(length) => heard.length = length,
            Err(error) if is_delay(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(heard)
    }

    /// Whether a connection that has rested is still there: open, and with nothing to say. A peer
    /// that speaks without being asked is about to leave, or is not speaking HTTP. What belongs to
    /// TLS alone, such as session tickets, is no speech.
    pub(crate) fn is_usable(&mut self) -> bool {
        if self.stream.holds_nothing() && self.stream.socket().is_silent() {
            return true;
        }
        let nothing = |outcome: io::Result<usize>| outcome.is_err_and(|error| is_delay(&error));
        self.is_tls()
            && self.settings().set_nonblocking(true).is_ok()
            && nothing(self.stream.peek(&mut [0]))
            && self.settings().set_nonblocking(false).is_ok()
    }
}

/// A write that failed.
pub(crate) struct Unsent {
    pub(crate) cause: io::Error,
    /// Whether some of it went out.
    pub(crate) in_part: bool,
}

/// The beginning of what a peer has said.
#[derive(Default)]
pub(crate) struct Overheard {
    bytes: [u8; 12],
    length: usize,
}

impl Overheard {
    /// The status of the response that begins here, if enough of it is there to say. What is no
    /// response of HTTP/1 counts as one that refuses everything.
    pub(crate) fn status(&self) -> Option<u16> {
        const NOT_HTTP: u16 = 999;
        let heard = &self.bytes[..self.length];
        let beginning = b"HTTP/1.";
        let common = heard.len().min(beginning.len());
        if heard[..common] != beginning[..common] {
            return Some(NOT_HTTP);
        }
        let digits = heard.get(9..12)?;
        let digits = std::str::from_utf8(digits).ok();
        Some(
            digits
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(NOT_HTTP),
        )
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn status(heard: &[u8]) -> Option<u16> {
        let mut overheard = Overheard {
            length: heard.len(),
            ..Overheard::default()
        };
        overheard.bytes[..heard.len()].copy_from_slice(heard);
        overheard.status()
    }

    #[test]
    fn a_status_is_known_when_all_of_it_has_come() {
        assert_eq!(status(b""), None);
        assert_eq!(status(b"HTTP/1.1 41"), None);
        assert_eq!(status(b"HTTP/1.1 413"), Some(413));
        assert_eq!(status(b"HTTP/1.0 200"), Some(200));
        assert_eq!(status(b"220 "), Some(999));
        assert_eq!(status(b"HTTP/1.1 x13"), Some(999));
    }
}
