//! A way through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6).

use std::{future::ready, pin::pin};

use bytes::Bytes;
use futures::future::{Either, select};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use pr_core::{BackendError, ConnectionKey, ErrorKind};
use tokio::net::TcpStream;

use super::failed;

/// The largest answer to CONNECT, in bytes.
const HEAD: usize = 16 << 10;

/// Asks the proxy for a way to the key's origin.
///
/// hyper reads the answer, rather than hyper-util's `Tunnel`, which does not tell the status.
pub(super) async fn open(
    tcp: TcpStream,
    key: &ConnectionKey,
    authorization: Option<HeaderValue>,
) -> Result<TcpStream, BackendError> {
    let has_credentials = authorization.is_some();
    let request = connect(key, authorization)?;
    let handshake = http1::Builder::new()
        .max_header_size(HEAD)
        .handshake(TokioIo::new(tcp))
        .await;
    let (mut sender, connection) = handshake.map_err(broken)?;
    let asking = pin!(sender.send_request(request));
    let tunnel = pin!(connection.without_shutdown());
    // The connection ends as soon as it has become a tunnel, which it may before the response is
    // looked at, and otherwise not at all.
    let (response, tunnel) = match select(asking, tunnel).await {
        Either::Left((response, tunnel)) => (response, Either::Left(tunnel)),
        Either::Right((tunnel, asking)) => (asking.await, Either::Right(ready(tunnel))),
    };
    let status = response.map_err(broken)?.status();
    if !status.is_success() {
        return Err(refused(status, has_credentials));
    }
    let tunnel = tunnel.await.map_err(broken)?;
    if !tunnel.read_buf.is_empty() {
        return Err(failed(
            "the proxy sent something before the tunnel was used",
        ));
    }
    Ok(tunnel.io.into_inner())
}

fn connect(
    key: &ConnectionKey,
    authorization: Option<HeaderValue>,
) -> Result<Request<Empty<Bytes>>, BackendError> {
    let authority = format!("{}:{}", key.host(), key.port());
    let mut request = Request::connect(&authority)
        .header(header::HOST, authority)
        .body(Empty::new())
        .map_err(|error| {
            BackendError::new(ErrorKind::Input, "the URL's host cannot be sent to a proxy")
                .with_source(error)
        })?;
    if let Some(authorization) = authorization {
        request
            .headers_mut()
            .insert(header::PROXY_AUTHORIZATION, authorization);
    }
    Ok(request)
}

fn refused(status: StatusCode, has_credentials: bool) -> BackendError {
    match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED if has_credentials => {
            failed("the proxy does not accept the credentials of its URL (407)")
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            failed("the proxy wants credentials (407); put them into its URL")
        }
        status => failed(format!(
            "the proxy refused the tunnel with status {}",
            status.as_u16()
        )),
    }
}

fn broken(error: hyper::Error) -> BackendError {
    let message = if error.is_parse() {
        "the proxy's answer to CONNECT is not HTTP/1.1"
    } else {
        "the proxy closed the connection without an answer to CONNECT"
    };
    failed(message).with_source(error)
}
