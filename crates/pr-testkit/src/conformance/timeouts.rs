//! Time that runs out ends a request promptly, and the error says in what.

use std::time::{Duration, Instant};

use futures::StreamExt;
use pr_core::{
    BackendError, BackendExt, Body, Capability, Delivery, ErrorKind, RequestConfig, TimeoutPhase,
};

use super::subject::{Link, PATIENCE, Subject, error_of};
use crate::{Script, ScriptedServer, content};

/// Long enough for a request to be sent, and for a head to come back, on a busy machine.
const LIMIT: Duration = Duration::from_millis(400);

/// A timeout that came neither early nor, on a slow machine, very late.
fn check(what: &str, begun: Instant, error: &BackendError) {
    assert_eq!(
        error.kind(),
        ErrorKind::Timeout,
        "{what}: {}",
        error.chain()
    );
    let took = begun.elapsed();
    assert!(
        took >= LIMIT && took < PATIENCE / 2,
        "{what}: it took {took:?}"
    );
}

/// Opens the connection beforehand, so that the limit is not spent on a handshake.
async fn connect(link: &Link) {
    assert_eq!(link.answer(link.url("/get")).await.status_code(), 200);
}

pub(super) async fn no_answer_is_a_timeout(subject: Subject) {
    for link in subject.links() {
        connect(&link).await;
        let begun = Instant::now();
        let request = RequestConfig::get(link.url("/hang")).timeout(LIMIT);
        let error = error_of(link.label, link.request(request).await);
        check(link.label, begun, &error);
        assert_eq!(
            error.timeout_phase(),
            Some(TimeoutPhase::Head),
            "{}",
            link.label
        );
        assert_eq!(error.delivery(), Delivery::Unknown, "{}", link.label);
        if subject.can(Capability::Network) {
            link.seen("the request is abandoned", |seen| {
                seen.requests_abandoned == 1
            })
            .await;
        }
        assert_eq!(link.answer(link.url("/get")).await.status_code(), 200);
    }
}

pub(super) async fn a_slow_body_is_a_timeout(subject: Subject) {
    for link in subject.links() {
        connect(&link).await;
        let begun = Instant::now();
        let slow = link.url("/drip?duration=60&numbytes=600");
        let request = RequestConfig::get(slow).timeout(LIMIT);
        let error = error_of(link.label, link.request(request).await);
        check(link.label, begun, &error);
        assert_eq!(
            error.timeout_phase(),
            Some(TimeoutPhase::Read),
            "{}",
            link.label
        );
        assert_eq!(link.answer(link.url("/get")).await.status_code(), 200);
    }
}

pub(super) async fn a_body_that_stalls_is_a_timeout(subject: Subject) {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
    for sent in [head, &*format!("{head}hello")] {
        let script = Script::new().expect_head().send(sent.to_owned()).stall();
        let server = ScriptedServer::always(script);
        let begun = Instant::now();
        let request = RequestConfig::get(server.url("/")).timeout(LIMIT);
        let error = error_of(sent, subject.backend().request(request).await);
        check(sent, begun, &error);
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Read), "{sent}");
        assert_eq!(error.delivery(), Delivery::Unknown, "{sent}");
    }
}

pub(super) async fn a_slow_body_that_moves_arrives(subject: Subject) {
    for link in subject.links() {
        let slow = link.url("/drip?duration=1&numbytes=20");
        let response = link.answer(slow).await;
        assert_eq!(response.text(), "*".repeat(20), "{}", link.label);
    }
}

pub(super) async fn a_slow_stream_is_a_timeout(subject: Subject) {
    for link in subject.links() {
        connect(&link).await;
        let begun = Instant::now();
        let slow = link.url("/drip?duration=60&numbytes=600");
        let request = RequestConfig::get(slow).timeout(LIMIT);
        let mut response = match link.backend.stream(request).await {
            Ok(response) => response,
            Err(error) => panic!("{}: {}", link.label, error.chain()),
        };
        let error = loop {
            match response.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("{}: the body ended", link.label),
            }
        };
        check(link.label, begun, &error);
        assert_eq!(
            error.timeout_phase(),
            Some(TimeoutPhase::Read),
            "{}",
            link.label
        );
        assert!(response.next().await.is_none(), "{}", link.label);
    }
}

pub(super) async fn a_stalled_handshake_is_a_timeout(subject: Subject) {
    let server = ScriptedServer::always(Script::new().expect_bytes(1).stall());
    let url = server.url("/").replace("http:", "https:");

    let begun = Instant::now();
    let backend = subject.backend();
    let request = RequestConfig::get(&*url).timeout(LIMIT);
    let error = error_of("the request's limit", backend.request(request).await);
    check("the request's limit", begun, &error);
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Connect));
    assert_eq!(error.delivery(), Delivery::NotSent);

    let begun = Instant::now();
    let backend = subject.backend_with(|config| config.connect_timeout(LIMIT));
    let error = error_of("the backend's limit", backend.request(&*url).await);
    check("the backend's limit", begun, &error);
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Connect));
    assert_eq!(error.delivery(), Delivery::NotSent);
}

pub(super) async fn a_peer_that_does_not_read_is_a_timeout(subject: Subject) {
    let server = ScriptedServer::once(Script::new().expect_head().stop_reading());
    // More than the buffers of both ends' operating systems hold.
    let body = Body::from(content::bytes(64 * 1024 * 1024));
    let begun = Instant::now();
    let request = RequestConfig::post(server.url("/"))
        .data(body)
        .timeout(LIMIT);
    let error = error_of("a full buffer", subject.backend().request(request).await);
    check("a full buffer", begun, &error);
    assert_eq!(error.delivery(), Delivery::Unknown);
}
