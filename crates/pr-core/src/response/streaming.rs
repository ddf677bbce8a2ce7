//! A response whose body is still to be read.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderMap, StatusCode, Version};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use url::Url;

use super::{Head, Hop, NormalizedResponse, head_accessors};
use crate::{BackendError, ConnectionInfo, Frame, IncomingBody, Progress, Stage, gather::Gather};

/// A response whose head is there and whose body is yours to read: a `Stream` of [`Bytes`].
///
/// Nothing is read from the connection while you do not, so a body of any size takes bounded
/// memory. If the request's [`timeout`](crate::RequestConfig::timeout) was set, it holds for the
/// body too; if not, a pause of 30 s while you wait for a piece ends the body with a timeout. After
/// an error the stream ends. Dropping the response frees its stream or connection.
///
/// ```
/// use futures::StreamExt;
/// use pr_core::{Backend, BackendError, BackendExt};
///
/// async fn count(backend: &dyn Backend, url: &str) -> Result<u64, BackendError> {
///     let mut response = backend.stream(url).await?.error_for_status()?;
///     let mut bytes = 0;
///     while let Some(piece) = response.next().await {
///         bytes += piece?.len() as u64;
///     }
///     Ok(bytes)
/// }
/// ```
pub struct StreamingResponse {
    pub(super) head: Box<Head>,
    body: IncomingBody,
    started: Instant,
    limit: ReadLimit,
    trailers: HeaderMap,
}

impl StreamingResponse {
    pub(crate) fn new(
        head: Box<Head>,
        body: IncomingBody,
        started: Instant,
        limit: ReadLimit,
    ) -> Self {
        Self {
            head,
            body,
            started,
            limit,
            trailers: HeaderMap::new(),
        }
    }

    head_accessors!();

    /// The number of bytes that the body will have, if the head said so.
    pub fn content_length(&self) -> Option<u64> {
        self.body.size_hint()
    }

    /// The trailer section, once the body has been read to its end; empty if there was none.
    pub fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }

    /// Reads the rest of the body into memory.
    pub async fn into_whole(mut self) -> Result<NormalizedResponse, BackendError> {
        let mut gather = Gather::expecting(self.content_length());
        while let Some(piece) = self.next().await {
            gather.push(piece?);
        }
        Ok(NormalizedResponse {
            elapsed: self.started.elapsed(),
            head: self.head,
            content: gather.finish(),
            trailers: self.trailers,
        })
    }
}

impl Stream for StreamingResponse {
    type Item = Result<Bytes, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let error = loop {
            // Even a body that is always ready ends when its time is up.
            if let Poll::Ready(error) = this.limit.poll_total(cx) {
                this.body = IncomingBody::empty();
                break error;
            }
            match this.body.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(Frame::Data(piece)))) if piece.is_empty() => {}
                Poll::Ready(Some(Ok(Frame::Data(piece)))) => {
                    this.limit.piece_arrived();
                    return Poll::Ready(Some(Ok(piece)));
                }
                Poll::Ready(Some(Ok(Frame::Trailers(fields)))) => this.trailers = fields,
                Poll::Ready(Some(Err(error))) => break error,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    let error = ready!(this.limit.poll_passed(cx));
                    // Letting the body go frees its connection now and ends the stream.
                    this.body = IncomingBody::empty();
                    break error;
                }
            }
        };
        let error = error
            .with_backend(this.head.backend.clone())
            .with_url(&this.head.url);
        Poll::Ready(Some(Err(error)))
    }
}

impl fmt::Debug for StreamingResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("StreamingResponse");
        self.head.debug_into(&mut debug);
        debug.field("body", &self.body).finish_non_exhaustive()
    }
}

/// How long the body may take.
pub(crate) struct ReadLimit {
    sleep: Option<Pin<Box<Sleep>>>,
    /// With a pause, the limit starts anew with each piece; without one, it stands.
    pause: Option<Duration>,
    armed: bool,
}

impl ReadLimit {
    /// The whole body must be there by then.
    pub(crate) fn until(deadline: Option<Instant>) -> Self {
        let sleep = deadline.map(|at| Box::pin(sleep_until(at)));
        Self {
            sleep,
            pause: None,
            armed: true,
        }
    }

    /// The next piece must be there in that time, each time that one is waited for.
    pub(crate) fn between_pieces(pause: Duration) -> Self {
        Self {
            sleep: Some(Box::pin(sleep(pause))),
            pause: Some(pause),
            armed: false,
        }
    }

    fn piece_arrived(&mut self) {
        // A consumer's own slowness does not count, so the clock starts when it next waits.
        self.armed = self.pause.is_none();
    }

    fn poll_total(&mut self, cx: &mut Context<'_>) -> Poll<BackendError> {
        match self.pause {
            None => self.poll_passed(cx),
            Some(_) => Poll::Pending,
        }
    }

    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<BackendError> {
        let Some(sleep) = &mut self.sleep else {
            return Poll::Pending;
        };
        if let (false, Some(pause)) = (self.armed, self.pause) {
            sleep.as_mut().reset(Instant::now() + pause);
            self.armed = true;
        }
        ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        let progress = Progress::new();
        progress.reach(Stage::ReadingBody);
        Poll::Ready(match self.pause {
            Some(pause) => progress.timed_out(&format!("{pause:?} without a byte")),
            None => progress.timed_out("the request's timeout"),
        })
    }
}
