//! Responses, the same whatever backend they came over.

mod file;
mod read_limit;
mod reader;
mod size;
mod streaming;
mod text;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use url::Url;

pub(crate) use self::{
    read_limit::ReadLimit,
    size::{Collected, SizeLimit, SizeLimits},
};
pub use self::{reader::BodyReader, size::MAX_BODY_SIZE, streaming::StreamingResponse};
use crate::{Attempt, BackendError, ConnectionInfo, Delivery, DialTimings, ErrorKind};

/// A whole response, the same in form whatever backend it came over.
///
/// The body is held without its content coding, [`headers`](Self::headers) as the peer sent them. So
/// `content-encoding` and `content-length` speak of what was received.
///
/// ```
/// use pr_core::{BackendError, NormalizedResponse};
///
/// fn names(response: NormalizedResponse) -> Result<Vec<String>, BackendError> {
///     println!("{} over {:?}", response.url(), response.version());
///     response.error_for_status()?.json()
/// }
/// ```
#[derive(Clone)]
pub struct NormalizedResponse {
    // Boxed, because a response is passed on many times before it reaches its reader.
    pub(crate) head: Box<Head>,
    pub(crate) content: Bytes,
    /// The body's size before it was decoded.
    pub(crate) received: u64,
    pub(crate) trailers: HeaderMap,
    pub(crate) elapsed: Duration,
}

/// What is known when a response's head has arrived.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) url: Arc<Url>,
    pub(crate) history: Vec<Hop>,
    pub(crate) connection: ConnectionInfo,
    pub(crate) backend: Cow<'static, str>,
    pub(crate) attempts: u32,
    pub(crate) waited: Waited,
    pub(crate) earlier_attempts: Box<[Attempt]>,
    /// How many decoded bytes a body had that is not to be kept; `None` for one that is.
    pub(crate) discarded: Option<u64>,
}

/// How long the head was waited for, and for what before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waited {
    /// Until earlier exchanges were over.
    pub(crate) before: Duration,
    /// From then until sending began, without dialing.
    pub(crate) queued: Duration,
    pub(crate) dial: Option<Box<DialTimings>>,
    /// Until the head was there, all of it together.
    pub(crate) head: Duration,
}

/// One redirect that was followed. Its `Debug` output shows no query.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hop {
    /// The URL that answered with a redirect.
    pub url: Url,
    /// The status that it answered with.
    pub status_code: StatusCode,
}

impl fmt::Debug for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} -> {}",
            crate::redact::url(&self.url),
            self.status_code
        )
    }
}

/// How long a request took, from its dispatch. [`before`](Self::before), [`queued`](Self::queued), the
/// [total](DialTimings::total) of [`dial`](Self::dial) and [`first_byte`](Self::first_byte) together are
/// [`head`](Self::head).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Earlier exchanges: redirects, and what had to be sent again because a connection failed.
    pub before: Duration,
    /// Waiting for a connection, a stream or a thread; also for a connection that was being opened
    /// for another request.
    pub queued: Duration,
    /// Opening the connection, if one was opened for this request.
    pub dial: Option<DialTimings>,
    /// From when the request began to be sent to the head of its response.
    pub first_byte: Duration,
    /// Until the head of the final response was there.
    pub head: Duration,
    /// Until the last byte of its body was there.
    pub total: Duration,
}

/// The accessors that whole and streaming responses share.
macro_rules! head_accessors {
    () => {
        /// The status.
        pub fn status_code(&self) -> StatusCode {
            self.head.status
        }

        /// The version of HTTP that the response came in.
        pub fn version(&self) -> Version {
            self.head.version
        }

        /// The header fields as the peer sent them: names in lower case, every value of every name.
        /// `content-encoding` and `content-length` stay when the body is decoded, and speak of the
        /// body as it was received.
        pub fn headers(&self) -> &HeaderMap {
            &self.head.headers
        }

        /// The URL that answered, after redirects.
        pub fn url(&self) -> &Url {
            &self.head.url
        }

        /// The redirects that were followed, in order.
        pub fn history(&self) -> &[Hop] {
            &self.head.history
        }

        /// The connection that carried the last exchange.
        pub fn connection(&self) -> ConnectionInfo {
            self.head.connection
        }

        /// The name of the backend.
        pub fn backend(&self) -> &str {
            &self.head.backend
        }

        /// 1, and one more for each exchange that was sent again at once because its connection
        /// failed it. Redirects do not count, nor do the attempts of a retry policy: those before
        /// this one are the [`earlier_attempts`](Self::earlier_attempts).
        pub fn attempts(&self) -> u32 {
            self.head.attempts
        }

        /// The attempts that a retry policy made before the one that gave this response, in order;
        /// empty if there was none.
        pub fn earlier_attempts(&self) -> &[Attempt] {
            &self.head.earlier_attempts
        }

        /// Keeps the attempts that came before the one that gave this response, in order, in place
        /// of any that it has.
        pub fn with_earlier_attempts(mut self, attempts: Vec<Attempt>) -> Self {
            self.head.earlier_attempts = attempts.into();
            self
        }

        /// Whether the body is not kept, because the request says so by
        /// [`discard_body`](crate::RequestConfig::discard_body).
        pub fn is_body_discarded(&self) -> bool {
            self.head.discarded.is_some()
        }

        /// This response, or an error of kind [`Status`](crate::ErrorKind::Status) if it is a 4xx
        /// or 5xx; the error keeps the [status](crate::BackendError::status_code) and the
        /// [earlier attempts](crate::BackendError::earlier_attempts), not the body.
        pub fn error_for_status(self) -> Result<Self, BackendError> {
            self.head.error_for_status()?;
            Ok(self)
        }
    };
}
use head_accessors;

