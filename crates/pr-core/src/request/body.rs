//! A request's body: whether it can be sent a second time is part of what it is.

use std::{
    fmt,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::Stream;
use tokio::io::AsyncRead;

use super::{file, reader};
use crate::{BackendError, BoxError, ErrorKind, OutgoingBody};

/// A stream of body pieces, in order. An error ends the request with kind
/// [`Body`](ErrorKind::Body).
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// A request's body.
///
/// A body is *reopenable* if it can be produced again from its start. Redirects that keep the
/// method, and retries, send it again. Any other is *one-shot*: it is sent once and never replayed;
/// where it would have to be, the request fails with a typed error instead.
///
/// | Body | Reopenable | Length known |
/// |---|---|---|
/// | [empty](Self::empty), bytes, text | yes | yes |
/// | [a file](Self::file) | yes | when it is sent |
/// | [a factory](Self::factory) | yes | if it is stated |
/// | [a stream](Self::one_shot), [a reader](Self::reader) | no | if it is stated |
/// | [multipart](crate::Multipart) | if all of its parts are | when it is sent, if all of its parts' are |
///
/// `Debug` output shows sizes and no content.
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
    /// What can fail to open, and says its length only then.
    Lazy {
        open: Arc<Opener>,
        reopenable: bool,
        what: &'static str,
    },
}

type Opener = dyn Fn() -> Result<OutgoingBody, BackendError> + Send + Sync;

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

    /// A regular file, read from disk while it is sent, in pieces of 128 KiB of which one is held
    /// at a time.
    ///
    /// The file is opened, and its length read, each time that the body is sent and not before: one
    /// that is missing, not readable, or no regular file ends the request with kind
    /// [`Input`](ErrorKind::Input), and nothing is sent. What is sent is the file as long as it was
    /// then: what is appended meanwhile is left out. If it becomes shorter, or cannot be read any
    /// further, the request ends with kind [`Body`](ErrorKind::Body), and the peer can tell that
    /// what it got is not all.
    ///
    /// Reading is done on the threads that Tokio has for it; opening is done in place, because it
    /// is quick on a local disk.
    ///
    /// ```
    /// use pr_core::{Body, RequestConfig};
    ///
    /// let body = Body::file("/var/log/syslog");
    /// assert!(body.is_reopenable());
    /// let request = RequestConfig::put("https://logs.example/today").data(body);
    /// ```
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::lazy(true, "File", move || file::open(&path))
    }

    /// What a reader yields, up to its end; it can be sent once. For `length` see
    /// [`factory`](Self::factory). It is read in pieces of up to 64 KiB.
    ///
    /// ```
    /// use pr_core::Body;
    ///
    /// let body = Body::reader(&b"from anything that is read"[..], Some(26));
    /// assert_eq!(body.content_length(), Some(26));
    /// assert!(!body.is_reopenable());
    /// ```
    pub fn reader(reader: impl AsyncRead + Send + 'static, length: Option<u64>) -> Self {
        Self::one_shot(length, reader::pieces(reader))
    }

    /// A body that `open` makes when it is sent, or refuses before anything is.
    pub(super) fn lazy(
        reopenable: bool,
        what: &'static str,
        open: impl Fn() -> Result<OutgoingBody, BackendError> + Send + Sync + 'static,
    ) -> Self {
        Self(Repr::Lazy {
            open: Arc::new(open),
            reopenable,
            what,
        })
    }

    /// Whether the body can be sent again from its start.
    pub fn is_reopenable(&self) -> bool {
        match self.0 {
            Repr::Empty | Repr::Bytes(_) | Repr::Factory { .. } => true,
            Repr::OneShot { .. } => false,
            Repr::Lazy { reopenable, .. } => reopenable,
        }
    }

    /// Whether there is no body.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Repr::Empty)
    }

    /// The number of bytes, if it is known before the body is opened: `None` for a
    /// [file](Self::file), whose length is read, and announced to the peer, when it is sent.
    pub fn content_length(&self) -> Option<u64> {
        match &self.0 {
            Repr::Empty => Some(0),
            Repr::Bytes(bytes) => Some(bytes.len() as u64),
            Repr::Factory { length, .. } | Repr::OneShot { length, .. } => *length,
            Repr::Lazy { .. } => None,
        }
    }

    /// The bytes, if the body is held in memory; `None` for streams.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Empty => Some(&[]),
            Repr::Bytes(bytes) => Some(bytes),
            Repr::Factory { .. } | Repr::OneShot { .. } | Repr::Lazy { .. } => None,
        }
    }

    /// Opens the body for sending. A one-shot body opens once; then it is an error of kind
    /// [`Input`](ErrorKind::Input), and so is a file that cannot be opened.
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
            Repr::Lazy { open, .. } => open(),
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
            Repr::Lazy { what, .. } => f.write_str(what),
        }
    }
}
