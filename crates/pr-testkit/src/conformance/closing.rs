//! A backend that is closed or dropped ends what it has in flight, says so truthfully, and closes
//! its connections.

use futures::StreamExt;
use pr_core::{BackendError, BackendExt, Delivery, ErrorKind, RequestConfig, StreamingResponse};
use tokio::task::JoinHandle;

use super::subject::{Link, PATIENCE, Subject, error_of};
use crate::Server;

/// A request that the server has and does not answer.
async fn hanging(link: &Link) -> JoinHandle<Result<pr_core::NormalizedResponse, BackendError>> {
    let (backend, url) = (link.backend.clone(), link.url("/hang"));
    let hanging = tokio::spawn(async move { backend.request(url).await });
    let there = |seen: &crate::Counts| seen.requests_in_flight() == 1;
    link.seen("the request is there", there).await;
    hanging
}

/// Closes the backend, and returns how the request ended that was in flight.
async fn closed_during(link: &Link) -> BackendError {
    let hanging = hanging(link).await;
    let closed = tokio::time::timeout(PATIENCE, link.backend.close()).await;
    assert!(closed.is_ok(), "{}: close() does not end", link.label);
    let ended = tokio::time::timeout(PATIENCE, hanging).await;
    let outcome = ended.unwrap_or_else(|_| panic!("{}: the request goes on", link.label));
    let error = error_of(link.label, outcome.expect("the request does not panic"));
    let (label, chain) = (link.label, error.chain());
    assert_eq!(error.kind(), ErrorKind::Closed, "{label}: {chain}");
    error
}

pub(super) async fn closing_ends_what_is_in_flight(subject: Subject) {
    for link in subject.links() {
        let error = closed_during(&link).await;
        let (label, chain) = (link.label, error.chain());
        assert_eq!(error.delivery(), Delivery::Unknown, "{label}: {chain}");
    }
}

pub(super) async fn closing_does_not_deny_what_a_kept_connection_carried(subject: Subject) {
    for link in subject.links() {
        let (label, first) = (link.label, link.answer(link.url("/get")).await);
        assert!(!first.connection().reused, "{label}");
        // The peer has it, so that it may have acted on it, whatever a second attempt came to.
        let error = closed_during(&link).await;
        assert_eq!(
            error.delivery(),
            Delivery::Unknown,
            "{label}: {}",
            error.chain()
        );
        let counts = link.server.ledger().counts();
        assert_eq!(
            (counts.connections_accepted, counts.requests_begun),
            (1, 2),
            "{label}"
        );
    }
}

pub(super) async fn closing_closes_every_connection(subject: Subject) {
    for link in subject.links() {
        link.answer(link.url("/get")).await;
        link.backend.close().await;
        link.seen("the connections are closed", |seen| {
            seen.connections_open == 0
        })
        .await;
        let error = error_of(link.label, link.request(link.url("/get")).await);
        let (label, chain) = (link.label, error.chain());
        assert_eq!(error.kind(), ErrorKind::Closed, "{label}: {chain}");
        let counts = link.server.ledger().counts();
        assert_eq!(counts.requests_begun, 1, "{label}");
    }
}

async fn wait_until_disconnected(label: &str, server: &Server) {
    let closed = |seen: &crate::Counts| seen.connections_open == 0;
    let waited = server.ledger().wait_until(closed, PATIENCE).await;
    waited.unwrap_or_else(|error| panic!("{label}: {error}"));
}

pub(super) async fn dropping_closes_every_connection(subject: Subject) {
    for link in subject.links() {
        link.answer(link.url("/get")).await;
        drop(begun(&link, "/stream-bytes/100000000").await);
        let (server, label) = (link.server, link.label);
        drop(link.backend);
        wait_until_disconnected(label, &server).await;
    }
}

pub(super) async fn dropping_with_a_request_in_flight_closes_its_connection(subject: Subject) {
    for link in subject.links() {
        link.answer(link.url("/get")).await;
        let hanging = hanging(&link).await;
        let (server, label) = (link.server, link.label);
        drop(link.backend);
        // The request borrows the backend, so that the last handle goes right after it.
        hanging.abort();
        wait_until_disconnected(label, &server).await;
        let abandoned = |seen: &crate::Counts| seen.requests_abandoned == 1;
        let waited = server.ledger().wait_until(abandoned, PATIENCE).await;
        waited.unwrap_or_else(|error| panic!("{label}: {error}"));
    }
}

pub(super) async fn dropping_ends_a_body_that_is_being_read(subject: Subject) {
    for path in [
        // More than any buffer holds, so that an end without an error would be a lie,
        "/stream-bytes/100000000?chunk_size=65536",
        // and nothing more for longer than anybody waits.
        "/drip?duration=3600&numbytes=10",
    ] {
        for link in subject.links() {
            let mut body = begun(&link, path).await;
            let (server, label) = (link.server, link.label);
            drop(link.backend);
            wait_until_disconnected(label, &server).await;
            let rest = async {
                loop {
                    match body.next().await {
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return error,
                        None => panic!("{label}: {path} ended as if it were whole"),
                    }
                }
            };
            let ended = tokio::time::timeout(PATIENCE, rest).await;
            let error = ended.unwrap_or_else(|_| panic!("{label}: {path} goes on"));
            assert_eq!(
                error.kind(),
                ErrorKind::Closed,
                "{label}: {}",
                error.chain()
            );
            assert!(
                error.may_have_been_processed(),
                "{label}: {}",
                error.chain()
            );
        }
    }
}

/// A response of whose body the first piece has been read.
async fn begun(link: &Link, path: &str) -> StreamingResponse {
    let request = RequestConfig::get(link.url(path)).timeout(PATIENCE * 5);
    let mut body = match link.backend.stream(request).await {
        Ok(body) => body,
        Err(error) => panic!("{}: {}", link.label, error.chain()),
    };
    let first = body.next().await;
    assert!(first.is_some_and(|piece| piece.is_ok()), "{}", link.label);
    body
}
