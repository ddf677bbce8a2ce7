//! What goes wrong on the way to a peer, and with one that hangs up, has the right kind.

use std::time::Duration;

use pr_core::{BackendError, BackendExt, Delivery, ErrorKind, RequestConfig};

use super::subject::{PATIENCE, Subject, error_of};
use crate::{Latch, Script, ScriptedServer, Server, TestCa, closed_port};

/// Long enough for a request to be sent on a busy machine, where a case waits for nothing to come.
pub(super) const LIMIT: Duration = Duration::from_millis(400);

fn check(what: &str, error: &BackendError, kind: ErrorKind, delivery: Delivery) {
    assert_eq!(error.kind(), kind, "{what}: {}", error.chain());
    assert_eq!(error.delivery(), delivery, "{what}: {}", error.chain());
}

pub(super) async fn refused_connections_are_connect_errors(subject: Subject) {
    let closed = closed_port().expect("a free port");
    let backend = subject.backend();
    let error = error_of("refused", backend.request(closed.url("/path?secret")).await);
    check("refused", &error, ErrorKind::Connect, Delivery::NotSent);
    assert!(error.is_connect());
    assert_eq!(error.backend_name(), Some(backend.name()));
    let named = error.url().unwrap_or_default();
    assert!(
        named.starts_with(&closed.url("/path")) && !named.contains("secret"),
        "{named}"
    );
    assert!(std::error::Error::source(&error).is_some(), "{error:?}");
}

pub(super) async fn unknown_names_are_dns_errors(subject: Subject) {
    // The name cannot exist (RFC 6761 section 6.4).
    let request = RequestConfig::get("http://nonexistent.invalid/").timeout(PATIENCE);
    let error = error_of("unknown name", subject.backend().request(request).await);
    check("unknown name", &error, ErrorKind::Dns, Delivery::NotSent);
    assert!(error.is_dns() && error.is_connect());
}

pub(super) async fn a_peer_without_tls_is_a_tls_error(subject: Subject) {
    let server = Server::builder().http1_only().start();
    let url = server.url("/get").replace("http:", "https:");
    let error = error_of("no TLS", subject.backend().request(url).await);
    check("no TLS", &error, ErrorKind::Tls, Delivery::NotSent);
}

pub(super) async fn a_connection_closed_before_the_head_is_closed(subject: Subject) {
    for (what, script) in [
        ("closed", Script::new().expect_head().close()),
        ("reset", Script::new().expect_head().reset()),
        (
            "closed in the head",
            Script::new().expect_head().send("HTTP/1.1 200 O").close(),
        ),
    ] {
        let server = ScriptedServer::once(script);
        let error = error_of(what, subject.backend().request(server.url("/")).await);
        check(what, &error, ErrorKind::Closed, Delivery::Unknown);
        assert!(!error.was_on_reused_connection(), "{what}");
    }
}

pub(super) async fn a_body_that_breaks_off_is_truncated(subject: Subject) {
    let sized = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for (what, script) in [
        ("sized", Script::new().expect_head().send(sized).close()),
        ("chunked", Script::new().expect_head().send(chunked).close()),
        (
            "in a chunk",
            Script::new()
                .expect_head()
                .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhello")
                .close(),
        ),
    ] {
        let server = ScriptedServer::once(script);
        let error = error_of(what, subject.backend().request(server.url("/")).await);
        check(what, &error, ErrorKind::Truncated, Delivery::Unknown);
    }

    // A reset discards what the client has not read yet, so it has to wait until the head is there.
    let read = Latch::new();
    let script = Script::new()
        .expect_head()
        .send(sized)
        .wait_for(&read)
        .reset();
    let server = ScriptedServer::once(script);
    let backend = subject.backend();
    let response = backend.stream(server.url("/")).await;
    let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
    read.open();
    let error = error_of("reset", response.into_whole().await);
    check("reset", &error, ErrorKind::Truncated, Delivery::Unknown);
}

