//! How large a body may become, and what reading one came to.

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::{BackendError, ErrorKind};

/// The size of the largest body, decoded, that is read into memory unless the request's
/// [`max_body_size`](crate::RequestConfig::max_body_size) says otherwise: 64 MiB, in bytes.
pub const MAX_BODY_SIZE: u64 = 64 << 20;

/// How many decoded bytes a body may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SizeLimit(u64);

/// A whole body.
pub(crate) struct Collected {
    pub(crate) content: Bytes,
    pub(crate) trailers: HeaderMap,
    /// Its size as it was received, with its content coding.
    pub(crate) received: u64,
    /// Its size without, even if it was not kept.
    pub(crate) decoded: u64,
}

impl SizeLimit {
    pub(crate) const NONE: Self = Self(u64::MAX);

    pub(crate) const fn of(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Fails with kind [`Limit`](ErrorKind::Limit) if that many bytes are too many.
    pub(crate) fn check(self, bytes: u64) -> Result<(), BackendError> {
        if bytes <= self.0 {
            return Ok(());
        }
        let most = self.0;
        let why = format!("the body is larger than max_body_size, which is {most} bytes");
        Err(BackendError::new(ErrorKind::Limit, why))
    }

    /// No more than the limit.
    pub(crate) fn clamp(self, bytes: usize) -> usize {
        usize::try_from(self.0).map_or(bytes, |most| bytes.min(most))
    }
}

/// The limits of one response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeLimits {
    /// For a body that its caller reads piece by piece: none unless the request says so.
    pub(crate) streamed: SizeLimit,
    /// For a body that is read into memory.
    pub(crate) buffered: SizeLimit,
}

impl SizeLimits {
    /// For the response to a request with this method that says this. What is not kept takes no
    /// memory, and has no limit by default.
    pub(crate) fn new(method: &Method, max_body_size: Option<u64>, discards: bool) -> Self {
        // The length that answers HEAD is that of a body which does not come.
        if method == Method::HEAD {
            return Self {
                streamed: SizeLimit::NONE,
                buffered: SizeLimit::NONE,
            };
        }
        let streamed = max_body_size.map_or(SizeLimit::NONE, SizeLimit::of);
        Self {
            streamed,
            buffered: match max_body_size {
                None if !discards => SizeLimit::of(MAX_BODY_SIZE),
                _ => streamed,
            },
        }
    }
}
