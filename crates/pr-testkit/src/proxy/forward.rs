//! Requests in absolute form, handed on to where they want to go.

use std::io;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;

use super::connect::{WHO, basic, target_of};
use super::connection::{Client, Io};
use super::{ProxyFault, ProxyRequest};
use crate::scripted::RequestHead;

type Body = BoxBody<Bytes, hyper::Error>;

/// Fields that end with the connection on which they came (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [&str; 6] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "upgrade",
];

/// Serves the rest of a connection, whose first request is not CONNECT.
pub(super) async fn speak(io: impl Io, read: BytesMut, client: &Client) {
    let (reader, writer) = tokio::io::split(io);
    let io = tokio::io::join(io::Cursor::new(read).chain(reader), writer);
    let service = service_fn(|request| forward(request, client));
    let mut builder = server::Builder::new();
    builder.max_headers(1024);
    // A connection that breaks is the client's doing.
    drop(builder.serve_connection(TokioIo::new(io), service).await);
}

async fn forward(mut request: Request<Incoming>, client: &Client) -> io::Result<Response<Body>> {
    let uri = request.uri().clone();
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
    let target = authority.and_then(|authority| target_of(authority, uri.scheme_str()));
    let Some(target) = target else {
        return Ok(refusal(StatusCode::BAD_REQUEST, "not for a proxy\n"));
    };
    let credentials = request
        .headers()
        .get(header::PROXY_AUTHORIZATION)
        .and_then(|value| basic(value.to_str().ok()?));
    let asked = client.asked(ProxyRequest {
        target: target.clone(),
        tunnel: false,
        credentials: credentials.clone(),
        head: Some(head_of(&request)),
        accepted: false,
    });
    match client.shared.fault() {
        Some(ProxyFault::Stall) => std::future::pending().await,
        Some(ProxyFault::Close | ProxyFault::Answer(_)) => {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Some(ProxyFault::Refuse { status, body }) => {
            let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
            return Ok(refusal(status, body));
        }
        Some(ProxyFault::TunnelHead(_) | ProxyFault::SocksReply(_)) | None => {}
    }
    if !client.shared.admits(credentials.as_deref()) {
        let status = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        return Ok(refusal(status, "credentials, please\n"));
    }
    let Ok(origin) = client.shared.routes.dial(&target).await else {
        return Ok(refusal(StatusCode::BAD_GATEWAY, "no way there\n"));
    };
    client.accepted(asked);
    drop_hop_by_hop(request.headers_mut());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>().map_err(io::Error::other)?;
    let handshake = client::handshake(TokioIo::new(origin)).await;
    let (mut sender, connection) = handshake.map_err(io::Error::other)?;
    // Its error is that of the request or of the response's body.
    tokio::spawn(async move { connection.await.ok() });
    let response = sender.send_request(request).await;
    let mut response = response.map_err(io::Error::other)?;
    drop_hop_by_hop(response.headers_mut());
    Ok(response.map(BodyExt::boxed))
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn head_of(request: &Request<Incoming>) -> RequestHead {
    let mut text = format!(
        "{} {} {:?}\r\n",
        request.method(),
        request.uri(),
        request.version()
    );
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        text.extend([name.as_str(), ": ", &*value, "\r\n"]);
    }
    text.push_str("\r\n");
    RequestHead::new(text)
}

fn refusal(status: StatusCode, body: &'static str) -> Response<Body> {
    let body = Full::new(Bytes::from_static(body.as_bytes()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        let who = HeaderValue::from_static(WHO);
        response
            .headers_mut()
            .insert(header::PROXY_AUTHENTICATE, who);
    }
    response
}
