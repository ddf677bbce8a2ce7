//! The HTTP proxy: tunnels are made here, byte for byte as told; what is to be forwarded goes on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::uri::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};

use super::connection::{Client, Io, read_to_end};
use super::{ProxyFault, ProxyRequest, ProxyTarget, forward};
use crate::scripted::RequestHead;

/// The largest head that is waited for, in bytes.
const HEAD: usize = 256 * 1024;

/// What a proxy says to those whose credentials will not do (RFC 9110 section 15.5.8).
pub(super) const WHO: &str = "Basic realm=\"pr-testkit\"";

pub(super) async fn speak(mut io: impl Io, client: &Client) {
    let mut unread = BytesMut::new();
    while let Some(length) = head_length(&mut io, &mut unread).await {
        let fault = client.shared.fault();
        let is_connect = unread.starts_with(b"CONNECT ");
        if !is_connect && !matches!(fault, Some(ProxyFault::Answer(_))) {
            return forward::speak(io, unread, client).await;
        }
        let head = RequestHead::new(String::from_utf8_lossy(&unread.split_to(length)));
        let Some(target) = target(&head) else {
            drop(answer(&mut io, 400, "no target\n").await);
            return;
        };
        let asked = client.asked(ProxyRequest {
            target: target.clone(),
            tunnel: is_connect,
            credentials: head.header("proxy-authorization").and_then(basic),
            head: Some(head.clone()),
            accepted: false,
        });
        let established = match fault {
            Some(ProxyFault::Close) => return,
            Some(ProxyFault::Stall) => return read_to_end(&mut io).await,
            Some(ProxyFault::Answer(bytes)) => {
                // Whether the client is still there does not matter any more.
                io.write_all(&bytes).await.ok();
                io.shutdown().await.ok();
                return read_to_end(&mut io).await;
            }
            Some(ProxyFault::Refuse { status, body }) => {
                if answer(&mut io, status, body).await.is_err() {
                    return;
                }
                continue;
            }
            Some(ProxyFault::TunnelHead(bytes)) => bytes,
            Some(ProxyFault::SocksReply(_)) | None => {
                Bytes::from_static(b"HTTP/1.1 200 Connection established\r\n\r\n")
            }
        };
        let credentials = head.header("proxy-authorization").and_then(basic);
        if !client.shared.admits(credentials.as_deref()) {
            if answer(&mut io, 407, "credentials, please\n").await.is_err() {
                return;
            }
            continue;
        }
        match client.shared.routes.dial(&target).await {
            Err(_) => {
                if answer(&mut io, 502, "no way there\n").await.is_err() {
                    return;
                }
            }
            Ok(mut origin) => {
                client.accepted(asked);
                let opened = async {
                    io.write_all(&established).await?;
                    origin.write_all(&unread).await?;
                    copy_bidirectional(&mut io, &mut origin).await
                };
                // Either end may break the tunnel; the other hears of it by its own end.
                drop(opened.await);
                return;
            }
        }
    }
}

/// `user:password` of Basic credentials (RFC 7617), if that is what the field's value is.
pub(super) fn basic(value: &str) -> Option<String> {
    let (scheme, coded) = value.split_once(' ')?;
    let plain = STANDARD.decode(coded.trim()).ok()?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| String::from_utf8_lossy(&plain).into_owned())
}

/// Reads until a whole head is there, and returns its length; `None` if the client ends before.
async fn head_length(io: &mut impl Io, unread: &mut BytesMut) -> Option<usize> {
    loop {
        if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some(end + 4);
        }
        let read = io.read_buf(unread).await.ok()?;
        if read == 0 || unread.len() > HEAD {
            return None;
        }
    }
}

/// The target of a request line, in authority or absolute form (RFC 9112 section 3.2).
fn target(head: &RequestHead) -> Option<ProxyTarget> {
    let uri: http::Uri = head.request_line().split(' ').nth(1)?.parse().ok()?;
    target_of(uri.authority()?, uri.scheme_str())
}

pub(super) fn target_of(authority: &Authority, scheme: Option<&str>) -> Option<ProxyTarget> {
    let default = scheme.filter(|scheme| *scheme == "http").map(|_| 80);
    let port = authority.port_u16().or(default)?;
    Some(ProxyTarget::new(authority.host(), port))
}

async fn answer(io: &mut impl Io, status: u16, body: &str) -> std::io::Result<()> {
    let challenge = match status {
        407 => format!("proxy-authenticate: {WHO}\r\n"),
        _ => String::new(),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} No\r\n{challenge}content-length: {length}\r\n\r\n");
    io.write_all(head.as_bytes()).await?;
    io.write_all(body.as_bytes()).await?;
    io.flush().await
}
