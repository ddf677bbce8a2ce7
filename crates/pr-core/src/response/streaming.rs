//! A response whose body is still to be read.

use std::{
    fmt,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderMap, StatusCode, Version};
use tokio::time::Instant;
use url::Url;

use super::{
    BodyReader, Head, Hop, NormalizedResponse, ReadLimit, SizeLimits, file, head_accessors,
};
use crate::{Attempt, BackendError, ConnectionInfo, Frame, IncomingBody, gather::Gather};

/// A response whose head is there and whose body is yours to read: a `Stream` of [`Bytes`].
///
/// Nothing is read from the connection while you do not, so a body of any size takes bounded
/// memory. If the request's [`timeout`](crate::RequestConfig::timeout) was set, it holds for the
/// body too; if not, or if there is [none](crate::RequestConfig::no_timeout), a pause while you wait
/// for a piece ends the body with a timeout: 30 s, or the
/// [`read_timeout`](crate::RequestConfig::read_timeout), which holds in any case if it is set. After an
/// error the stream ends. Dropping the response frees its stream or connection.
///
/// The pieces come without content codings (RFC 9110, section 8.4), if those are compiled in: `gzip`,
/// `deflate`, `br` and `zstd`. Decoding happens as pieces are asked for, at most 64 KiB at a time, so
/// that a small body which decodes to a huge one takes no memory either. Data that is corrupt or ends
/// too early is an error of kind [`Decode`](crate::ErrorKind::Decode); if more than 1 MiB of it decodes
/// to next to nothing, that is one of kind [`Limit`](crate::ErrorKind::Limit). Up to 64 KiB after the
/// end of the data are read and ignored; if more comes, the body ends there, and its stream or
/// connection is let go. With any other coding, or in a partial response (status 206), the body is as
/// it was sent.
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
    sizes: SizeLimits,
    /// How many bytes of the body have been received, and how many read.
    received: u64,
    read: u64,
    trailers: HeaderMap,
}

impl StreamingResponse {
    pub(crate) fn new(
        head: Box<Head>,
        mut body: IncomingBody,
        started: Instant,
        limit: ReadLimit,
        sizes: SizeLimits,
    ) -> Self {
        if let Err(error) = sizes.streamed.check(body.size_hint().unwrap_or(0)) {
            body.fail(error);
        }
        Self {
            head,
            body,
            started,
            limit,
            sizes,
            received: 0,
            read: 0,
            trailers: HeaderMap::new(),
        }
    }

    head_accessors!();

    /// The number of bytes that the body will have, if the head said so; `None` if the body is
    /// decoded, because the head speaks of it as it is sent.
    pub fn content_length(&self) -> Option<u64> {
        self.body.size_hint()
    }

    /// How many bytes of the body have been received so far: with its content coding, without what
    /// HTTP itself adds, such as chunks. What follows the end of the coded data is counted when the
    /// body has ended.
    pub fn body_bytes_received(&self) -> u64 {
        self.received
    }

    /// How many bytes of the body have been read so far, without its content coding.
    pub fn body_bytes_decoded(&self) -> u64 {
        self.read
    }