pub(super) async fn a_body_without_tls_farewell_is_truncated(subject: Subject) {
    for (what, head) in [
        ("sized", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"),
        // Only TLS's own end tells this one from an attacker's (RFC 9112 section 9.8).
        ("unsized", "HTTP/1.1 200 OK\r\n\r\n"),
    ] {
        let server = ScriptedServer::builder()
            .tls(TestCa::shared().localhost())
            .connection(
                Script::new()
                    .expect_head()
                    .send(head)
                    .send("hello")
                    .close_without_notify(),
            )
            .start();
        let error = error_of(what, subject.backend().request(server.url("/")).await);
        check(what, &error, ErrorKind::Truncated, Delivery::Unknown);
    }
}

pub(super) async fn a_whole_body_needs_no_tls_farewell(subject: Subject) {
    for (what, response) in [
        ("sized", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
        (
            "chunked",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        ("without a body", "HTTP/1.1 204 No Content\r\n\r\n"),
    ] {
        let script = Script::new().expect_head().send(response);
        let server = ScriptedServer::builder()
            .tls(TestCa::shared().localhost())
            .connection(script.close_without_notify())
            .start();
        let response = subject.backend().request(server.url("/")).await;
        let response = response.unwrap_or_else(|error| panic!("{what}: {}", error.chain()));
        assert!(matches!(&*response.text(), "hello" | ""), "{what}");
    }
}

pub(super) async fn what_could_split_a_message_is_refused(subject: Subject) {
    for link in subject.links() {
        let get = || RequestConfig::get(link.url("/anything"));
        for evil in ["\r", "\n", "\0", "\r\n", "\r\nx-evil: 1\r\n\r\n"] {
            for text in [evil.to_owned(), format!("a{evil}b")] {
                for (what, request) in [
                    ("a value", get().header("x", &*text)),
                    ("a name", get().header(&*text, "x")),
                    ("the host", get().header("host", &*text)),
                    ("the method", get().method(&*text)),
                    ("a cookie's name", get().cookie(&*text, "x")),
                    ("a cookie's value", get().cookie("x", &*text)),
                    ("a token", get().bearer_auth(&text)),
                ] {
                    let error = error_of(what, link.request(request).await);
                    check(what, &error, ErrorKind::Input, Delivery::NotSent);
                }
            }
        }
        assert_eq!(link.server.ledger().counts().connections_accepted, 0);

        // In a URL and its query, they are encoded, or there is no such URL.
        for evil in [
            "\r\nx-evil: 1\r\n\r\n",
            "\0",
            "%0d%0a",
            "%00",
            " HTTP/1.1\r\n",
        ] {
            let in_query = RequestConfig::get(link.url("/anything")).param(evil, evil);
            let in_path = RequestConfig::get(link.url(&format!("/anything/{evil}/x?{evil}")));
            for request in [in_query, in_path] {
                match link.request(request).await {
                    Ok(response) => assert_eq!(response.status_code(), 200, "{evil:?}"),
                    Err(error) => check(evil, &error, ErrorKind::Input, Delivery::NotSent),
                }
            }
        }
        for request in link.server.ledger().requests() {
            assert_eq!(request.header("x-evil"), None, "{}", link.label);
            assert!(request.target.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}

pub(super) async fn input_errors_send_nothing(subject: Subject) {
    for link in subject.links() {
        let url = link.url("/get");
        for request in [
            RequestConfig::get(&*url).header("x", "a\r\nb: c"),
            RequestConfig::get(&*url).method("CONNECT"),
            RequestConfig::get(&*url).timeout(Duration::ZERO),
            RequestConfig::post(&*url).header("transfer-encoding", "chunked"),
        ] {
            let error = error_of(link.label, link.request(request).await);
            check(link.label, &error, ErrorKind::Input, Delivery::NotSent);
        }
        link.answer(&*url).await;
        let counts = link.server.ledger().counts();
        assert_eq!(
            (counts.connections_accepted, counts.requests_begun),
            (1, 1),
            "{}",
            link.label
        );
    }
}
