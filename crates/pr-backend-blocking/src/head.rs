//! Which response heads are refused although ureq would take them, and how large they may be.

use http::{HeaderMap, StatusCode, Version, header};
use pr_core::{BackendError, ErrorKind, TransportConfig};

use crate::{error, informational::MOST_FIELDS};

/// How much a peer may say before the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The length of a head, in bytes.
    pub(crate) head: usize,
    /// The number of header fields.
    pub(crate) fields: usize,
    /// The number of informational responses.
    pub(crate) informational: usize,
}

impl Limits {
    pub(crate) fn new(config: &TransportConfig) -> Self {
        Self {
            head: config.max_head_size,
            // ureq takes no more.
            fields: config.max_header_fields.min(MOST_FIELDS),
            informational: config.max_informational,
        }
    }
}

/// Whether a peer that answers so has no use for what it has not read of the request: it answers
/// with an error, or closes the connection (RFC 9110, section 7.5; RFC 9112, section 9.3).
pub(crate) fn is_enough(status: StatusCode, headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONNECTION).iter();
    let mut options = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    status.as_u16() >= 400
        || options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// Refuses a head with too many fields, with kind [`Limit`](ErrorKind::Limit), and one whose meaning
/// is in doubt, with kind [`Protocol`](ErrorKind::Protocol).
pub(crate) fn check(
    status: StatusCode,
    version: Version,
    headers: &HeaderMap,
    limits: Limits,
) -> Result<(), BackendError> {
    if headers.len() > limits.fields {
        return Err(error::too_many_fields(limits.fields));
    }
    let refuse = |why| Err(BackendError::new(ErrorKind::Protocol, why));
    if status == StatusCode::SWITCHING_PROTOCOLS {
        // RFC 9110, section 15.2.2.
        return refuse("the peer switches to another protocol without having been asked to");
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    if headers.contains_key(header::CONTENT_LENGTH) {
        // RFC 9112, section 6.3: an attempt to smuggle a response, or as good as one.
        return refuse("the response has both a transfer-encoding and a content-length");
    }
    if version == Version::HTTP_10 {
        // RFC 9112, section 6.1.
        return refuse("the response has a transfer-encoding although it is HTTP/1.0");
    }
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        // None was accepted in the request (RFC 9112, section 7.4).
        return refuse("the response has a transfer-encoding other than chunked");
    }
    Ok(())
}
