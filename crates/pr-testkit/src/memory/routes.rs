//! The loopback server's routes without a socket: an exchange turned into what HTTP/1.1 would have
//! brought to the server, and the response turned back.

use std::sync::PoisonError;

use futures::StreamExt;
use http::{Method, Request, header};
use http_body::Body;
use http_body_util::BodyStream;
use pr_core::{
    BackendError, ErrorKind, ExchangeRequest, ExchangeResponse, Frame, IncomingBody, Scheme, Stage,
};
use tokio::time::Instant;

use super::outgoing;
use crate::routes::{self, Received};
use crate::server::{Handlers, RequestBody, ResponseBody};

pub(super) async fn exchange(
    mut request: ExchangeRequest,
) -> Result<ExchangeResponse, BackendError> {
    let progress = request.progress.clone();
    progress.reach(Stage::AwaitingHead);
    let (body, failure) = outgoing::watched(request.body);
    request.body = body;
    let response = routes::answer(received(request)?, &Handlers::new()).await;
    let failed = failure
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(error) = failed {
        return Err(error);
    }
    let (head, body) = response.into_parts();
    let mut response = ExchangeResponse::new(head.status);
    response.headers = head.headers;
    response.body = incoming(body);
    Ok(response)
}

fn received(exchange: ExchangeRequest) -> Result<Received, BackendError> {
    let target = exchange
        .uri
        .path_and_query()
        .map_or("/", |all| all.as_str());
    let request = Request::builder().method(exchange.method).uri(target);
    let (mut head, ()) = request
        .body(())
        .map_err(|error| {
            BackendError::new(ErrorKind::Input, "the request is no request").with_source(error)
        })?
        .into_parts();
    head.headers = exchange.headers;
    if let Some(authority) = exchange.uri.authority() {
        // A URI's authority holds nothing that a header field could not.
        if let Ok(host) = authority.as_str().parse() {
            head.headers.entry(header::HOST).or_insert(host);
        }
    }
    let expects_body = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
    match exchange.body.content_length() {
        Some(0) if !expects_body => {}
        Some(length) => {
            head.headers.insert(header::CONTENT_LENGTH, length.into());
        }
        None => {}
    }
    Ok(Received {
        head,
        body: RequestBody::in_memory(exchange.body),
        scheme: match exchange.key.scheme() {
            Scheme::Http => "http",
            Scheme::Https => "https",
        },
        arrived: Instant::now(),
    })
}

fn incoming(body: ResponseBody) -> IncomingBody {
    if body.is_end_stream() {
        return IncomingBody::empty();
    }
    let size = body.size_hint().exact();
    let frames = BodyStream::new(body).map(|frame| {
        let Ok(frame) = frame;
        Ok(match frame.into_data() {
            Ok(data) => Frame::Data(data),
            Err(frame) => Frame::Trailers(frame.into_trailers().unwrap_or_default()),
        })
    });
    IncomingBody::streaming(frames, size)
}
