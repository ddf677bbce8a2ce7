//! What each fault on the wire is called.

use futures::StreamExt;
use http::Method;
use pr_backend_blocking::{Backend, BackendError, BackendExt, Delivery, ErrorKind, RequestConfig};
use pr_testkit::{Identity, Latch, Script, ScriptedServer, Server, TestCa, closed_port};

use crate::support::{backend, get, read, request};

/// What becomes of a request whose answer is these bytes and then the end of the connection.
async fn answered(bytes: impl Into<bytes::Bytes>) -> Result<Vec<u8>, BackendError> {
    let server = ScriptedServer::once(Script::new().expect_head().send(bytes).close());
    whole(&server).await
}

async fn whole(server: &ScriptedServer) -> Result<Vec<u8>, BackendError> {
    let backend = backend();
    read(get(&backend, &server.url("/")).await?).await
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
        "HTTP/1.1 099 OK\r\n\r\n",
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
async fn a_head_and_much_of_a_body_after_early_hints() {
    // All of it is there at once, and more of it than a head may have.
    let body = "x".repeat(200 << 10);
    let bytes = format!(
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(answered(bytes).await.unwrap(), body.as_bytes());
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
    assert_eq!(whole(&server).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn an_end_within_the_body() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nsum: 7\r\n",
    ] {
        assert_eq!(kind(bytes).await, ErrorKind::Truncated, "{bytes:?}");
        let server = ScriptedServer::builder()
            .tls(TestCa::shared().localhost())
            .connection(
                Script::new()
                    .expect_head()
                    .send(bytes)
                    .close_without_notify(),
            )
            .start();
        assert_eq!(
            whole(&server).await.unwrap_err().kind(),
            ErrorKind::Truncated,
            "{bytes:?}"
        );
    }
}

#[tokio::test]
async fn a_reset_within_a_body_that_ends_with_the_connection() {
    let head = "HTTP/1.1 200 OK\r\n\r\nas much as there is";
    let read_up = Latch::new();
    let script = Script::new()
        .expect_head()
        .send(head)
        .wait_for(&read_up)
        .reset();
    let server = ScriptedServer::once(script);
    let backend = backend();
    let mut body = get(&backend, &server.url("/")).await.unwrap().body;
    assert!(body.next().await.unwrap().is_ok());
    read_up.open();
    let error = body.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
}

#[tokio::test]
async fn a_body_that_is_not_framed_well() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in [
        "xyz\r\n",
        "-1\r\n",
        "f0000000000000003f\r\n",
        "5\r\nhelloworld\r\n",
    ] {
        assert_eq!(
            kind(format!("{head}{body}")).await,
            ErrorKind::Protocol,
            "{body:?}"
        );
    }
    let trailers = format!("{head}0\r\nlong: {}\r\n\r\n", "x".repeat(140 << 10));
    assert_eq!(kind(trailers).await, ErrorKind::Limit);
}

#[tokio::test]
async fn what_came_before_a_fault_in_the_body_is_delivered() {
    let bytes = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let read_up = Latch::new();
    let script = Script::new().expect_head().send(bytes);
    let server = ScriptedServer::once(script.wait_for(&read_up).send("xyz\r\n").close());
    let backend = backend();
    let mut body = get(&backend, &server.url("/")).await.unwrap().body;
    let first = body.next().await.unwrap().unwrap();
    assert!(matches!(first, pr_core::Frame::Data(piece) if &piece[..] == b"hello"));
    read_up.open();
    assert_eq!(
        body.next().await.unwrap().unwrap_err().kind(),
        ErrorKind::Protocol
    );
    assert!(body.next().await.is_none());
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
    assert_eq!(whole(&proper).await.unwrap(), b"as much as there is");
    let cut = ScriptedServer::builder()
        .tls(TestCa::shared().localhost())
        .connection(script.close_without_notify())
        .start();
    assert_eq!(whole(&cut).await.unwrap_err().kind(), ErrorKind::Truncated);
}

#[tokio::test]
async fn a_response_to_head_has_no_body_whatever_it_says() {
    let bytes = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    let server = ScriptedServer::once(Script::new().expect_head().send(bytes).repeat());
    let backend = backend();
    for _ in 0..2 {
        let response = backend
            .exchange(request(Method::HEAD, &server.url("/")))
            .await
            .unwrap();
        assert_eq!(response.headers["content-length"], "1000");
        assert_eq!(read(response).await.unwrap(), b"");
    }
}

#[tokio::test]
async fn trailers_are_handed_over() {
    let bytes = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: sum\r\n\r\n\
                 2\r\nok\r\n0\r\nsum: 7\r\n\r\n";
    let server = ScriptedServer::once(Script::new().expect_head().send(bytes).repeat());
    let backend = backend();
    for _ in 0..2 {
        let response = backend.request(server.url("/")).await.unwrap();
        assert_eq!(response.text(), "ok");
        assert_eq!(response.trailers()["sum"], "7");
    }
    assert_eq!(server.connections().len(), 1);
}

#[tokio::test]
async fn a_refused_connection_was_not_sent() {
    let port = closed_port().unwrap();
    let error = get(&backend(), &port.url("/")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Connect, Delivery::NotSent)
    );
    assert!(error.message().contains("refused"), "{}", error.message());
}

