//! The routes: which path is answered by what. Most are httpbin's, so that whoever knows that
//! service knows this one.

mod auth;
mod bomb;
mod coding;
mod compression;
mod content;
mod cookies;
mod echo;
mod headers;
mod redirects;
mod request;
mod respond;
mod status;
mod text;
mod timing;
mod trailers;
mod upload;

use http::{Method, Response, header};
use http_body::Body;

use crate::server::{Handlers, ResponseBody};

pub(crate) use self::request::Received;

/// How large a body a route takes that needs it in one piece.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// Answers a request; for HEAD, with the head that GET would have (RFC 9110 section 9.3.2).
pub(crate) async fn answer(request: Received, handlers: &Handlers) -> Response<ResponseBody> {
    let head_only = request.head.method == Method::HEAD;
    let mut response = route(request, handlers).await;
    if head_only {
        if let Some(length) = response.body().size_hint().exact() {
            response
                .headers_mut()
                .entry(header::CONTENT_LENGTH)
                .or_insert_with(|| length.into());
        }
        *response.body_mut() = ResponseBody::empty();
    }
    response
}

async fn route(mut request: Received, handlers: &Handlers) -> Response<ResponseBody> {
    let path = request.head.uri.path().to_owned();
    if let Some(handler) = handlers.get(&path) {
        return match request.body.collect(BODY_LIMIT).await {
            Ok(body) => handler(http::Request::from_parts(request.head, body))
                .await
                .map(ResponseBody::whole),
            Err(error) => respond::body_error(&error),
        };
    }
    let rest = path.strip_prefix('/').unwrap_or(&path);
    let (route, rest) = rest.split_once('/').unwrap_or((rest, ""));
    match route {
        "early" => return upload::early(request),
        "upload" => return upload::upload(&mut request).await,
        "get" | "post" | "put" | "patch" | "delete" | "anything" => {
            return echo::route(&mut request, route, rest).await;
        }
        _ => {}
    }
    // The other routes have no use for a body; unread, it would cost the connection its reuse.
    if let Err(error) = request.body.drain().await {
        return respond::body_error(&error);
    }
    let request = &request;
    match route {
        "status" => status::status(rest),
        "headers" => headers::headers(request),
        "response-headers" => headers::response_headers(request),
        "many-headers" => headers::many(request),
        "user-agent" => headers::user_agent(request),
        "ip" => headers::ip(),
        "bytes" => content::bytes(rest),
        "stream-bytes" => content::stream_bytes(request, rest),
        "stream" => content::json_lines(request, rest),
        "delay" => timing::delay(request, rest).await,
        "drip" => timing::drip(request).await,
        "hang" => timing::hang().await,
        "redirect" => redirects::redirect(request, rest),
        "relative-redirect" => redirects::relative(rest),
        "absolute-redirect" => redirects::absolute(request, rest),
        "redirect-to" => redirects::redirect_to(request),
        "redirect-with-body" => bomb::redirect(request),
        "cookies" => cookies::route(request, rest),
        "gzip" | "deflate" | "brotli" | "zstd" => compression::route(request, route),
        "encoded" => compression::encoded(request),
        "bomb" => bomb::route(rest),
        "basic-auth" => auth::basic(request, rest),
        "bearer" => auth::bearer(request),
        "encoding" => text::encoding(rest),
        "json" => text::json(),
        "html" => text::html(),
        "trailers" => trailers::trailers(),
        "" if request.head.method != Method::CONNECT => text::index(),
        _ => respond::not_found(),
    }
}
