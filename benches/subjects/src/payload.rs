//! Bodies that are never in memory as a whole: request bodies made while they are sent, in the forms
//! that clients take, and response bodies dropped as they come.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::failure::Failure;

/// A body of so many bytes, as pieces of 64 KiB that share one buffer. Of 0 bytes: no body.
#[derive(Clone)]
pub(crate) struct Payload {
    left: u64,
}

static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

impl Payload {
    pub(crate) const EMPTY: Self = Self { left: 0 };

    pub(crate) fn new(bytes: u64) -> Self {
        Self { left: bytes }
    }

    /// The next piece, of `limit` bytes at most.
    pub(crate) fn piece(&mut self, limit: usize) -> Option<Bytes> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let length = left.min(limit).min(PIECE.len());
        self.left -= length as u64;
        (length > 0).then(|| Bytes::from_static(&PIECE[..length]))
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.piece(usize::MAX).map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Stream for Payload {
    type Item = Result<Bytes, Box<dyn Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.piece(usize::MAX).map(Ok))
    }
}

impl Read for Payload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.piece(buffer.len()).unwrap_or_default();
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// The length of a body that is dropped as it comes.
pub(crate) async fn count<B>(mut body: B) -> Result<u64, Failure>
where
    B: Body<Data = Bytes, Error: Error> + Unpin,
{
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, |piece| piece.len() as u64);
    }
    Ok(bytes)
}
