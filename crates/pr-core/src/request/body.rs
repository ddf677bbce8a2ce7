//! A request's body: whether it can be sent a second time is part of what it is.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::Stream;

use crate::{BackendError, BoxError, ErrorKind, OutgoingBody};

/// A stream of body pieces, in order. An error ends the request with kind
/// [`Body`](ErrorKind::Body).
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// A request's body.
///
/// A body is *reopenable* if it can be produced again from its start: bytes, or a
/// [factory](Self::factory). Redirects that keep the method, and retries, send it again. A
/// [one-shot](Self::one_shot) body is sent once and never replayed: where it would have to be, the
/// request fails with a typed error instead.
///
/// ```
/// use bytes::Bytes;
/// use futures::stream;
/// use pr_core::Body;
///
/// let text: Body = "hello".into();
/// assert!(text.is_reopenable());
///
/// let generated = Body::factory(Some(2_000), || {
///     Box::pin(stream::iter((0..1_000).map(|_| Ok(Bytes::from_static(b"ab")))))
/// });
/// assert!(generated.is_reopenable());
/// assert_eq!(generated.content_length(), Some(2_000));
///
/// let once = Body::one_shot(None, stream::iter([Ok(Bytes::from_static(b"x"))]));
/// assert!(!once.is_reopenable());
/// ```
#[derive(Clone)]
pub struct Body(Repr);

#[derive(Clone)]
enum Repr {
    Empty,
    Bytes(Bytes),
    Factory {
        open: Arc<dyn Fn() -> ByteStream + Send + Sync>,
        length: Option<u64>,
    },
    OneShot {
        stream: Arc<Mutex<Option<ByteStream>>>,
        length: Option<u64>,
    },
}

impl Body {
    /// No body. Not the same as a body of no bytes only for methods that expect one: POST, PUT
    /// and PATCH say `content-length: 0` (RFC 9110, section 8.6).
    pub const fn empty() -> Self {
        Self(Repr::Empty)
    }

    /// A body that is produced anew, by calling `open`, each time it is sent.
    ///
    /// `length` is the number of bytes, if known; a stream that yields another number ends the
    /// request with kind [`Body`](ErrorKind::Body). Without it the body is sent chunked, or over
    /// HTTP/2 as it comes.
    pub fn factory(
        length: Option<u64>,
        open: impl Fn() -> ByteStream + Send + Sync + 'static,
    ) -> Self {
        Self(Repr::Factory {
            open: Arc::new(open),
            length,
        })
    }

    /// A body that can be sent once. For `length` see [`factory`](Self::factory).
    pub fn one_shot(
        length: Option<u64>,
        stream: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static,
    ) -> Self {
        Self(Repr::OneShot {
            stream: Arc::new(Mutex::new(Some(Box::pin(stream)))),
            length,
        })
    }

    /// Whether the body can be sent again from its start.
    pub fn is_reopenable(&self) -> bool {
        !matches!(self.0, Repr::OneShot { .. })
    }

    /// Whether there is no body.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Repr::Empty)
    }

    /// The number of bytes, if known.
    pub fn content_length(&self) -> Option<u64> {
        match &self.0 {
            Repr::Empty => Some(0),
            Repr::Bytes(bytes) => Some(bytes.len() as u64),
            Repr::Factory { length, .. } | Repr::OneShot { length, .. } => *length,
        }
    }

    /// The bytes, if the body is held in memory; `None` for streams.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Empty => Some(&[]),
            Repr::Bytes(bytes) => Some(bytes),
            Repr::Factory { .. } | Repr::OneShot { .. } => None,
        }
    }

    /// Opens the body for sending. A one-shot body opens once; then it is an error of kind
    /// [`Input`](ErrorKind::Input).
    pub(crate) fn open(&self) -> Result<OutgoingBody, BackendError> {
        match &self.0 {
            Repr::Empty => Ok(OutgoingBody::Empty),
            Repr::Bytes(bytes) => Ok(OutgoingBody::Full(bytes.clone())),
            Repr::Factory { open, length } => Ok(OutgoingBody::Stream {
                stream: open(),
                length: *length,
            }),
            Repr::OneShot { stream, length } => {
                let taken = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
                let stream = taken.ok_or_else(|| {
                    BackendError::new(
                        ErrorKind::Input,
                        "the one-shot body has been sent already; use Body::factory for a body \
                         that can be sent again",
                    )
                })?;
                Ok(OutgoingBody::Stream {
                    stream,
                    length: *length,
                })
            }
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Repr::Bytes(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content may be a secret and is never shown.
        match &self.0 {
            Repr::Empty => f.write_str("Empty"),
            Repr::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Repr::Factory { length, .. } => write!(f, "Factory({length:?} bytes)"),
            Repr::OneShot { length, .. } => write!(f, "OneShot({length:?} bytes)"),
        }
    }
}
