//! One exchange: the request that a backend is given, and the response that it gives back.

use std::{
    fmt,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use tokio::time::Instant;

use crate::{
    BackendError, ByteStream, ConnectionKey, Progress,
    decode::DecodedBody,
    gather::Gather,
    response::{Collected, SizeLimit},
};

/// What a backend is asked to send: one validated request over one route.
///
/// See [`Backend`](crate::Backend) for what a backend does with each field. `Debug` output shows
/// neither query nor header values.
#[non_exhaustive]
pub struct ExchangeRequest {
    /// The method.
    pub method: Method,
    /// The absolute URI, without user information and fragment.
    pub uri: Uri,
    /// The header fields, without those that frame the message.
    pub headers: HeaderMap,
    /// The body.
    pub body: OutgoingBody,
    /// What a connection must match to carry this request.
    pub key: ConnectionKey,
    /// When the caller will stop waiting for the response's head; `None` if it will not. How long
    /// the body may take is the caller's to watch.
    pub deadline: Option<Instant>,
    /// Whether only a connection will do that has carried no request yet.
    pub fresh_connection: bool,
    /// Where the backend says how far it has come.
    pub progress: Progress,
}

impl ExchangeRequest {
    /// A request without headers, body and deadline.
    pub fn new(method: Method, uri: Uri, key: ConnectionKey) -> Self {
        Self {
            method,
            uri,
            headers: HeaderMap::new(),
            body: OutgoingBody::Empty,
            key,
            deadline: None,
            fresh_connection: false,
            progress: Progress::new(),
        }
    }
}

impl fmt::Debug for ExchangeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeRequest")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .field("headers", &crate::redact::names(&self.headers))
            .field("body", &self.body)
            .field("key", &self.key)
            .field("deadline", &self.deadline)
            .field("fresh_connection", &self.fresh_connection)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

/// A request's body, opened for sending.
pub enum OutgoingBody {
    /// None.
    Empty,
    /// All of it, in one piece.
    Full(Bytes),
    /// Pieces as they are produced. An error of the stream ends the exchange with kind
    /// [`Body`](crate::ErrorKind::Body), and the peer must not take what it got for the whole.
    Stream {
        /// The pieces.
        stream: ByteStream,
        /// The number of bytes that will come, if known.
        length: Option<u64>,
    },
}

impl OutgoingBody {
    /// The number of bytes, if known.
    pub fn content_length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Full(bytes) => Some(bytes.len() as u64),
            Self::Stream { length, .. } => *length,
        }
    }
}

impl fmt::Debug for OutgoingBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content may be a secret and is never shown.
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream { length, .. } => write!(f, "Stream({length:?} bytes)"),
        }
    }
}

/// What a backend gives back: the head of a response, and its body to be read.
///
/// ```
/// use http::{StatusCode, Version};
/// use pr_core::ExchangeResponse;
///
/// let mut response = ExchangeResponse::new(StatusCode::OK).with_body("hello");
/// response.version = Version::HTTP_2;
/// assert_eq!(response.body.size_hint(), Some(5));
/// ```
#[non_exhaustive]
pub struct ExchangeResponse {
    /// The status.
    pub status: StatusCode,
    /// The version that the response came in.
    pub version: Version,
    /// The header fields, every value of every name, in the order in which they came.
    pub headers: HeaderMap,
    /// The body, without transfer coding, with content coding.
    pub body: IncomingBody,
    /// The connection that carried the exchange.
    pub connection: ConnectionInfo,
}

impl ExchangeResponse {
    /// An HTTP/1.1 response without headers and body, over no connection in particular.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            body: IncomingBody::empty(),
            connection: ConnectionInfo::default(),
        }
    }

    /// The same with a body in one piece.
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = IncomingBody::full(body.into());
        self
    }
}

impl fmt::Debug for ExchangeResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeResponse")
            .field("status", &self.status)
            .field("version", &self.version)
            .field("headers", &crate::redact::names(&self.headers))
            .field("body", &self.body)
            .field("connection", &self.connection)
            .finish()
    }
}

/// Which connection carried an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// A number that no other connection of the backend has; 0 if there was no connection.
    pub id: u64,
    /// Whether the connection had carried an exchange before.
    pub reused: bool,
    /// The peer's address: the proxy's, if there is one.
    pub remote_addr: Option<SocketAddr>,
}

impl ConnectionInfo {
    /// The connection with this number.
    pub fn new(id: u64, reused: bool, remote_addr: Option<SocketAddr>) -> Self {
        Self {
            id,
            reused,
            remote_addr,
        }
    }
}

/// A piece of a response's body.
#[derive(Debug)]
#[non_exhaustive]
pub enum Frame {
    /// Content.
    Data(Bytes),
    /// The trailer section, at most one and last (RFC 9110, section 6.5).
    Trailers(HeaderMap),
}

/// A response's body, to be read: a stream of [`Frame`]s.
///
/// After an error the stream ends. Dropping it frees the connection or stream that feeds it.
///
/// ```
/// use bytes::Bytes;
/// use futures::{StreamExt, stream};
/// use pr_core::{Frame, IncomingBody};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let pieces = stream::iter(["a", "b"]).map(|piece| Ok(Frame::Data(Bytes::from(piece))));
/// let mut body = IncomingBody::streaming(pieces, None);
/// assert_eq!(body.by_ref().count().await, 2);
/// # });
/// ```
pub struct IncomingBody {
    repr: Repr,
    size_hint: Option<u64>,
}

