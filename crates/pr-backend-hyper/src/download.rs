//! From hyper's response to the one that a backend gives back, whose body is read as it is polled.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{FutureExt, Stream};
use http::{HeaderMap, StatusCode, header, response::Parts};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pr_core::{BackendError, ErrorKind, ExchangeResponse, Frame, IncomingBody};

use crate::{error, lease::Lease, limits::Limits};

/// Takes a response over. The lease ends with the body, now or later; if the head is refused, the
/// connection is closed.
pub(crate) fn receive(
    head: Parts,
    body: Incoming,
    lease: Lease,
) -> Result<ExchangeResponse, BackendError> {
    check(&head, lease.pool.limits)
        .map_err(|error| error.on_reused_connection(lease.info().reused))?;
    let mut exchange = ExchangeResponse::new(head.status);
    exchange.version = head.version;
    exchange.headers = head.headers;
    exchange.connection = lease.info();
    exchange.body = incoming(body, lease);
    Ok(exchange)
}

/// Refuses what hyper lets pass: heads that are too large, and those of which nobody can say where the
/// response ends.
fn check(head: &Parts, limits: Limits) -> Result<(), BackendError> {
    limits.check_head(&head.headers)?;
    let refuse = |why: &'static str| Err(BackendError::new(ErrorKind::Protocol, why));
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return refuse("the peer switched protocols, which nobody had asked for (101)");
    }
    check_framing(&head.headers).or_else(refuse)
}

fn check_framing(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    if headers.contains_key(header::CONTENT_LENGTH) {
        // RFC 9112, section 6.3: an attempt to smuggle a response, or as good as one.
        return Err("the response has both a transfer-encoding and a content-length");
    }
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        // None was accepted in the request (RFC 9112, section 7.4).
        return Err("the response has a transfer-encoding other than chunked");
    }
    Ok(())
}

/// The body. One that has arrived together with the head is taken as it is, and its connection is
/// free before the caller even sees the head.
fn incoming(mut body: Incoming, lease: Lease) -> IncomingBody {
    let length = body.size_hint().exact();
    let first = if body.is_end_stream() {
        Some(None)
    } else {
        body.frame().now_or_never()
    };
    let first = match first {
        Some(None) if lease.can_end() => {
            lease.end();
            return IncomingBody::empty();
        }
        Some(Some(Ok(frame))) if frame.is_data() && body.is_end_stream() && lease.can_end() => {
            lease.end();
            return IncomingBody::full(frame.into_data().unwrap_or_default());
        }
        Some(first) => first,
        None => None,
    };
    IncomingBody::streaming(
        Download {
            first,
            body,
            limits: lease.pool.limits,
            lease: Some(lease),
        },
        length,
    )
}

/// A body that is still arriving, or whose end has to wait for the rest of the request.
struct Download {
    /// What was found when the body was looked at together with the head.
    first: Option<Result<http_body::Frame<Bytes>, hyper::Error>>,
    body: Incoming,
    limits: Limits,
    /// `None` once the body has ended, well or badly.
    lease: Option<Lease>,
}

impl Stream for Download {
    type Item = Result<Frame, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let next = match this.first.take() {
            Some(first) => Some(first),
            None => ready!(Pin::new(&mut this.body).poll_frame(cx)),
        };
        match next {
            Some(Ok(frame)) => Poll::Ready(Some(this.deliver(frame))),
            Some(Err(error)) => Poll::Ready(Some(Err(this.fail(error)))),
            None => this.poll_end(cx),
        }
    }
}

impl Download {
    fn deliver(&mut self, frame: http_body::Frame<Bytes>) -> Result<Frame, BackendError> {
        // The connection is free with the last byte, before anybody asks whether there are more.
        if self.body.is_end_stream()
            && let Some(lease) = self.lease.take_if(|lease| lease.can_end())
        {
            lease.end();
        }
        let frame = match frame.into_data() {
            Ok(piece) => return Ok(Frame::Data(piece)),
            Err(frame) => frame,
        };
        // HTTP has no third kind of frame; if it ever does, it is no content.
        let Ok(fields) = frame.into_trailers() else {
            return Ok(Frame::Data(Bytes::new()));
        };
        match self.limits.check_trailers(&fields) {
            Ok(()) => Ok(Frame::Trailers(fields)),
            Err(error) => {
                self.lease = None;
                Err(error)
            }
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, BackendError>>> {
        let Some(lease) = &self.lease else {
            return Poll::Ready(None);
        };
        let request = ready!(lease.poll_request(cx));
        let lease = self.lease.take();
        if let Err(error) = request {
            return Poll::Ready(Some(Err(error)));
        }
        if let Some(lease) = lease {
            lease.end();
        }
        Poll::Ready(None)
    }

    fn fail(&mut self, error: hyper::Error) -> BackendError {
        match self.lease.take() {
            Some(lease) => error::within_body(error, lease.upload.as_deref(), &lease.pool)
                .on_reused_connection(lease.info().reused),
            None => error::after_body(error),
        }
    }
}
