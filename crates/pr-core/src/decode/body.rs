//! A body that is decoded while it is read.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::HeaderMap;
use tokio::task::coop;

use super::{
    coding::Coding,
    stack::{Pulled, Stack},
};
use crate::{BackendError, Frame, IncomingBody};

/// The frames of a body with its content decoded, in pieces of at most [`Self::LARGEST_PIECE`].
///
/// A little may follow the coded data, and is read, so that the connection can be used again; if it is
/// more, the source is dropped.
pub(crate) struct DecodedBody {
    /// What is received; empty from the end on.
    source: IncomingBody,
    stack: Option<Stack>,
    /// How many bytes have been received, without the idle ones.
    received: u64,
    /// How many came after data that may have ended, and gave nothing so far.
    idle: u64,
    /// What has been done since other tasks could run, in the unit of [`Stack::pull`].
    work: usize,
    trailers: Option<HeaderMap>,
    /// Where pieces are decoded to.
    output: Vec<u8>,
}

impl DecodedBody {
    /// The most that is decoded at a time.
    const LARGEST_PIECE: usize = 64 << 10;
    /// What is decoded first; most bodies are short.
    const FIRST_PIECE: usize = 8 << 10;
    /// How much is done until other tasks may run.
    const MOST_WORK: usize = 256 << 10;
    /// What it costs to ask for a piece, whatever is in it.
    const WORK_OF_A_PIECE: usize = 1 << 10;

    pub(super) fn new(source: IncomingBody, codings: &[Coding]) -> Self {
        Self {
            source,
            stack: Some(Stack::new(codings)),
            received: 0,
            idle: 0,
            work: 0,
            trailers: None,
            output: Vec::new(),
        }
    }

    /// How many bytes have been received so far, decoded or not.
    ///
    /// A count that grows says that the body is alive. What comes after data that may have ended is
    /// therefore not counted before something can be decoded again, or the body ends.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Lets go of everything but what it has counted.
    fn end(&mut self) {
        self.received += std::mem::take(&mut self.idle);
        self.source = IncomingBody::empty();
        self.stack = None;
        self.output = Vec::new();
    }

    /// Room for the next piece: more each time that it was used up.
    fn make_room(&mut self) {
        let before = self.output.capacity();
        let room = if before == 0 {
            Self::FIRST_PIECE
        } else if self.output.len() == before {
            (before * 2).min(Self::LARGEST_PIECE)
        } else {
            before
        };
        self.output.clear();
        self.output.reserve_exact(room);
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, BackendError>> {
        let Some(stack) = &mut self.stack else {
            return Poll::Ready(Ok(self.trailers.take().map(Frame::Trailers)));
        };
        loop {
            // Decoding is work. Without this, a body that is all here would keep its thread, and the
            // request's own timeout from firing, until the last byte. Tokio's budget is for what the
            // task does as a whole, but counts no bytes, and not everywhere.
            if self.work >= Self::MOST_WORK {
                self.work = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let proceed = ready!(coop::poll_proceed(cx));
            let left = Self::MOST_WORK - self.work;
            let (pulled, work) = stack.pull(&mut self.output, left);
            self.work += work;
            match pulled? {
                Pulled::Bytes => {
                    proceed.made_progress();
                    self.received += std::mem::take(&mut self.idle);
                    return Poll::Ready(Ok(Some(Frame::Data(Bytes::copy_from_slice(
                        &self.output,
                    )))));
                }
                Pulled::End => {
                    proceed.made_progress();
                    self.end();
                    return Poll::Ready(Ok(self.trailers.take().map(Frame::Trailers)));
                }
                Pulled::Busy => proceed.made_progress(),
                Pulled::Starved => match ready!(self.source.poll_next_unpin(cx)).transpose()? {
                    Some(Frame::Data(piece)) => {
                        proceed.made_progress();
                        self.work += Self::WORK_OF_A_PIECE;
                        let count = if stack.may_be_over() {
                            &mut self.idle
                        } else {
                            &mut self.received
                        };
                        *count += piece.len() as u64;
                        stack.feed(Some(piece));
                    }
                    Some(Frame::Trailers(fields)) => self.trailers = Some(fields),
                    None => stack.feed(None),
                },
            }
        }
    }
}

impl Stream for DecodedBody {
    type Item = Result<Frame, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.stack.is_some() {
            self.make_room();
        }
        let polled = ready!(self.poll_frame(cx));
        if polled.is_err() {
            self.end();
            self.trailers = None;
        }
        Poll::Ready(polled.transpose())
    }
}