#[tokio::test]
async fn a_name_without_an_address_was_not_sent() {
    let error = get(&backend(), "http://no-such-host.invalid/")
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Dns, Delivery::NotSent)
    );
}

#[tokio::test]
async fn a_name_with_several_addresses_is_tried_on_all_of_them() {
    // "localhost" is ::1 first where there is IPv6, and the server listens on 127.0.0.1 only.
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let response = get(
        &backend(),
        &server.url_with_host("localhost", "/status/200"),
    )
    .await;
    assert_eq!(response.unwrap().status, 200);
}

#[tokio::test]
async fn each_kind_of_bad_certificate_says_which() {
    let ca = TestCa::shared();
    for (identity, words) in [
        (ca.issue_expired(&["127.0.0.1"]), "expired"),
        (ca.issue(&["elsewhere.example"]), "another host"),
        (TestCa::generate().localhost(), "unknown issuer"),
        (Identity::self_signed(&["127.0.0.1"]), "unknown issuer"),
    ] {
        let server = Server::builder().tls(identity).start();
        let error = get(&backend(), &server.url("/status/200"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Tls, Delivery::NotSent)
        );
        assert!(error.message().contains(words), "{}", error.message());
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(server.ledger().counts().requests_begun, 0);

        let unverified = RequestConfig::get(server.url("/status/200")).verify_ssl(false);
        assert_eq!(
            backend().request(unverified).await.unwrap().status_code(),
            200
        );
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_asked_for_is_a_matter_of_tls() {
    let ca = TestCa::shared();
    let server = Server::builder()
        .tls(ca.localhost())
        .require_client_certificate(ca)
        .start();
    let error = get(&backend(), &server.url("/status/200"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(
        error.message().contains("client certificate"),
        "{}",
        error.message()
    );
}

#[tokio::test]
async fn tls_to_a_peer_that_does_not_speak_it() {
    let server = ScriptedServer::once(Script::new().send("220 mail.example ESMTP\r\n").stall());
    let url = server.url("/").replace("http://", "https://");
    let error = get(&backend(), &url).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Tls, Delivery::NotSent)
    );
    assert!(
        error.message().contains("does not speak TLS"),
        "{}",
        error.message()
    );
}

#[tokio::test]
async fn errors_name_the_backend_and_keep_their_cause() {
    let server = ScriptedServer::once(Script::new().expect_head().send("nonsense\r\n\r\n").close());
    let request = RequestConfig::get(server.url("/path")).param("token", "secret");
    let error = backend().request(request).await.unwrap_err();
    assert_eq!(error.backend_name(), Some("blocking"));
    assert!(std::error::Error::source(&error).is_some());
    assert!(!format!("{error:?}").contains("secret"));
}
