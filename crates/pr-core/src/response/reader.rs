//! A streaming response for code that reads: `AsyncRead` and `AsyncBufRead`.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures::StreamExt;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::StreamingResponse;
use crate::{BackendError, ErrorKind};

/// The body of a [`StreamingResponse`] as [`AsyncRead`] and [`AsyncBufRead`]; made by
/// [`into_reader`](StreamingResponse::into_reader).
///
/// An error is an [`io::Error`] around the [`BackendError`], which
/// [`downcast`](io::Error::downcast) gives back. A body that failed never looks like one that ended:
/// every later read fails too.
///
/// ```
/// use pr_core::{Backend, BackendExt, BodyReader};
/// use tokio::io::AsyncBufRead;
///
/// async fn open(backend: &dyn Backend, url: &str) -> std::io::Result<impl AsyncBufRead> {
///     let response = backend.stream(url).await.map_err(std::io::Error::other)?;
///     let reader: BodyReader = response.into_reader();
///     println!("{}", reader.get_ref().status_code());
///     Ok(reader)
/// }
/// ```
pub struct BodyReader {
    response: StreamingResponse,
    piece: Bytes,
    failed: bool,
}

impl BodyReader {
    pub(super) fn new(response: StreamingResponse) -> Self {
        Self {
            response,
            piece: Bytes::new(),
            failed: false,
        }
    }

    /// The response that is read: its head, the sizes so far and, at the end, the trailers.
    pub fn get_ref(&self) -> &StreamingResponse {
        &self.response
    }
}

impl AsyncBufRead for BodyReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.failed {
            return Poll::Ready(Err(io::Error::other("the body has failed before")));
        }
        if this.piece.is_empty() {
            match ready!(this.response.poll_next_unpin(cx)) {
                Some(Ok(piece)) => this.piece = piece,
                Some(Err(error)) => {
                    this.failed = true;
                    return Poll::Ready(Err(into_io(error)));
                }
                None => {}
            }
        }
        Poll::Ready(Ok(&this.piece))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        // More than there is would be the caller's mistake, and no reason to panic.
        let amount = amount.min(self.piece.len());
        self.piece.advance(amount);
    }
}

impl AsyncRead for BodyReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let piece = ready!(self.as_mut().poll_fill_buf(cx))?;
        let amount = piece.len().min(buffer.remaining());
        buffer.put_slice(&piece[..amount]);
        self.consume(amount);
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyReader")
            .field("response", &self.response)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

fn into_io(error: BackendError) -> io::Error {
    let kind = match error.kind() {
        ErrorKind::Timeout => io::ErrorKind::TimedOut,
        ErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
        ErrorKind::Decode | ErrorKind::Protocol => io::ErrorKind::InvalidData,
        ErrorKind::Closed => io::ErrorKind::ConnectionAborted,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
