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

use pr_connect::{Stream, tls_failure};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{error, tasks::Stop};

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
    /// Why nothing can be written any more, which is still to be told.
    broken: Option<io::Error>,
}

impl Wire {
    pub(crate) fn new(stream: Stream, pulse: Arc<Pulse>) -> Self {
        Self {
            stream,
            pulse,
            is_full: false,
            broken: None,
        }
    }

    fn note<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = written {
            return self.defer(error, cx);
        }
        if written.is_pending() {
            self.is_full = true;
        } else if self.is_full {
            self.is_full = false;
            self.pulse.beat();
        }
        written
    }
}

impl Wire {
    /// Nothing can be written any more. A peer that refuses the handshake after it seemed complete
    /// says so before it closes, so the error waits until all has been read that has come; `h2` tells
    /// its streams of what goes wrong with reading only.
    #[cold]
    fn defer<T>(&mut self, error: io::Error, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        if !matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset
        ) {
            return Poll::Ready(Err(error));
        }
        let seen_before = self.broken.replace(error).is_some();
        let mut byte = [0];
        match Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut byte)) {
            // Whatever comes next wakes the task.
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(reason)) => {
                let reason = self.reason(reason);
                if seen_before {
                    return Poll::Ready(Err(reason));
                }
                self.broken = Some(reason);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Ok(())) => Poll::Ready(Err(self.broken.take().unwrap_or_else(closed))),
        }
    }

    /// What to say when reading fails: whatever TLS says, and otherwise what went wrong first.
    #[cold]
    fn reason(&mut self, error: io::Error) -> io::Error {
        let first = self.broken.take();
        match (tls_failure(&error), first) {
            (None, Some(first)) => first,
            _ => named(error),
        }
    }
}

fn closed() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// The same error, such that `h2`, which keeps no more of it than its text, passes on what has become
/// of TLS.
#[cold]
fn named(error: io::Error) -> io::Error {
    match tls_failure(&error) {
        Some(failure) => io::Error::new(error.kind(), error::of_tls(&failure)),
        None => error,
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pulse.check()?;
        let before = buf.filled().len();
        let this = &mut *self;
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))
            .map_err(|error| this.reason(error))?;
        if this.broken.is_some() && buf.filled().len() == before {
            return Poll::Ready(Err(this.broken.take().unwrap_or_else(closed)));
        }
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
        self.note(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pulse.check()?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pulse.check()?;
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // Over TLS, bytes may be stuck in the session although every write was taken.
        self.note(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
