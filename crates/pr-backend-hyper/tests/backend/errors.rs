//! What each fault on the wire is called.

use futures::StreamExt;
use http::Method;
use pr_backend_hyper::{Backend, BackendError, BackendExt, ErrorKind, RequestConfig};
use pr_core::Delivery;
use pr_testkit::{Script, ScriptedServer, Server, TestCa, closed_port};

use crate::support::{backend, get, request};

/// What becomes of a request whose answer is these bytes and then the end of the connection.
async fn answered(bytes: impl Into<bytes::Bytes>) -> Result<Vec<u8>, BackendError> {
    let server = ScriptedServer::once(Script::new().expect_head().send(bytes).close());
    read(&server).await
}

async fn read(server: &ScriptedServer) -> Result<Vec<u8>, BackendError> {
    let backend = backend();
    let mut response = get(&backend, &server.url("/")).await?;
    let mut content = Vec::new();
    while let Some(frame) = response.body.next().await {
        if let pr_core::Frame::Data(piece) = frame? {
            content.extend_from_slice(&piece);
        }
    }
    Ok(content)
}

async fn kind(bytes: impl Into<bytes::Bytes>) -> ErrorKind {
    answered(bytes).await.unwrap_err().kind()
}

#[tokio::test]
async fn a_head_that_is_not_http() {
    for bytes in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/3.0 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname : value\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname: a\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n",
        "hello, world\r\n\r\n",
    ] {
        assert_eq!(kind(bytes).await, ErrorKind::Protocol, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_head_whose_framing_is_ambiguous() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ] {
        assert_eq!(kind(bytes).await, ErrorKind::Protocol, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large() {
    let many = |count: usize| {
        let fields = "a: b\r\n".repeat(count - 1);
        format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nok")
    };
    assert_eq!(answered(many(100)).await.unwrap(), b"ok");
    assert_eq!(kind(many(101)).await, ErrorKind::Limit);

    let long = |length: usize| {
        let value = "x".repeat(length);
        format!("HTTP/1.1 200 OK\r\nlong: {value}\r\ncontent-length: 2\r\n\r\nok")
    };
    assert_eq!(answered(long(60 << 10)).await.unwrap(), b"ok");
    assert_eq!(kind(long(70 << 10)).await, ErrorKind::Limit);
}

#[tokio::test]
async fn an_end_before_the_head() {
    for bytes in [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\nname: va",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let error = answered(bytes).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{bytes:?}");
        assert_eq!(error.delivery(), Delivery::Unknown);
        assert!(!error.was_on_reused_connection());
    }
    let server = ScriptedServer::once(Script::new().expect_head().reset());
    assert_eq!(read(&server).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn an_end_within_the_body() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        assert_eq!(kind(bytes).await, ErrorKind::Truncated, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_framed_well() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in [
        "xyz\r\n",
        "-1\r\n",
        "f0000000000000003\r\n",
        "5\r\nhelloworld",
    ] {
        assert_eq!(
            kind(format!("{head}{body}")).await,
            ErrorKind::Protocol,
            "{body:?}"
        );
    }
    let flood = format!("{head}5;{}\r\n", "x".repeat(20 << 10));
    assert_eq!(kind(flood).await, ErrorKind::Limit);
    let long = format!("{head}0\r\nlong: {}\r\n\r\n", "x".repeat(20 << 10));
    assert_eq!(kind(long).await, ErrorKind::Limit);
    let longer = format!("{head}0\r\nlonger: {}\r\n\r\n", "x".repeat(70 << 10));
    assert_eq!(kind(longer).await, ErrorKind::Limit);
    let many = format!("{head}0\r\n{}\r\n", "a: b\r\n".repeat(101));
    assert_eq!(kind(many).await, ErrorKind::Limit);
}

#[tokio::test]
async fn informational_responses_are_passed_over() {
    let bytes = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n\
                 HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    assert_eq!(answered(bytes).await.unwrap(), b"ok");
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection() {
    let bytes = "HTTP/1.1 200 OK\r\n\r\nas much as there is";
    assert_eq!(answered(bytes).await.unwrap(), b"as much as there is");

    // Over TLS, an end without a farewell may be an attacker's doing.
    let script = Script::new().expect_head().send(bytes);
    let proper = ScriptedServer::builder()
        .tls(TestCa::shared().localhost())
        .connection(script.clone().close())
        .start();
    assert_eq!(read(&proper).await.unwrap(), b"as much as there is");
    let cut = ScriptedServer::builder()
        .tls(TestCa::shared().localhost())
        .connection(script.close_without_notify())
        .start();
    assert_eq!(read(&cut).await.unwrap_err().kind(), ErrorKind::Truncated);
}

#[tokio::test]
async fn a_peer_that_speaks_first() {
    let server = ScriptedServer::once(Script::new().send("220 mail.example ESMTP\r\n").stall());
    let error = get(&backend(), &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_peer_that_wants_a_client_certificate() {
    let server = Server::builder()
        .tls(TestCa::shared().localhost())
        .require_client_certificate(TestCa::shared())
        .start();
    let error = get(&backend(), &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert_eq!(error.message(), "the peer asks for a client certificate");
}

#[tokio::test]
async fn trailers_come_after_the_body() {
    let bytes = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: sum\r\n\r\n\
                 2\r\nok\r\n0\r\nsum: 7\r\n\r\n";
    let server = ScriptedServer::once(Script::new().expect_head().send(bytes).stall());
    let response = backend().request(server.url("/")).await.unwrap();
    assert_eq!(response.text(), "ok");
    assert_eq!(response.trailers()["sum"], "7");
}

#[tokio::test]
async fn a_refused_connection_was_not_sent() {
    let port = closed_port().unwrap();
    let error = get(&backend(), &port.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!(error.delivery(), Delivery::NotSent);
}

#[tokio::test]
async fn a_response_to_head_has_no_body_whatever_it_says() {
    let bytes = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    let server = ScriptedServer::once(Script::new().expect_head().send(bytes).repeat());
    let backend = backend();
    for _ in 0..2 {
        let request = request(Method::HEAD, &server.url("/"));
        let response = backend.exchange(request).await.unwrap();
        assert_eq!(response.headers["content-length"], "1000");
        assert_eq!(response.body.count().await, 0);
    }
}

#[tokio::test]
async fn errors_name_the_backend_and_keep_their_cause() {
    let server = ScriptedServer::once(Script::new().expect_head().send("nonsense\r\n\r\n").close());
    let request = RequestConfig::get(server.url("/path")).param("token", "secret");
    let error = backend().request(request).await.unwrap_err();
    assert_eq!(error.backend_name(), Some("hyper"));
    assert_eq!(
        error.url(),
        Some(format!("{}?…", server.url("/path")).as_str())
    );
    assert!(std::error::Error::source(&error).is_some());
    assert!(!format!("{error:?}").contains("secret"));
}
