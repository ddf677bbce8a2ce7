//! A request's body as ureq pulls it: an asynchronous stream, read by a thread.

use std::{
    io::{self, Read},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures::StreamExt;
use pr_core::{BackendError, BoxError, ByteStream, ErrorKind};
use tokio::runtime::Handle;

use crate::{error, exchange::Exchange};

/// A streamed request body.
///
/// The last bytes of a body whose length was declared are handed over only when the stream has
/// been found to have ended, or to need time to find out, so that a peer does not take a body of
/// the wrong length for a whole one.
pub(crate) struct Upload<'a> {
    stream: ByteStream,
    piece: Bytes,
    /// How many bytes are still to come from the stream, if their number was declared.
    left: Option<u64>,
    exchange: &'a Exchange,
    /// The caller's runtime: the stream may need its timers and sockets.
    runtime: Option<Handle>,
    failure: Option<BackendError>,
}

impl<'a> Upload<'a> {
    pub(crate) fn new(
        stream: ByteStream,
        length: Option<u64>,
        exchange: &'a Exchange,
        runtime: Option<Handle>,
    ) -> Self {
        Self {
            stream,
            piece: Bytes::new(),
            left: length,
            exchange,
            runtime,
            failure: None,
        }
    }

    /// Why reading failed, if it did. ureq's own error says less.
    pub(crate) fn take_failure(&mut self) -> Option<BackendError> {
        self.failure
            .take()
            .map(|failure| failure.with_delivery(self.exchange.delivery()))
    }

    /// Checks that a body that was declared as empty is.
    pub(crate) fn expect_nothing(mut self) -> Result<(), BackendError> {
        let outcome = match self.pull() {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(too_long()),
            Err(error) => Err(error),
        };
        outcome.map_err(|error| error.with_delivery(self.exchange.delivery()))
    }

    fn advance(&mut self) -> Result<(), BackendError> {
        let Some(piece) = self.pull()? else {
            return match self.left {
                None | Some(0) => Ok(()),
                Some(missing) => Err(too_short(missing)),
            };
        };
        if let Some(left) = self.left {
            let left = left.checked_sub(piece.len() as u64).ok_or_else(too_long)?;
            self.left = Some(left);
            if left == 0 && self.has_more()? {
                return Err(too_long());
            }
        }
        self.piece = piece;
        Ok(())
    }

    /// Pretends that up to `most` bytes were read: what is not sent need not be produced, but ureq
    /// wants to have seen as many as were declared.
    fn skip(&mut self, most: usize) -> usize {
        let Some(left) = &mut self.left else { return 0 };
        *left += std::mem::take(&mut self.piece).len() as u64;
        let count = usize::try_from(*left).unwrap_or(usize::MAX).min(most);
        *left -= count as u64;
        count
    }

    /// The next piece, waited for.
    fn pull(&mut self) -> Result<Option<Bytes>, BackendError> {
        let _context = self.runtime.as_ref().map(Handle::enter);
        let next = self
            .exchange
            .wait_for(|cx| poll_piece(&mut self.stream, cx));
        next.map_err(|why| error::stopped(why, self.exchange))?
            .transpose()
            .map_err(failed)
    }

    /// Whether there is another piece already. A stream that cannot tell yet is believed to have
    /// ended where its declared length says.
    fn has_more(&mut self) -> Result<bool, BackendError> {
        let _context = self.runtime.as_ref().map(Handle::enter);
        let next = self.exchange.wait_for(|cx| {
            Poll::Ready(match poll_piece(&mut self.stream, cx) {
                Poll::Ready(piece) => piece,
                Poll::Pending => None,
            })
        });
        match next.map_err(|why| error::stopped(why, self.exchange))? {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            Some(Err(cause)) => Err(failed(cause)),
        }
    }
}

impl Read for Upload<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.exchange.is_peer_deaf() {
            return Ok(self.skip(into.len()));
        }
        if self.piece.is_empty()
            && let Err(failure) = self.advance()
        {
            self.failure = Some(failure);
            return Err(io::Error::other("the request's body failed"));
        }
        let count = self.piece.len().min(into.len());
        self.piece.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

/// The next piece that holds anything.
fn poll_piece(
    stream: &mut ByteStream,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, BoxError>>> {
    loop {
        match ready!(stream.poll_next_unpin(cx)) {
            Some(Ok(piece)) if piece.is_empty() => {}
            piece => return Poll::Ready(piece),
        }
    }
}

fn failed(cause: BoxError) -> BackendError {
    BackendError::new(
        ErrorKind::Body,
        "the request's body failed while it was read",
    )
    .with_source(cause)
}

fn too_short(missing: u64) -> BackendError {
    BackendError::new(
        ErrorKind::Body,
        format!("the request's body is {missing} bytes shorter than its declared length"),
    )
}

fn too_long() -> BackendError {
    BackendError::new(
        ErrorKind::Body,
        "the request's body is longer than its declared length",
    )
}
