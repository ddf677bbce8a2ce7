//! A response with trailer fields (RFC 9110 section 6.5).

use std::convert::Infallible;

use futures::stream;
use http::{HeaderMap, HeaderValue, header};
use http_body::Frame;

use super::respond::{self, Answer};
use crate::content::fnv1a64;
use crate::server::ResponseBody;

const BODY: &str = "trailers follow\n";

/// `/trailers`: a body, then the trailer fields `x-checksum` (its FNV-1a hash) and `x-trailer`.
/// HTTP/1.1 clients get them if they send `TE: trailers`.
pub(super) fn trailers() -> Answer {
    let mut fields = HeaderMap::new();
    let checksum = format!("{:016x}", fnv1a64(BODY.as_bytes()));
    if let Ok(checksum) = HeaderValue::from_str(&checksum) {
        fields.insert("x-checksum", checksum);
    }
    fields.insert("x-trailer", HeaderValue::from_static("arrived"));
    let frames = [
        Ok::<_, Infallible>(Frame::data(BODY.into())),
        Ok(Frame::trailers(fields)),
    ];
    let body = ResponseBody::frames(stream::iter(frames));
    let response = respond::with_type("text/plain; charset=utf-8", body);
    respond::with_header(response, header::TRAILER, "x-checksum, x-trailer")
}
