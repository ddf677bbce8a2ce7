//! A connection's bytes as hyper takes them, and whether some of them are stuck.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use pr_connect::Stream;

/// A connection as hyper takes it.
///
/// hyper takes a connection for idle when response and request are complete, even if the last bytes
/// of the request still wait for a peer that has answered without reading it all. The next request
/// would wait behind them, perhaps forever; hence the [`Backlog`].
pub(crate) struct Wire {
    stream: TokioIo<Stream>,
    backlog: Backlog,
}

/// Whether the peer has not taken all that was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backlog(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stuck: AtomicBool,
    gone: AtomicBool,
    /// Of the one who waits for the peer to take what is stuck.
    waker: AtomicWaker,
}

impl Backlog {
    pub(crate) fn exists(&self) -> bool {
        self.0.stuck.load(Ordering::Acquire)
    }

    /// Waits until nothing is stuck; `false` if the connection ended before.
    pub(crate) fn poll_cleared(&self, cx: &mut Context<'_>) -> Poll<bool> {
        if !self.exists() {
            return Poll::Ready(true);
        }
        self.0.waker.register(cx.waker());
        if !self.exists() {
            Poll::Ready(true)
        } else if self.0.gone.load(Ordering::Acquire) {
            Poll::Ready(false)
        } else {
            Poll::Pending
        }
    }

    /// hyper writes until nothing is left or the socket takes no more. After an error, what is left
    /// stays.
    fn note<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let stuck = !matches!(written, Poll::Ready(Ok(_)));
        if self.exists() != stuck {
            self.0.stuck.store(stuck, Ordering::Release);
            self.0.waker.wake();
        }
        written
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.backlog.0.gone.store(true, Ordering::Release);
        self.backlog.0.waker.wake();
    }
}

impl Wire {
    pub(crate) fn new(stream: Stream) -> (Self, Backlog) {
        let backlog = Backlog::default();
        (
            Self {
                stream: TokioIo::new(stream),
                backlog: backlog.clone(),
            },
            backlog,
        )
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.backlog.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.backlog.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // Over TLS, bytes may be stuck in the session although every write was taken.
        self.backlog.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
