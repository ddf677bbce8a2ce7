//! From the request that a backend is given to the one that hyper writes.

use std::sync::Arc;

use futures::stream;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use pr_core::{BackendError, ByteStream, ConnectionKey, ExchangeRequest, OutgoingBody, Progress};

use crate::{
    expect::{self, Leave},
    upload::{Fate, RequestBody, Upload, expect_nothing},
};

/// A request as it goes to a connection, which has still to say where it goes.
pub(crate) struct Message {
    pub(crate) key: ConnectionKey,
    pub(crate) request: Request<RequestBody>,
    /// What becomes of the body, if it is a stream.
    pub(crate) upload: Option<Arc<Fate>>,
    pub(crate) progress: Progress,
}

impl Message {
    /// From an exchange whose body has [proved](prove_empty) that it is empty if it says so.
    pub(crate) fn new(exchange: ExchangeRequest) -> Self {
        let progress = exchange.progress;
        let mut headers = exchange.headers;
        let (mut upload, mut leave) = (None, None);
        let body = match exchange.body {
            OutgoingBody::Empty => RequestBody::Empty,
            OutgoingBody::Full(bytes) if bytes.is_empty() => RequestBody::Empty,
            OutgoingBody::Full(bytes) if !expect::is_expected(&headers) => {
                RequestBody::Whole(Some(bytes))
            }
            body => {
                let (stream, length) = into_stream(body);
                if length.is_none() {
                    // Said here because hyper, left to itself, sends no such body with a GET.
                    let chunked = HeaderValue::from_static("chunked");
                    headers.insert(header::TRANSFER_ENCODING, chunked);
                }
                let mut body = Upload::new(stream, length, progress.clone());
                if expect::is_expected(&headers) {
                    let leave = leave.insert(Arc::<Leave>::default());
                    body = body.with_leave(Arc::clone(leave));
                }
                upload = Some(body.fate());
                RequestBody::Stream(Box::new(body))
            }
        };
        if matches!(body, RequestBody::Empty) {
            announce_emptiness(&exchange.method, &mut headers);
        }
        let mut request = Request::new(body);
        *request.method_mut() = exchange.method;
        *request.uri_mut() = exchange.uri;
        *request.headers_mut() = headers;
        if let Some(leave) = leave {
            leave.listen(&mut request);
        }
        Self {
            key: exchange.key,
            request,
            upload,
            progress,
        }
    }
}

/// Has a stream that says it is empty prove it, and takes it for empty then.
pub(crate) async fn prove_empty(body: &mut OutgoingBody) -> Result<(), BackendError> {
    if body.content_length() == Some(0)
        && let OutgoingBody::Stream { stream, .. } = std::mem::replace(body, OutgoingBody::Empty)
    {
        // Boxed, because it is rare.
        Box::pin(expect_nothing(stream)).await?;
    }
    Ok(())
}

/// A body as a stream, and its length if that is known.
fn into_stream(body: OutgoingBody) -> (ByteStream, Option<u64>) {
    let length = body.content_length();
    let stream: ByteStream = match body {
        OutgoingBody::Empty => Box::pin(stream::empty()),
        OutgoingBody::Full(bytes) => Box::pin(stream::iter([Ok(bytes)])),
        OutgoingBody::Stream { stream, .. } => stream,
    };
    (stream, length)
}

/// A method that expects content says so when there is none (RFC 9110, section 8.6).
fn announce_emptiness(method: &Method, headers: &mut HeaderMap) {
    if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}
