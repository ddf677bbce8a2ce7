//! No error of a backend says what belongs to the request or the response alone: credentials, query,
//! header values, bodies. It goes into logs.

use std::error::Error;

use futures::StreamExt;
use pr_core::{Backend, BackendError, BackendExt, ErrorKind, RequestConfig};

use super::subject::{Subject, error_of};
use crate::{Identity, Script, ScriptedServer, Server, TestCa, closed_port};

/// Stands in every part of the messages that no error may show.
const CANARY: &str = "s3cret";

/// The ways in which the canary might be shown: as it is, in Basic authentication's Base64 (`user:`
/// goes before it), and as the list of bytes that `Debug` makes of a `Vec<u8>`.
const TRACES: [&str; 3] = [CANARY, "dXNlcjpzM2NyZX", "115, 51, 99, 114"];

/// Requests to a URL without user information and query, with a canary in every place for one.
fn requests(url: &str) -> [RequestConfig; 2] {
    let (scheme, rest) = url.split_once("://").expect("a URL has a scheme");
    let with_userinfo = format!("{scheme}://user:{CANARY}-userinfo@{rest}?token={CANARY}-query");
    let without = format!("{url}?token={CANARY}-query#{CANARY}-fragment");
    [
        RequestConfig::post(with_userinfo),
        RequestConfig::post(without).bearer_auth(&format!("{CANARY}-bearer")),
    ]
    .map(|request| {
        request
            .cookie("id", format!("{CANARY}-cookie"))
            .header("x-key", format!("{CANARY}-header"))
            .data(format!("{CANARY}-body"))
    })
}

fn check(what: &str, error: &BackendError, kind: ErrorKind, url: &str, backend: &dyn Backend) {
    assert_eq!(error.kind(), kind, "{what}: {}", error.chain());
    assert_eq!(error.backend_name(), Some(backend.name()), "{what}");
    let named = error.url().unwrap_or_default();
    assert!(named.starts_with(url), "{what}: {named}");
    let mut shown = format!("{error} {error:?} {error:#?} {}", error.chain());
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    shown.extend(causes.map(|cause| format!(" {cause} {cause:?}")));
    for trace in TRACES {
        assert!(!shown.contains(trace), "{what}: {shown}");
    }
}

async fn assert_discreet(what: &str, backend: &dyn Backend, url: &str, kind: ErrorKind) {
    for request in requests(url) {
        let error = error_of(what, backend.request(request).await);
        check(what, &error, kind, url, backend);
    }
}

pub(super) async fn errors_name_backend_and_url_and_no_secret(subject: Subject) {
    let backend = &*subject.backend();
    let refusing = closed_port().expect("a free port");
    assert_discreet(
        "refused",
        backend,
        &refusing.url("/path"),
        ErrorKind::Connect,
    )
    .await;

    for (what, answer, kind) in [
        ("closed before the head", "", ErrorKind::Closed),
        (
            "closed in the head",
            "HTTP/1.1 200 OK\r\nset-cookie: id=s3cret",
            ErrorKind::Closed,
        ),
        (
            "a body that breaks off",
            "HTTP/1.1 200 OK\r\nx: s3cret\r\ncontent-length: 100\r\n\r\ns3cret",
            ErrorKind::Truncated,
        ),
        (
            "a chunk that breaks off",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\ns3cret",
            ErrorKind::Truncated,
        ),
        ("no HTTP", "s3cret, s3cret\r\n\r\n", ErrorKind::Protocol),
        (
            "no header",
            "HTTP/1.1 200 OK\r\nset-cookie s3cret\r\n\r\n",
            ErrorKind::Protocol,
        ),
        (
            "no length",
            "HTTP/1.1 200 OK\r\ncontent-length: s3cret\r\n\r\ns3cret",
            ErrorKind::Protocol,
        ),
        (
            "no chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\ns3cret\r\n",
            ErrorKind::Protocol,
        ),
    ] {
        // All of the request is read, so that its end does not reset the connection.
        let body = CANARY.len() + "-body".len();
        let script = Script::new().expect_head().expect_bytes(body);
        let server = ScriptedServer::always(script.send(answer).close());
        assert_discreet(what, backend, &server.url("/path"), kind).await;
    }
}

pub(super) async fn errors_of_a_body_tell_no_secret(subject: Subject) {
    for link in subject.links() {
        let url = link.url("/drip");
        for request in requests(&url) {
            let request = request.param("numbytes", "10").param("duration", "3600");
            let response = link.backend.stream(request).await;
            let mut body = response.unwrap_or_else(|error| panic!("{}", error.chain()));
            let first = body.next().await;
            assert!(first.is_some_and(|piece| piece.is_ok()), "{}", link.label);
            link.server.disconnect_clients();
            let Some(Err(error)) = body.next().await else {
                panic!("{}: no error", link.label);
            };
            check(
                link.label,
                &error,
                ErrorKind::Truncated,
                &url,
                &*link.backend,
            );
        }
    }
}

pub(super) async fn errors_of_lost_connections_tell_no_secret(subject: Subject) {
    for link in subject.links() {
        let url = link.url("/hang");
        for (number, request) in (1..).zip(requests(&url)) {
            let backend = link.backend.clone();
            let hanging = tokio::spawn(async move { backend.request(request).await });
            let there = |seen: &crate::Counts| {
                seen.requests_begun == number && seen.requests_in_flight() == 1
            };
            link.seen("the request is there", there).await;
            link.server.disconnect_clients();
            let outcome = hanging.await.expect("the request does not panic");
            let error = error_of(link.label, outcome);
            check(link.label, &error, ErrorKind::Closed, &url, &*link.backend);
        }
    }
}

pub(super) async fn tls_errors_tell_no_secret(subject: Subject) {
    let backend = &*subject.backend();
    let names = &["localhost", "127.0.0.1"];
    for (what, identity) in [
        ("unknown authority", TestCa::generate().issue(names)),
        ("self-signed", Identity::self_signed(names)),
        ("expired", TestCa::shared().issue_expired(names)),
    ] {
        let server = Server::builder().tls(identity).start();
        assert_discreet(what, backend, &server.url("/get"), ErrorKind::Tls).await;
        assert_eq!(server.ledger().counts().requests_begun, 0, "{what}");
    }
    let plain = Server::builder().http1_only().start();
    let url = plain.url("/get").replace("http:", "https:");
    assert_discreet("no TLS", backend, &url, ErrorKind::Tls).await;
}
