//! A request's body on its way out, no faster than the peer takes it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use h2::{Reason, SendStream};
use pr_core::{BackendError, ByteStream, ErrorKind, Progress, Stage};
use tokio::time::{Sleep, sleep};

/// Bytes of a request's body in the hands of a connection.
#[derive(Debug)]
pub(crate) struct Chunk {
    bytes: Bytes,
    /// For the last bytes of a body: who wants to know that they were written. A body that lies
    /// here because the peer's window is shut is not yet sent, and a timeout should say so.
    last: Option<Progress>,
}

impl Chunk {
    /// Bytes that others follow.
    fn part(bytes: Bytes) -> Self {
        Self { bytes, last: None }
    }

    /// All bytes of a body. When the last one is written, the exchange awaits the response's head.
    pub(crate) fn whole(bytes: Bytes, progress: Progress) -> Self {
        Self {
            bytes,
            last: Some(progress),
        }
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if self.bytes.is_empty()
            && let Some(progress) = self.last.take()
            // A response that came early has moved it further already.
            && progress.stage() == Stage::Sending
        {
            progress.reach(Stage::AwaitingHead);
        }
    }
}

/// A body that is produced while it is sent.
pub(crate) struct Upload {
    stream: SendStream<Chunk>,
    source: ByteStream,
    /// What is left of the number of bytes that was announced.
    announced: Option<u64>,
    /// Produced and not yet handed over.
    piece: Bytes,
    /// Ends the wait for the peer's leave, where the request asks for it.
    silence: Option<Pin<Box<Sleep>>>,
}

/// How long a peer that is asked for leave may be silent before the body is sent all the same.
const SILENCE: Duration = Duration::from_secs(1);

/// How many pieces are taken in a row before other tasks get their turn.
const PIECES_IN_A_ROW: u32 = 64;

impl Upload {
    pub(crate) fn new(stream: SendStream<Chunk>, source: ByteStream, length: Option<u64>) -> Self {
        Self {
            stream,
            source,
            announced: length,
            piece: Bytes::new(),
            silence: None,
        }
    }

    /// The same upload, which waits for the peer's leave (RFC 9110, section 10.1.1), but not for
    /// longer than a second: not every peer has heard of that.
    pub(crate) fn with_leave(mut self) -> Self {
        self.silence = Some(Box::pin(sleep(SILENCE)));
        self
    }

    /// Whether it waits for leave: not a byte has been sent then.
    pub(crate) fn waits_for_leave(&self) -> bool {
        self.silence.is_some()
    }

    /// The peer has given leave.
    pub(crate) fn begin(&mut self) {
        self.silence = None;
    }

    /// Ready when the whole body is handed over, and also when the peer wants no more of it: what
    /// that means is for the response to tell (RFC 9113, section 8.1). An error is one of the body
    /// itself, and [`abandon`](Self::abandon) has to follow.
    ///
    /// One piece at a time is taken from the body, and only as the peer's windows open is it handed
    /// to the connection, so no more than that piece waits here.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        if let Some(silence) = &mut self.silence {
            ready!(silence.as_mut().poll(cx));
            self.silence = None;
        }
        for _ in 0..PIECES_IN_A_ROW {
            if self.piece.is_empty() {
                if self.stream.poll_reset(cx).is_ready() {
                    return Poll::Ready(Ok(()));
                }
                match ready!(self.poll_piece(cx)?) {
                    None => {
                        // Fails only if the peer has ended the stream, of which the response tells.
                        drop(self.stream.send_data(Chunk::part(Bytes::new()), true));
                        return Poll::Ready(Ok(()));
                    }
                    Some(piece) => self.piece = piece,
                }
                self.stream.reserve_capacity(self.piece.len());
            }
            while !self.piece.is_empty() {
                let mut room = self.stream.capacity();
                if room == 0 {
                    match ready!(self.stream.poll_capacity(cx)) {
                        Some(Ok(capacity)) => room = capacity,
                        Some(Err(_)) | None => return Poll::Ready(Ok(())),
                    }
                }
                let part = self.piece.split_to(room.min(self.piece.len()));
                if self.stream.send_data(Chunk::part(part), false).is_err() {
                    return Poll::Ready(Ok(()));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Tells the peer not to take what it has got for the whole body.
    pub(crate) fn abandon(&mut self) {
        self.stream.send_reset(Reason::CANCEL);
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BackendError>> {
        let fail = |message: &'static str| BackendError::new(ErrorKind::Body, message);
        let next = ready!(self.source.as_mut().poll_next(cx)).transpose();
        let piece = next.map_err(|error| fail("the request's body failed").with_source(error))?;
        let length = piece.as_ref().map_or(0, Bytes::len) as u64;
        if let Some(left) = &mut self.announced {
            *left = left
                .checked_sub(length)
                .ok_or_else(|| fail("the request's body is longer than its announced length"))?;
            if piece.is_none() && *left > 0 {
                return Poll::Ready(Err(fail(
                    "the request's body is shorter than its announced length",
                )));
            }
        }
        Poll::Ready(Ok(piece))
    }
}
