//! Peers that do not speak HTTP, or not well, and proxies in between.

use pr_core::{BackendExt, Delivery, ErrorKind, Proxy, RequestConfig};

use super::subject::{Subject, error_of};
use crate::{Script, ScriptedServer, TestCa};

async fn assert_protocol_error(subject: &Subject, what: &str, response: &'static str) {
    let server = ScriptedServer::once(Script::new().expect_head().send(response).close());
    let error = error_of(what, subject.backend().request(server.url("/")).await);
    assert_eq!(
        error.kind(),
        ErrorKind::Protocol,
        "{what}: {}",
        error.chain()
    );
    assert_eq!(
        error.delivery(),
        Delivery::Unknown,
        "{what}: {}",
        error.chain()
    );
}

pub(super) async fn garbage_is_a_protocol_error(subject: Subject) {
    for (what, response) in [
        ("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        ("binary", "\0\x01\x02\x03\r\n\r\n"),
        ("a status that is no number", "HTTP/1.1 abc OK\r\n\r\n"),
        (
            "a header without a colon",
            "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        ),
        ("a space in a name", "HTTP/1.1 200 OK\r\na b: c\r\n\r\n"),
    ] {
        assert_protocol_error(&subject, what, response).await;
    }
}

pub(super) async fn broken_framing_is_a_protocol_error(subject: Subject) {
    for (what, response) in [
        (
            "a length that is no number",
            "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\nhello",
        ),
        (
            "two lengths (RFC 9112 section 6.3)",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        ),
        (
            "a chunk's size that is no number",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n",
        ),
    ] {
        assert_protocol_error(&subject, what, response).await;
    }
}

pub(super) async fn http2_garbage_is_a_protocol_error(subject: Subject) {
    let server = ScriptedServer::builder()
        .tls(TestCa::shared().localhost())
        .alpn(&["h2"])
        .connection(
            Script::new()
                .expect("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                .send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                .close(),
        )
        // A request that was not sent on the first connection may be tried on another one.
        .repeat_last()
        .start();
    let error = error_of(
        "no frames",
        subject.backend().request(server.url("/")).await,
    );
    assert_eq!(error.kind(), ErrorKind::Protocol, "{}", error.chain());
}

pub(super) async fn a_proxy_gets_the_absolute_form(subject: Subject) {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nproxied";
    let server = ScriptedServer::always(Script::new().expect_head().send(answer).close());
    let proxy = format!("http://user:s3cret@{}", server.authority());
    let request = RequestConfig::get("http://origin.example:81/path?q=1")
        .proxy(Proxy::new(&proxy).expect("the proxy's URL is one"));
    let response = subject.backend().request(request).await;
    let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(response.text(), "proxied");
    let connections = server.connections();
    let head = &connections[0].heads[0];
    // RFC 9112 section 3.2.2.
    assert_eq!(
        head.request_line(),
        "GET http://origin.example:81/path?q=1 HTTP/1.1"
    );
    assert_eq!(head.header_values("host"), ["origin.example:81"]);
    assert_eq!(
        head.header_values("proxy-authorization"),
        ["Basic dXNlcjpzM2NyZXQ="]
    );
}

pub(super) async fn a_proxy_that_refuses_is_a_proxy_error(subject: Subject) {
    for refusal in [
        "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
    ] {
        let server = ScriptedServer::always(Script::new().expect_head().send(refusal).close());
        let proxy = format!("http://user:s3cret@{}", server.authority());
        let request = RequestConfig::get("https://origin.example/path")
            .bearer_auth("t0k3n")
            .proxy(Proxy::new(&proxy).expect("the proxy's URL is one"));
        let error = error_of(refusal, subject.backend().request(request).await);
        assert_eq!(error.kind(), ErrorKind::Proxy, "{}", error.chain());
        assert_eq!(error.delivery(), Delivery::NotSent);
        let shown = format!("{error} {error:?} {}", error.chain());
        assert!(!shown.contains("s3cret"), "{shown}");

        let connections = server.connections();
        let head = &connections[0].heads[0];
        assert_eq!(head.request_line(), "CONNECT origin.example:443 HTTP/1.1");
        assert_eq!(head.header_values("proxy-authorization").len(), 1);
        // The origin's credentials are none of the proxy's business.
        assert!(head.header_values("authorization").is_empty());
    }
}
