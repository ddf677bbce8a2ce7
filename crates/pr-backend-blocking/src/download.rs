//! A response's body: read by a thread, handed over in pieces, polled by whoever wants it.

use std::{
    io::Read,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::Stream;
use http::HeaderMap;
use pr_core::{BackendError, Frame};
use tokio::sync::mpsc;
use ureq::BodyReader;

use crate::{
    error,
    exchange::{Exchange, Stop},
};

/// The way from the thread to the consumer.
pub(crate) type PieceSender = mpsc::Sender<Item>;
/// What goes that way. A body that is whole ends with its last piece; the end of the channel is none.
pub(crate) type Item = Result<Piece, BackendError>;

/// The thread's side: what is still to be read.
pub(crate) struct Download {
    reader: BodyReader<'static>,
    exchange: Arc<Exchange>,
    /// How many bytes are still to come, if the head said so.
    left: Option<u64>,
    is_chunked: bool,
}

/// What a read has brought.
pub(crate) enum Piece {
    /// Some of the body, or none if nothing had arrived.
    More(Bytes),
    /// The rest of it, and what follows it.
    Last(Bytes, Option<Box<HeaderMap>>),
}

/// The size of a piece, in bytes.
const PIECE: usize = 128 << 10;
/// How many pieces wait for a slow consumer, besides the one that is being handed over.
const WAITING: usize = 2;

impl Download {
    pub(crate) fn new(body: ureq::Body, is_chunked: bool, exchange: Arc<Exchange>) -> Self {
        Self {
            left: body.content_length(),
            reader: body.into_reader(),
            exchange,
            is_chunked,
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
                Ok(0) => break true,
                Ok(count) => {
                    filled += count;
                    self.left = self.left.map(|left| left.saturating_sub(count as u64));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break false,
                // Nothing is read after an error: ureq would report a proper end, or worse.
                Err(error) => return Err(error::of_body(error, &self.exchange)),
            }
            if filled == PIECE && self.left != Some(0) {
                break false;
            }
        };
        let piece = Bytes::copy_from_slice(&scratch[..filled]);
        if !ended {
            return Ok(Piece::More(piece));
        }
        if self.exchange.was_cut() {
            if piece.is_empty() {
                return Err(error::half_sent(&self.exchange));
            }
            // ureq says again that the body has ended when it is asked for more.
            return Ok(Piece::More(piece));
        }
        Ok(Piece::Last(piece, self.trailers()?))
    }

    /// What has come after the last chunk. A chunked body ends before its connection does: ureq is
    /// content with the last chunk, without the empty line that says that no fields are missing.
    fn trailers(&self) -> Result<Option<Box<HeaderMap>>, BackendError> {
        if self.is_chunked && self.exchange.has_peer_ended() {
            let cause = std::io::ErrorKind::UnexpectedEof.into();
            return Err(error::of_body(cause, &self.exchange));
        }
        Ok(self.exchange.take_trailers())
    }

    /// Reads on and hands over, at the consumer's pace, until the end or until nobody wants more.
    /// What comes last is left to the caller to say.
    pub(crate) fn deliver(mut self, to: &PieceSender, scratch: &mut Vec<u8>) -> Option<Item> {
        loop {
            match self.read_some(scratch) {
                Ok(Piece::More(piece)) => {
                    if !self.hand_over(to, Piece::More(piece)) {
                        return None;
                    }
                }
                last => {
                    // With room for it, saying it takes no time.
                    let room = self.wait_for_room(to)?;
                    drop(room);
                    return Some(last);
                }
            }
        }
    }

    /// Waits until there is room for the piece; whether it was taken.
    fn hand_over(&self, to: &PieceSender, piece: Piece) -> bool {
        match self.wait_for_room(to) {
            Some(room) => {
                room.send(Ok(piece));
                true
            }
            None => false,
        }
    }

    /// A place in the channel, unless nobody wants more.
    fn wait_for_room<'a>(&self, to: &'a PieceSender) -> Option<mpsc::Permit<'a, Item>> {
        match to.try_reserve() {
            Ok(room) => return Some(room),
            Err(mpsc::error::TrySendError::Closed(())) => return None,
            Err(mpsc::error::TrySendError::Full(())) => {}
        }
        let mut room = pin!(to.reserve());
        self.exchange
            .wait_for(|cx| room.as_mut().poll(cx))
            .ok()?
            .ok()
    }
}

/// The consumer's side: a stream of frames. Dropping it stops the exchange.
pub(crate) struct Frames {
    first: Option<Bytes>,
    pieces: mpsc::Receiver<Item>,
    ended: bool,
    trailers: Option<Box<HeaderMap>>,
    exchange: Arc<Exchange>,
}

impl Frames {
    /// A body that begins with this piece, and the way in for the rest.
    pub(crate) fn new(first: Bytes, exchange: Arc<Exchange>) -> (PieceSender, Self) {
        let (sender, pieces) = mpsc::channel(WAITING);
        let frames = Self {
            first: (!first.is_empty()).then_some(first),
            pieces,
            ended: false,
            trailers: None,
            exchange,
        };
        (sender, frames)
    }
}

impl Stream for Frames {
    type Item = Result<Frame, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::Data(first))));
        }
        if self.ended {
            let trailers = self.trailers.take();
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::Trailers(*trailers))));
        }
        let item = ready!(self.pieces.poll_recv(cx));
        self.ended = !matches!(item, Some(Ok(Piece::More(_))));
        Poll::Ready(match item {
            Some(Ok(Piece::Last(piece, trailers))) if piece.is_empty() => {
                trailers.map(|trailers| Ok(Frame::Trailers(*trailers)))
            }
            Some(Ok(Piece::Last(piece, trailers))) => {
                self.trailers = trailers;
                Some(Ok(Frame::Data(piece)))
            }
            Some(Ok(Piece::More(piece))) => Some(Ok(Frame::Data(piece))),
            Some(Err(error)) => Some(Err(error)),
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
