//! Bodies that report to the ledger: what was read of a request, and whether a response was handed
//! over whole.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use pr_core::OutgoingBody;

use crate::content;
use crate::ledger::{Exchange, RequestBodyMeter};

/// A request's body.
pub(crate) struct RequestBody(Source);

enum Source {
    Connection(Incoming, RequestBodyMeter),
    /// The mutex is never locked: it makes the body `Sync`, so that routes may borrow requests.
    Memory(Mutex<OutgoingBody>),
}

/// A request's body that was larger than a route can take, or broke off.
pub(crate) enum BodyError {
    TooLarge,
    Broken,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, meter: RequestBodyMeter) -> Self {
        Self(Source::Connection(incoming, meter))
    }

    pub(crate) fn in_memory(body: OutgoingBody) -> Self {
        Self(Source::Memory(Mutex::new(body)))
    }

    /// The next piece, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        match &mut self.0 {
            Source::Connection(incoming, meter) => loop {
                let Some(frame) = incoming.frame().await else {
                    meter.ended();
                    return Ok(None);
                };
                if let Ok(chunk) = frame.map_err(|_| BodyError::Broken)?.into_data() {
                    meter.arrived(&chunk);
                    return Ok(Some(chunk));
                }
            },
            Source::Memory(body) => {
                let body = body.get_mut().unwrap_or_else(PoisonError::into_inner);
                if let OutgoingBody::Stream { stream, .. } = body {
                    let next = stream.next().await.transpose();
                    return next.map_err(|_| BodyError::Broken);
                }
                match std::mem::replace(body, OutgoingBody::Empty) {
                    OutgoingBody::Full(bytes) => Ok(Some(bytes)),
                    _ => Ok(None),
                }
            }
        }
    }

    /// The rest, in one piece of up to `limit` bytes.
    pub(crate) async fn collect(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let Some(first) = self.next().await? else {
            return Ok(Bytes::new());
        };
        let mut whole = BytesMut::new();
        let mut next = Some(first);
        while let Some(chunk) = next {
            if whole.len() + chunk.len() > limit {
                return Err(BodyError::TooLarge);
            }
            whole.extend_from_slice(&chunk);
            next = self.next().await?;
        }
        Ok(whole.freeze())
    }

    /// Reads the rest and forgets it, so that the connection can be used again.
    pub(crate) async fn drain(&mut self) -> Result<(), BodyError> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}

/// A response's body.
pub(crate) struct ResponseBody {
    kind: Kind,
    exchange: Option<(Exchange, StatusCode)>,
}

enum Kind {
    Whole(Option<Bytes>),
    /// The content of [`content::bytes`], made while it is sent.
    Content {
        offset: u64,
        end: u64,
        chunk: usize,
        sized: bool,
    },
    Frames(UnsyncBoxBody<Bytes, Infallible>),
}

impl ResponseBody {
    pub(crate) fn empty() -> Self {
        Self::of(Kind::Whole(None))
    }

    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::of(Kind::Whole((!bytes.is_empty()).then_some(bytes)))
    }

    /// `length` bytes of [`content::bytes`] in pieces of `chunk` bytes; with `sized`, the length is
    /// announced.
    pub(crate) fn content(length: u64, chunk: usize, sized: bool) -> Self {
        Self::of(Kind::Content {
            offset: 0,
            end: length,
            chunk: chunk.max(1),
            sized,
        })
    }

    /// Whatever frames the stream yields, trailers included.
    pub(crate) fn frames(
        frames: impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + 'static,
    ) -> Self {
        Self::of(Kind::Frames(StreamBody::new(frames).boxed_unsync()))
    }

    /// Ties the body to its request: handed over whole, the request is answered.
    pub(crate) fn track(&mut self, exchange: Exchange, status: StatusCode) {
        self.exchange = Some((exchange, status));
        self.settle();
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            exchange: None,
        }
    }

    fn settle(&mut self) {
        if self.is_end_stream()
            && let Some((mut exchange, status)) = self.exchange.take()
        {
            exchange.answered(status);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match &mut self.kind {
            Kind::Whole(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Kind::Content {
                offset, end, chunk, ..
            } => {
                let left = usize::try_from(*end - *offset).unwrap_or(usize::MAX);
                (left > 0).then(|| {
                    let bytes = content::slice(*offset, left.min(*chunk));
                    *offset += bytes.len() as u64;
                    Ok(Frame::data(bytes))
                })
            }
            Kind::Frames(body) => {
                let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
                // A stream does not know its end in advance, so `is_end_stream` has to be told;
                // after trailers, nobody asks for another frame.
                if is_last(frame.as_ref()) {
                    self.kind = Kind::Whole(None);
                }
                frame
            }
        };
        if let Some(Ok(frame)) = &frame
            && let (Some(data), Some((exchange, _))) = (frame.data_ref(), &self.exchange)
        {
            exchange.response_bytes(data.len());
        }
        self.settle();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Content { offset, end, .. } => offset == end,
            Kind::Frames(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Kind::Content {
                offset,
                end,
                sized: true,
                ..
            } => SizeHint::with_exact(end - offset),
            Kind::Content { .. } => SizeHint::default(),
            Kind::Frames(body) => body.size_hint(),
        }
    }
}

fn is_last(frame: Option<&Result<Frame<Bytes>, Infallible>>) -> bool {
    frame.is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers))
}
