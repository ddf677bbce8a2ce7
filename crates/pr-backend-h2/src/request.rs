//! A request's head as HTTP/2 wants it (RFC 9113, section 8.3).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header, uri::Authority};
use pr_core::{BackendError, ByteStream, ErrorKind, ExchangeRequest, OutgoingBody, Progress};

/// What follows the head, and whether it waits for the peer's leave.
pub(crate) struct Body {
    pub(crate) content: Content,
    pub(crate) waits_for_leave: bool,
}

/// What follows the head.
pub(crate) enum Content {
    /// Nothing.
    None,
    /// These bytes.
    Whole(Bytes),
    /// What the stream yields, so many bytes of it if the number is known.
    Pieces(ByteStream, Option<u64>),
}

/// Takes an exchange apart into what is sent and where its progress is noted.
///
/// A `host` header takes the place of the URI's authority and travels as `:authority` only
/// (RFC 9113, section 8.3.1). Fields that belong to HTTP/1.1 connections are not looked for here:
/// `h2` refuses them before anything is sent.
pub(crate) fn split(
    request: ExchangeRequest,
) -> Result<(Request<()>, Body, Progress), BackendError> {
    let ExchangeRequest {
        method,
        uri,
        mut headers,
        body,
        progress,
        ..
    } = request;
    let uri = match headers.remove(header::HOST) {
        Some(host) => with_authority(uri, &host)?,
        None => uri,
    };
    let content = frame(&mut headers, &method, body);
    let waits_for_leave = !matches!(content, Content::None) && expects_leave(&headers);
    let body = Body {
        content,
        waits_for_leave,
    };
    let mut head = Request::new(());
    *head.method_mut() = method;
    *head.uri_mut() = uri;
    *head.headers_mut() = headers;
    Ok((head, body, progress))
}

/// Whether the peer is asked before the body is sent (RFC 9110, section 10.1.1).
fn expects_leave(headers: &HeaderMap) -> bool {
    headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn with_authority(uri: Uri, host: &HeaderValue) -> Result<Uri, BackendError> {
    let refuse = |error: http::Error| {
        BackendError::new(ErrorKind::Input, "the header host must be one host").with_source(error)
    };
    let mut parts = uri.into_parts();
    let authority = Authority::try_from(host.as_bytes()).map_err(|error| refuse(error.into()))?;
    parts.authority = Some(authority);
    Uri::from_parts(parts).map_err(|error| refuse(error.into()))
}

/// Says the content's length, if it is known and if the method expects to hear it.
fn frame(headers: &mut HeaderMap, method: &Method, body: OutgoingBody) -> Content {
    let (content, length) = match body {
        // RFC 9110, section 8.6.
        OutgoingBody::Empty => {
            let expected = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
            (Content::None, expected.then_some(0))
        }
        OutgoingBody::Full(bytes) if bytes.is_empty() => (Content::None, Some(0)),
        OutgoingBody::Full(bytes) => {
            let length = bytes.len() as u64;
            (Content::Whole(bytes), Some(length))
        }
        OutgoingBody::Stream { stream, length } => (Content::Pieces(stream, length), length),
    };
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    content
}
