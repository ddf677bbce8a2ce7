//! The heads of responses: how much of one is too much, and what comes before the final one; and
//! what a request's own head can ask for before its body is sent.

use std::time::Duration;

use pr_core::{BackendExt, Body, Capability, ErrorKind, Multipart, Part, RequestConfig};

use super::subject::{Subject, error_of};
use crate::{Script, ScriptedServer, content};

pub(super) async fn long_heads_are_limit_errors(subject: Subject) {
    for link in subject.links() {
        let label = link.label;
        for (what, path) in [
            ("many fields", "/many-headers?count=200&size=10"),
            ("long fields", "/many-headers?count=10&size=10000"),
        ] {
            let error = error_of(label, link.request(link.url(path)).await);
            assert_eq!(
                error.kind(),
                ErrorKind::Limit,
                "{label}, {what}: {}",
                error.chain()
            );
        }
        let fine = link
            .answer(link.url("/many-headers?count=50&size=500"))
            .await;
        assert_eq!(fine.status_code(), 200, "{label}");
    }
}

pub(super) async fn a_flood_of_informational_responses_is_a_limit_error(subject: Subject) {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    for (count, passes) in [(20, true), (200, false)] {
        let server = ScriptedServer::once(
            Script::new()
                .expect_head()
                .send_informational(103, count)
                .send(answer)
                .close(),
        );
        let outcome = subject.backend().request(server.url("/")).await;
        if passes {
            outcome.unwrap_or_else(|error| panic!("{count}: {}", error.chain()));
        } else {
            let error = error_of("a flood", outcome);
            assert_eq!(error.kind(), ErrorKind::Limit, "{}", error.chain());
        }
    }
}

pub(super) async fn a_body_waits_for_leave(subject: Subject) {
    let request = |server: &ScriptedServer| {
        RequestConfig::put(server.url("/"))
            .expect_continue(true)
            .data("the content")
    };
    let done = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    // Leave is given, after the client has been silent.
    let server = ScriptedServer::once(
        Script::new()
            .expect_head()
            .expect_silence(Duration::from_millis(100))
            .send("HTTP/1.1 100 Continue\r\n\r\n")
            .expect("the content")
            .send(done)
            .close(),
    );
    let response = subject.backend().request(request(&server)).await;
    response.unwrap_or_else(|error| panic!("leave: {}", error.chain()));
    server.verify();

    // A peer that knows nothing of it gets the body all the same.
    let server = ScriptedServer::once(
        Script::new()
            .expect_head()
            .expect("the content")
            .send(done)
            .close(),
    );
    let response = subject.backend().request(request(&server)).await;
    response.unwrap_or_else(|error| panic!("silence: {}", error.chain()));

    // Leave is refused: the answer arrives, and not a byte of the body is sent.
    let server = ScriptedServer::builder()
        .connection(
            Script::new()
                .expect_head()
                .send("HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n")
                .expect_end(),
        )
        .start();
    let response = subject.backend().request(request(&server)).await;
    let response = response.unwrap_or_else(|error| panic!("refused: {}", error.chain()));
    assert_eq!(response.status_code(), 417);
    server.verify();
}

pub(super) async fn forms_and_files_arrive(subject: Subject) {
    let folder = tempfile::tempdir().expect("a test can make a folder");
    let path = folder.path().join("file.bin");
    let bytes = content::bytes(300_000);
    std::fs::write(&path, &bytes).expect("a test can write a file");
    for link in subject.links() {
        let label = link.label;
        let upload = RequestConfig::post(link.url("/upload")).data(Body::file(&path));
        let seen = link.echo(upload).await;
        assert_eq!(seen["bytes"], 300_000, "{label}");
        let hash = format!("{:016x}", content::fnv1a64(&bytes));
        assert_eq!(seen["fnv1a64"], hash, "{label}");

        let form = Multipart::new()
            .text("title", "Grüße \"quoted\"")
            .part("file", Part::file(&path).content_type("image/png"));
        let request = RequestConfig::post(link.url("/upload")).multipart(form);
        assert!(request.body().is_reopenable());
        let seen = link.echo(request).await;
        assert!(
            seen["bytes"].as_u64().is_some_and(|bytes| bytes > 300_000),
            "{label}: {seen}"
        );

        let missing = Body::file(folder.path().join("none"));
        let request = RequestConfig::post(link.url("/upload")).data(missing);
        let error = error_of(label, link.request(request).await);
        assert!(
            matches!(error.kind(), ErrorKind::Input | ErrorKind::Body),
            "{label}: {}",
            error.chain()
        );
        assert!(!error.may_have_been_processed(), "{label}");
    }
}

pub(super) async fn timings_say_what_took_how_long(subject: Subject) {
    for link in subject.links() {
        let label = link.label;
        let first = link.answer(link.url("/delay/0.2")).await.timings();
        let again = link.answer(link.url("/get")).await.timings();
        if subject.can(Capability::Network) {
            let dial = first
                .dial
                .unwrap_or_else(|| panic!("{label}: nothing was dialed"));
            assert!(dial.tcp.is_some(), "{label}");
            assert_eq!(dial.tls.is_some(), label.contains("TLS"), "{label}");
            assert_eq!(again.dial, None, "{label}: the connection was there");
        }
        assert!(
            first.first_byte >= Duration::from_millis(150),
            "{label}: {first:?}"
        );
        assert!(
            first.first_byte <= first.head && first.head <= first.total,
            "{label}: {first:?}"
        );
        let hop = link.answer(link.url("/redirect/2")).await.timings();
        assert!(
            hop.before > Duration::ZERO && hop.before <= hop.head,
            "{label}: {hop:?}"
        );
    }
}
