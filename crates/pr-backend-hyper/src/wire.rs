//! A connection's bytes on their way to and from hyper, and what hyper does not notice about them.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures::task::AtomicWaker;
use pr_connect::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::informational::Informational;

/// A connection as hyper is given it.
///
/// hyper takes a connection for idle when response and request are complete, even if the last bytes
/// of the request still wait for a peer that has answered without reading it all. The next request
/// would wait behind them, perhaps forever; hence the [`Backlog`]. Nor does it count
/// [`Informational`] responses.
pub(crate) struct Wire {
    stream: Stream,
    backlog: Backlog,
    informational: Informational,
}

/// What the exchanges of a connection and its task tell each other: whether the peer has not taken
/// all that was written, and that a new exchange has begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backlog(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stuck: AtomicBool,
    gone: AtomicBool,
    head_expected: AtomicBool,
    /// Of the one who waits for the peer to take what is stuck.
    waker: AtomicWaker,
}

impl Backlog {
    /// Says that a request is about to be sent, so that what is read next is the head of a response.
    pub(crate) fn expect_head(&self) {
        self.0.head_expected.store(true, Ordering::Release);
    }

    fn head_is_expected(&self) -> bool {
        // Looking costs less than swapping, and this is looked at often.
        let expected = &self.0.head_expected;
        expected.load(Ordering::Acquire) && expected.swap(false, Ordering::AcqRel)
    }

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
    /// Lets so many informational responses pass before a final one.
    pub(crate) fn new(stream: Stream, max_informational: usize) -> (Self, Backlog) {
        let backlog = Backlog::default();
        (
            Self {
                stream,
                backlog: backlog.clone(),
                informational: Informational::new(max_informational),
            },
            backlog,
        )
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        if this.backlog.head_is_expected() {
            this.informational.restart();
        }
        let read = &buf.filled()[before..];
        Poll::Ready(this.informational.read(read).map_err(io::Error::other))
    }
}

impl AsyncWrite for Wire {
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