impl NormalizedResponse {
    head_accessors!();

    /// The body's bytes, without content codings (RFC 9110, section 8.4), if those are compiled in:
    /// `gzip`, `deflate`, `br` and `zstd`.
    ///
    /// With any other coding, or in a partial response (status 206), the body is as it was sent.
    ///
    /// Empty if it was [discarded](crate::RequestConfig::discard_body).
    pub fn content(&self) -> &Bytes {
        &self.content
    }

    /// The body's bytes, taken out.
    pub fn into_content(self) -> Bytes {
        self.content
    }

    /// The size of the body in bytes as it was received: with its content coding, without what
    /// HTTP itself adds, such as chunks. The same as [`body_bytes_decoded`](Self::body_bytes_decoded)
    /// if there was nothing to decode.
    pub fn body_bytes_received(&self) -> u64 {
        self.received
    }

    /// The size of the body in bytes without its content coding: that of
    /// [`content`](Self::content), unless the body was
    /// [discarded](crate::RequestConfig::discard_body).
    pub fn body_bytes_decoded(&self) -> u64 {
        self.head.discarded.unwrap_or(self.content.len() as u64)
    }

    /// The body as text: by its byte order mark, else by the `charset` of the `content-type`, else
    /// as UTF-8. What cannot be decoded becomes U+FFFD. UTF-8 is not copied. Empty if it was
    /// [discarded](crate::RequestConfig::discard_body).
    pub fn text(&self) -> Cow<'_, str> {
        text::decode(&self.head.headers, &self.content)
    }

    /// The body read as JSON (RFC 8259), whatever its `content-type` says.
    ///
    /// What does not fit is an error of kind [`Decode`](ErrorKind::Decode), and so is a body that was
    /// [discarded](crate::RequestConfig::discard_body).
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, BackendError> {
        if self.is_body_discarded() {
            let message = "the body was not kept, because the request says discard_body";
            return Err(self.head.error(ErrorKind::Decode, message));
        }
        serde_json::from_slice(&self.content).map_err(|error| {
            // The parser's own words would quote the body, which may be secret.
            let what = match error.classify() {
                Category::Syntax => "is not JSON",
                Category::Eof => "is JSON that ends too early",
                Category::Data | Category::Io => "is JSON, but not of the form that was asked for",
            };
            let (line, column) = (error.line(), error.column());
            let message = format!("the body {what}, at line {line}, column {column}");
            self.head.error(ErrorKind::Decode, message)
        })
    }

    /// Whether the `content-type` is `application/json` or ends in `+json` (RFC 6839).
    pub fn is_json(&self) -> bool {
        text::is_json(&self.head.headers)
    }

    /// The trailer section; empty if there was none.
    pub fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }

    /// How long it took.
    pub fn timings(&self) -> Timings {
        let Waited {
            before,
            queued,
            dial,
            head,
        } = &self.head.waited;
        let dial = dial.as_deref().copied();
        let dialing = dial.map_or(Duration::ZERO, |dial| dial.total());
        Timings {
            before: *before,
            queued: *queued,
            dial,
            first_byte: head.saturating_sub(before.saturating_add(*queued).saturating_add(dialing)),
            head: *head,
            total: self.elapsed,
        }
    }
}

impl Head {
    pub(crate) fn error(
        &self,
        kind: ErrorKind,
        message: impl Into<Cow<'static, str>>,
    ) -> BackendError {
        self.named(BackendError::new(kind, message))
    }

    /// The error with what is known of the response: whence it came, and that the peer has acted.
    fn named(&self, error: BackendError) -> BackendError {
        error
            .with_backend(self.backend.clone())
            .with_url(&self.url)
            .with_delivery(Delivery::Unknown)
            .with_earlier_attempts(self.earlier_attempts.to_vec())
            .on_any_connection(self.connection)
    }

    fn error_for_status(&self) -> Result<(), BackendError> {
        if self.status.is_client_error() || self.status.is_server_error() {
            let error = self.error(ErrorKind::Status, format!("the status is {}", self.status));
            return Err(error.with_status_code(self.status));
        }
        Ok(())
    }

    fn debug_into(&self, debug: &mut fmt::DebugStruct<'_, '_>) {
        // Header values may be secrets, such as a session's cookie; names are not.
        debug
            .field("status_code", &self.status)
            .field("version", &self.version)
            .field("url", &format_args!("{}", crate::redact::url(&self.url)))
            .field("headers", &crate::redact::names(&self.headers))
            .field("hops", &self.history.len())
            .field("connection", &self.connection)
            .field("backend", &self.backend)
            .field("attempts", &self.attempts);
    }
}

impl fmt::Debug for NormalizedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("NormalizedResponse");
        self.head.debug_into(&mut debug);
        debug
            .field("bytes", &self.content.len())
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}
