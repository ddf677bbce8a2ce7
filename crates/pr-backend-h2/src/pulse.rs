//! Whether a connection's peer is alive: noted where bytes pass, read wherever somebody wonders.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use pr_connect::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tasks::Stop;

/// The signs of life of one connection's peer.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// Grows with each sign. Read without any order: whoever misses one by a hair asks for another,
    /// and gets it.
    beats: AtomicU64,
    ping_wanted: AtomicBool,
    given_up: AtomicBool,
    /// Through which the connection's task is woken.
    task: Arc<Stop>,
}

impl Pulse {
    /// The pulse of the connection that this task is going to drive.
    pub(crate) fn new(task: Arc<Stop>) -> Self {
        Self {
            beats: AtomicU64::new(0),
            ping_wanted: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            task,
        }
    }

    /// A number that is another one once the peer has shown a sign of life.
    pub(crate) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Asks the connection's task to send a PING. Not to be called under a lock, for it wakes.
    pub(crate) fn want_ping(&self) {
        self.ping_wanted.store(true, Ordering::Release);
        self.task.wake();
    }

    /// Whether somebody has asked for a PING since the last call.
    pub(crate) fn ping_was_wanted(&self) -> bool {
        // Looking costs less than swapping, and this is looked at often.
        self.ping_wanted.load(Ordering::Acquire) && self.ping_wanted.swap(false, Ordering::AcqRel)
    }

    /// Lets whatever is read or written from now on fail, so that every stream hears why.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    fn beat(&self) {
        // One task reads and writes a connection, so that nothing is lost between the two.
        let beats = self.beats.load(Ordering::Relaxed);
        self.beats.store(beats.wrapping_add(1), Ordering::Relaxed);
    }

    fn check(&self) -> io::Result<()> {
        if self.given_up.load(Ordering::Relaxed) {
            let why = "the peer has stopped answering, PINGs included";
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        Ok(())
    }
}

/// A connection's bytes, and the pulse that they are.
///
/// Whatever arrives is a sign of life. So is room in a socket that had none: the peer's machine has
/// acknowledged what filled it. Without the second, a long upload over a slow line would be taken
/// for a dead connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    pulse: Arc<Pulse>,
    is_full: bool,
}

impl Wire {
    pub(crate) fn new(stream: Stream, pulse: Arc<Pulse>) -> Self {
        Self {
            stream,
            pulse,
            is_full: false,
        }
    }

    fn note<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() {
            self.is_full = true;
        } else if self.is_full {
            self.is_full = false;
            self.pulse.beat();
        }
        written
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pulse.check()?;
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.pulse.beat();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pulse.check()?;
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pulse.check()?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pulse.check()?;
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // Over TLS, bytes may be stuck in the session although every write was taken.
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
