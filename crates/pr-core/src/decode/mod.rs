//! Content codings (RFC 9110, section 8.4) taken off a response's body: which ones, when, and how far.
//!
//! The codecs are driven by hand rather than by an adapter over `AsyncRead`. A stack of codings is then
//! a loop over their states without a buffered reader for each, trailers and errors of the transport
//! pass by untouched, and what may follow the end of the compressed data is decided here, once.
//!
//! What a peer sends costs it little and may cost much here, so work is bounded in three ways. Each
//! poll decodes some 256 KiB and then lets other tasks and timers run, whether or not Tokio counts. A
//! layer that is given much more than comes out of the last one, 1 MiB and 16 bytes for each, is an
//! error, so that a limit on the content limits what lies between the layers too: in honest data each
//! layer is about as large as what it holds, or smaller. And of what follows the end of the data 64 KiB
//! are ignored, as browsers do, before the source is let go.

mod body;
mod coding;
mod stack;

#[cfg(feature = "brotli")]
mod brotli;
#[cfg(feature = "gzip")]
mod deflate;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "gzip")]
mod inflate;
#[cfg(feature = "zstd")]
mod zstd;

use http::{Method, StatusCode, header};

pub(crate) use self::body::DecodedBody;
use self::coding::Codings;
use crate::{BackendError, ErrorKind, ExchangeResponse, IncomingBody};

/// What `accept-encoding` says for what is compiled in; `None` if that is nothing.
pub(crate) const ACCEPT_ENCODING: Option<&str> = match (
    cfg!(feature = "gzip"),
    cfg!(feature = "brotli"),
    cfg!(feature = "zstd"),
) {
    (true, true, true) => Some("gzip, deflate, br, zstd"),
    (true, true, false) => Some("gzip, deflate, br"),
    (true, false, true) => Some("gzip, deflate, zstd"),
    (true, false, false) => Some("gzip, deflate"),
    (false, true, true) => Some("br, zstd"),
    (false, true, false) => Some("br"),
    (false, false, true) => Some("zstd"),
    (false, false, false) => None,
};

/// How many codings may lie on top of each other.
const MOST_CODINGS: usize = 5;

/// Has the response's body decoded while it is read.
///
/// Left as it came: what has no body; a part of a representation, whose range counts encoded bytes
/// (RFC 9110, section 14.2); and what has a coding that is unknown or not compiled in. The head stays
/// as the peer sent it in any case. With more than five codings, reading the body fails with kind
/// [`Limit`](ErrorKind::Limit), and so it does when more than 1 MiB of coded data decodes to next to
/// nothing; what is no valid coded data fails with kind [`Decode`](ErrorKind::Decode).
pub(crate) fn decode(method: &Method, response: &mut ExchangeResponse) {
    // The only cost of a response without a coding.
    if !response.headers.contains_key(header::CONTENT_ENCODING) {
        return;
    }
    let bare = matches!(
        response.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT
    );
    if bare || method == Method::HEAD || response.body.is_known_to_be_empty() {
        return;
    }
    match Codings::of(&response.headers) {
        Codings::None | Codings::Unknown => {}
        Codings::Known(codings) => {
            let body = std::mem::replace(&mut response.body, IncomingBody::empty());
            response.body = IncomingBody::decoded(DecodedBody::new(body, &codings));
        }
        Codings::TooMany => {
            let why = format!("the body has more than {MOST_CODINGS} content codings");
            response.body.fail(BackendError::new(ErrorKind::Limit, why));
        }
    }
}
