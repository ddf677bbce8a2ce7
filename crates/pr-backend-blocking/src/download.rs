//! A response's body: read by a thread, handed over in pieces, polled by whoever wants it.

use std::{
    io::Read,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::Stream;
use pr_core::{BackendError, Frame};
use tokio::sync::mpsc;
use ureq::BodyReader;

use crate::{
    error,
    exchange::{Exchange, Stop},
};

/// The way from the thread to the consumer.
pub(crate) type PieceSender = mpsc::Sender<Result<Bytes, BackendError>>;

/// The thread's side: what is still to be read.
pub(crate) struct Download {
    reader: BodyReader<'static>,
    exchange: Arc<Exchange>,
    /// How many bytes are still to come, if the head said so.
    left: Option<u64>,
    is_chunked: bool,
    /// What ended the body, while what came before it is handed over. It is kept because ureq
    /// reports an end that came too early only once, and a proper end from then on.
    failure: Option<BackendError>,
}

/// What a read has brought.
pub(crate) enum Piece {
    /// Some of the body, or none if nothing had arrived.
    More(Bytes),
    /// The rest of it.
    Last(Bytes),
}

/// The size of a piece, in bytes.
const PIECE: usize = 64 << 10;
/// How many pieces wait for a slow consumer, besides the one that is being handed over.
const WAITING: usize = 2;

impl Download {
    pub(crate) fn new(body: ureq::Body, is_chunked: bool, exchange: Arc<Exchange>) -> Self {
        Self {
            left: body.content_length(),
            reader: body.into_reader(),
            exchange,
            is_chunked,
            failure: None,
        }
    }

    /// How many bytes the whole body has, if the head said so. To be asked before anything is read.
    pub(crate) fn length(&self) -> Option<u64> {
        self.left
    }

    /// Reads what has arrived already, without waiting for more. The connection is back in the
    /// pool when this returns the last piece.
    pub(crate) fn read_arrived(&mut self, scratch: &mut Vec<u8>) -> Result<Piece, BackendError> {
        self.read(scratch, false)
    }

    /// Reads at least one byte, and what else has arrived by then.
    fn read_some(&mut self, scratch: &mut Vec<u8>) -> Result<Piece, BackendError> {
        self.read(scratch, true)
    }

    fn read(&mut self, scratch: &mut Vec<u8>, wait: bool) -> Result<Piece, BackendError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        scratch.resize(PIECE, 0);
        let mut filled = 0;
        let ended = loop {
            self.exchange.set_must_not_wait(filled > 0 || !wait);
            // With all of a declared length read, ureq reads nothing but ends the exchange. It
            // wants to see room for a byte all the same.
            let room = if self.left == Some(0) {
                0..1
            } else {
                filled..PIECE
            };
            match self.reader.read(&mut scratch[room]) {
                Ok(0) => {
                    self.check_end()?;
                    break true;
                }
                Ok(count) => {
                    filled += count;
                    self.left = self.left.map(|left| left.saturating_sub(count as u64));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break false,
                Err(error) => {
                    let failure = error::of_body(error, &self.exchange);
                    if filled == 0 {
                        return Err(failure);
                    }
                    self.failure = Some(failure);
                    break false;
                }
            }
            if filled == PIECE && self.left != Some(0) {
                break false;
            }
        };
        let piece = Bytes::copy_from_slice(&scratch[..filled]);
        Ok(if ended {
            Piece::Last(piece)
        } else {
            Piece::More(piece)
        })
    }

    /// A chunked body ends before its connection does. ureq is content with the last chunk, without
    /// the empty line that says that no trailer fields are missing.
    fn check_end(&self) -> Result<(), BackendError> {
        if self.is_chunked && self.exchange.has_peer_ended() {
            let cause = std::io::ErrorKind::UnexpectedEof.into();
            return Err(error::of_body(cause, &self.exchange));
        }
        Ok(())
    }

    /// Reads on and hands over, at the consumer's pace, until the end or until nobody wants more.
    ///
    /// Gives back the channel, whose end the consumer takes for the end of the body.
    pub(crate) fn deliver(mut self, to: PieceSender, scratch: &mut Vec<u8>) -> PieceSender {
        loop {
            let (piece, is_last) = match self.read_some(scratch) {
                Ok(Piece::More(piece)) => (piece, false),
                Ok(Piece::Last(piece)) => (piece, true),
                Err(error) => {
                    self.hand_over(&to, Err(error));
                    return to;
                }
            };
            let is_taken = piece.is_empty() || self.hand_over(&to, Ok(piece));
            if is_taken && is_last {
                self.exchange.set_complete();
            }
            if is_last || !is_taken {
                return to;
            }
        }
    }

    /// Puts the body's first failure where the consumer finds it.
    pub(crate) fn fail(error: BackendError, to: PieceSender) -> PieceSender {
        // The channel is empty, so there is room; the consumer may have gone.
        let _ = to.try_send(Err(error));
        to
    }

    /// Waits until there is room for the item; whether it was taken.
    fn hand_over(&self, to: &PieceSender, item: Result<Bytes, BackendError>) -> bool {
        let item = match to.try_send(item) {
            Ok(()) => return true,
            Err(mpsc::error::TrySendError::Closed(_)) => return false,
            Err(mpsc::error::TrySendError::Full(item)) => item,
        };
        let mut room = pin!(to.reserve());
        match self.exchange.wait_for(|cx| room.as_mut().poll(cx)) {
            Ok(Ok(permit)) => {
                permit.send(item);
                true
            }
            Ok(Err(_)) | Err(_) => false,
        }
    }
}

/// The consumer's side: a stream of frames. Dropping it stops the exchange.
pub(crate) struct Frames {
    first: Option<Bytes>,
    pieces: mpsc::Receiver<Result<Bytes, BackendError>>,
    exchange: Arc<Exchange>,
}

impl Frames {
    /// A body that begins with this piece, and the way in for the rest.
    pub(crate) fn new(first: Bytes, exchange: Arc<Exchange>) -> (PieceSender, Self) {
        let (sender, pieces) = mpsc::channel(WAITING);
        let first = (!first.is_empty()).then_some(first);
        (
            sender,
            Self {
                first,
                pieces,
                exchange,
            },
        )
    }
}

impl Stream for Frames {
    type Item = Result<Frame, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::Data(first))));
        }
        Poll::Ready(match ready!(self.pieces.poll_recv(cx)) {
            Some(Ok(piece)) => Some(Ok(Frame::Data(piece))),
            Some(Err(error)) => Some(Err(error)),
            None if self.exchange.is_complete() => None,
            // The thread has gone without a word: stopped, or by a panic.
            None => Some(Err(match self.exchange.stopped() {
                Some(why) => error::stopped(why, &self.exchange),
                None => error::panicked(self.exchange.delivery()),
            })),
        })
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.exchange.stop(Stop::Dropped);
    }
}
