//! How the backend ends: told to, or dropped.

use std::sync::Arc;

use futures::StreamExt;
use pr_backend_blocking::{Backend, BackendExt, Delivery, ErrorKind};
use pr_testkit::{Latch, Script, ScriptedConnection, ScriptedServer, Server};

use crate::support::{PATIENCE, backend, get, single, wait_for_open};

async fn in_flight(server: &Server, count: u64) {
    let begun = server
        .ledger()
        .wait_until(|seen| seen.requests_in_flight() == count, PATIENCE);
    begun.await.unwrap();
}

async fn closing_ends_everything() {
    let server = Server::start();
    let backend = Arc::new(backend());
    backend.request(server.url("/bytes/1")).await.unwrap();
    let mut streaming = backend.stream(server.url("/bytes/50000000")).await.unwrap();
    streaming.next().await.unwrap().unwrap();
    let waiting = tokio::spawn({
        let (backend, url) = (Arc::clone(&backend), server.url("/hang"));
        async move { backend.request(url).await }
    });
    in_flight(&server, 2).await;

    backend.close().await;
    wait_for_open(&server, 0).await;
    let ended = waiting.await.unwrap().unwrap_err();
    assert_eq!(
        (ended.kind(), ended.delivery()),
        (ErrorKind::Closed, Delivery::Unknown)
    );
    let end = loop {
        match streaming.next().await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    assert_eq!(end.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert!(streaming.next().await.is_none());

    let refused = backend.request(server.url("/bytes/1")).await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.delivery()),
        (ErrorKind::Closed, Delivery::NotSent)
    );
    backend.close().await;
}

#[tokio::test]
async fn closing_ends_everything_on_one_thread() {
    closing_ends_everything().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_everything_on_many_threads() {
    closing_ends_everything().await;
}

#[tokio::test]
async fn what_is_queued_was_not_sent() {
    let server = Server::start();
    let backend = single();
    let mut running = Box::pin(get(&backend, server.url("/hang")));
    assert!(futures::poll!(&mut running).is_pending());
    let mut queued = Box::pin(get(&backend, server.url("/status/200")));
    assert!(futures::poll!(&mut queued).is_pending());
    in_flight(&server, 1).await;
    backend.close().await;
    let error = queued.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Closed, Delivery::NotSent)
    );
    assert_eq!(running.await.unwrap_err().delivery(), Delivery::Unknown);
}

#[tokio::test]
async fn closing_ends_a_connection_that_is_being_dialed() {
    // The TLS handshake is never answered.
    let server = ScriptedServer::once(Script::new().stall());
    let backend = Arc::new(backend());
    let url = server.url("/").replace("http://", "https://");
    let dialing = tokio::spawn({
        let backend = Arc::clone(&backend);
        async move { get(&backend, &url).await.map(drop) }
    });
    let greeted = |all: &[ScriptedConnection]| !all.is_empty();
    assert!(server.wait_until(greeted, PATIENCE).await.is_some());
    backend.close().await;
    let error = dialing.await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Closed, Delivery::NotSent)
    );
}

#[tokio::test]
async fn dropping_ends_everything_too() {
    let server = Server::start();
    let backend = backend();
    backend.request(server.url("/bytes/1")).await.unwrap();
    let mut streaming = backend.stream(server.url("/bytes/50000000")).await.unwrap();
    drop(backend);
    wait_for_open(&server, 0).await;
    let end = loop {
        match streaming.next().await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    assert_eq!(end.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_not_whole_when_we_end_it() {
    let sent = Latch::new();
    let script = Script::new()
        .expect_head()
        .send("HTTP/1.1 200 OK\r\n\r\npart")
        .open(&sent)
        .stall();
    let server = ScriptedServer::once(script);
    let backend = backend();
    let response = backend.stream(server.url("/")).await.unwrap();
    assert!(sent.wait(PATIENCE).await);
    backend.close().await;
    assert_eq!(
        response.into_whole().await.unwrap_err().kind(),
        ErrorKind::Closed
    );
}

#[tokio::test]
async fn a_response_that_has_arrived_outlives_the_backend() {
    let server = Server::start();
    let backend = backend();
    let response = get(&backend, &server.url("/bytes/5")).await.unwrap();
    let hint = response.body.size_hint();
    backend.close().await;
    drop(backend);
    assert_eq!(hint, Some(5));
}