    /// The trailer section, once the body has been read to its end; empty if there was none.
    pub fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }

    /// Reads the rest of the body into memory, if it is not larger than the request's
    /// [`max_body_size`](crate::RequestConfig::max_body_size), by default
    /// [`MAX_BODY_SIZE`](crate::MAX_BODY_SIZE); if it is, that is an error of kind
    /// [`Limit`](crate::ErrorKind::Limit).
    ///
    /// If the request says [`discard_body`](crate::RequestConfig::discard_body), the rest is read and
    /// checked all the same, but not kept.
    pub async fn into_whole(mut self) -> Result<NormalizedResponse, BackendError> {
        if self.is_body_discarded() {
            return self.into_discarded().await;
        }
        let left = self
            .content_length()
            .map(|length| length.saturating_sub(self.read));
        let mut gather =
            Gather::new(left, self.sizes.buffered).map_err(|error| self.head.named(error))?;
        while let Some(piece) = self.next().await {
            gather
                .push(piece?)
                .map_err(|error| self.head.named(error))?;
        }
        Ok(NormalizedResponse {
            elapsed: self.started.elapsed(),
            head: self.head,
            content: gather.finish(),
            received: self.received,
            trailers: self.trailers,
        })
    }

    async fn into_discarded(mut self) -> Result<NormalizedResponse, BackendError> {
        while let Some(piece) = self.next().await {
            piece?;
        }
        self.head.discarded = Some(self.read);
        Ok(NormalizedResponse {
            elapsed: self.started.elapsed(),
            head: self.head,
            content: Bytes::new(),
            received: self.received,
            trailers: self.trailers,
        })
    }

    /// The rest of the body as [`AsyncRead`](tokio::io::AsyncRead) and
    /// [`AsyncBufRead`](tokio::io::AsyncBufRead).
    pub fn into_reader(self) -> BodyReader {
        BodyReader::new(self)
    }

    /// Writes the rest of the body to a file, and returns how many bytes that were.
    ///
    /// They go to a temporary file in the same directory, which takes the target's place when it is
    /// complete. So whoever opens the target finds the old content or the new one, and after an error,
    /// or if this future is dropped, the target is as it was and the temporary file is removed. A
    /// symbolic link is replaced, not followed. The file has the permissions of the one that it
    /// replaces, or those of any new file. It is not forced to the disk: a machine that loses its power
    /// may lose it.
    ///
    /// The status does not matter: see [`error_for_status`](Self::error_for_status). Writing happens on
    /// Tokio's blocking threads. If the file cannot be written, that is an error of kind
    /// [`Other`](crate::ErrorKind::Other) with the [`io::Error`](std::io::Error) as its source.
    ///
    /// ```
    /// use pr_core::{Backend, BackendError, BackendExt};
    ///
    /// async fn download(backend: &dyn Backend) -> Result<u64, BackendError> {
    ///     let response = backend.stream("https://example.org/big.iso").await?;
    ///     response.error_for_status()?.copy_to_file("big.iso").await
    /// }
    /// ```
    pub async fn copy_to_file(&mut self, path: impl AsRef<Path>) -> Result<u64, BackendError> {
        let path = path.as_ref().to_owned();
        let outcome = file::save(self, path).await;
        outcome.map_err(|error| self.head.named(error))
    }
}

impl Stream for StreamingResponse {
    type Item = Result<Bytes, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let error = loop {
            // Even a body that is always ready ends when its time is up.
            if let Poll::Ready(error) = this.limit.poll_total(cx) {
                this.body.close();
                break error;
            }
            let polled = this.body.poll_next_unpin(cx);
            if let Some(received) = this.body.received() {
                if received > this.received {
                    // It is alive, even if nothing could be decoded from it yet. What follows the end
                    // of coded data is not counted while it comes.
                    this.limit.piece_arrived();
                }
                this.received = received;
            }
            match polled {
                Poll::Ready(Some(Ok(Frame::Data(piece)))) if piece.is_empty() => {}
                Poll::Ready(Some(Ok(Frame::Data(piece)))) => {
                    this.limit.piece_arrived();
                    this.read += piece.len() as u64;
                    if this.body.received().is_none() {
                        this.received = this.read;
                    }
                    if let Err(error) = this.sizes.streamed.check(this.read) {
                        this.body.close();
                        break error;
                    }
                    return Poll::Ready(Some(Ok(piece)));
                }
                Poll::Ready(Some(Ok(Frame::Trailers(fields)))) => this.trailers = fields,
                Poll::Ready(Some(Err(error))) => break error,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    let error = ready!(this.limit.poll_passed(cx));
                    // Letting the body go frees its connection now and ends the stream.
                    this.body.close();
                    break error;
                }
            }
        };
        Poll::Ready(Some(Err(this.head.named(error))))
    }
}

impl fmt::Debug for StreamingResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("StreamingResponse");
        self.head.debug_into(&mut debug);
        debug.field("body", &self.body).finish_non_exhaustive()
    }
}