enum Repr {
    Empty,
    Full(Bytes),
    Stream(Pin<Box<dyn Stream<Item = Result<Frame, BackendError>> + Send>>),
    Decoded(Box<DecodedBody>),
    /// Fails when it is read.
    Failed(BackendError),
}

impl IncomingBody {
    /// No content.
    pub fn empty() -> Self {
        Self {
            repr: Repr::Empty,
            size_hint: Some(0),
        }
    }

    /// Content that is already here.
    pub fn full(content: Bytes) -> Self {
        Self {
            size_hint: Some(content.len() as u64),
            repr: Repr::Full(content),
        }
    }

    /// Content that arrives, `size_hint` bytes of it if the head says so.
    pub fn streaming(
        frames: impl Stream<Item = Result<Frame, BackendError>> + Send + 'static,
        size_hint: Option<u64>,
    ) -> Self {
        Self {
            repr: Repr::Stream(Box::pin(frames)),
            size_hint,
        }
    }

    /// Content that is decoded while it is read. How much that will be, nobody knows.
    pub(crate) fn decoded(body: DecodedBody) -> Self {
        Self {
            repr: Repr::Decoded(Box::new(body)),
            size_hint: None,
        }
    }

    /// The number of bytes that will come, if the response's head said so.
    pub fn size_hint(&self) -> Option<u64> {
        self.size_hint
    }

    /// Whether it is certain that nothing will come.
    pub(crate) fn is_known_to_be_empty(&self) -> bool {
        match &self.repr {
            Repr::Empty => true,
            Repr::Full(content) => content.is_empty(),
            Repr::Stream(_) | Repr::Decoded(_) | Repr::Failed(_) => false,
        }
    }

    /// How many bytes have been received so far, if that is not how many have been read.
    pub(crate) fn received(&self) -> Option<u64> {
        match &self.repr {
            Repr::Decoded(body) => Some(body.received()),
            _ => None,
        }
    }

    /// Lets go of what feeds it; nothing more will come.
    pub(crate) fn close(&mut self) {
        self.repr = Repr::Empty;
    }

    /// Lets go of what feeds it; all that will come is this error.
    pub(crate) fn fail(&mut self, error: BackendError) {
        self.repr = Repr::Failed(error);
    }

    /// All of it, if it is here already.
    pub(crate) fn into_whole(self) -> Result<Bytes, Self> {
        match self.repr {
            Repr::Empty => Ok(Bytes::new()),
            Repr::Full(content) => Ok(content),
            Repr::Stream(_) | Repr::Decoded(_) | Repr::Failed(_) => Err(self),
        }
    }

    /// Reads everything, unless it is more than the limit. A body of one piece is not copied.
    pub(crate) async fn collect(mut self, limit: SizeLimit) -> Result<Collected, BackendError> {
        let mut gather = Gather::new(self.size_hint, limit)?;
        let mut trailers = HeaderMap::new();
        while let Some(frame) = self.next().await {
            match frame? {
                Frame::Data(piece) => gather.push(piece)?,
                Frame::Trailers(fields) => trailers = fields,
            }
        }
        let content = gather.finish();
        let decoded = content.len() as u64;
        Ok(Collected {
            received: self.received().unwrap_or(decoded),
            decoded,
            content,
            trailers,
        })
    }

    /// Reads everything, unless it is more than the limit, and keeps none of it.
    pub(crate) async fn discard(mut self, limit: SizeLimit) -> Result<Collected, BackendError> {
        limit.check(self.size_hint.unwrap_or(0))?;
        let mut decoded = 0_u64;
        let mut trailers = HeaderMap::new();
        while let Some(frame) = self.next().await {
            match frame? {
                Frame::Data(piece) => {
                    decoded = decoded.saturating_add(piece.len() as u64);
                    limit.check(decoded)?;
                }
                Frame::Trailers(fields) => trailers = fields,
            }
        }
        Ok(Collected {
            received: self.received().unwrap_or(decoded),
            decoded,
            content: Bytes::new(),
            trailers,
        })
    }
}

impl Stream for IncomingBody {
    type Item = Result<Frame, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.repr {
            Repr::Empty => Poll::Ready(None),
            Repr::Full(bytes) => {
                let content = std::mem::take(bytes);
                self.repr = Repr::Empty;
                if content.is_empty() {
                    Poll::Ready(None)
                } else {
                    Poll::Ready(Some(Ok(Frame::Data(content))))
                }
            }
            Repr::Stream(frames) => {
                let polled = frames.as_mut().poll_next(cx);
                // The source is let go as soon as it has nothing more to give.
                if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
                    self.repr = Repr::Empty;
                }
                polled
            }
            Repr::Decoded(body) => body.poll_next_unpin(cx),
            Repr::Failed(_) => match std::mem::replace(&mut self.repr, Repr::Empty) {
                Repr::Failed(error) => Poll::Ready(Some(Err(error))),
                _ => Poll::Ready(None),
            },
        }
    }
}

impl fmt::Debug for IncomingBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.repr {
            Repr::Empty => "empty",
            Repr::Full(_) => "full",
            Repr::Stream(_) => "streaming",
            Repr::Decoded(_) => "decoding",
            Repr::Failed(_) => "failed",
        };
        f.debug_struct("IncomingBody")
            .field("state", &state)
            .field("size_hint", &self.size_hint)
            .finish()
    }
}
