//! How the backend ends: told to, or dropped.

use std::sync::Arc;

use futures::StreamExt;
use pr_backend_hyper::{Backend, BackendExt, ErrorKind};
use pr_core::Delivery;
use pr_testkit::{Latch, Script, ScriptedServer, Server};
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

use crate::support::{PATIENCE, backend, get, wait_for_open};

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
    let here = Handle::current();
    if here.runtime_flavor() == RuntimeFlavor::CurrentThread {
        // The connections' tasks have ended already; the one that is left is this test's. With more
        // threads, the runtime may not have counted yet what has just ended on another one.
        assert!(here.metrics().num_alive_tasks() <= 1);
    }
    wait_for_open(&server, 0).await;
    assert_eq!(
        waiting.await.unwrap().unwrap_err().kind(),
        ErrorKind::Closed
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
async fn closing_ends_a_connection_that_is_being_dialed() {
    // The TLS handshake is never answered.
    let server = ScriptedServer::once(Script::new().stall());
    let backend = Arc::new(backend());
    let url = server.url("/").replace("http://", "https://");
    let dialing = tokio::spawn({
        let backend = Arc::clone(&backend);
        async move { get(&backend, &url).await.map(drop) }
    });
    let greeted = |all: &[pr_testkit::ScriptedConnection]| !all.is_empty();
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

#[test]
fn dropping_outside_a_runtime_closes_the_connections() {
    let server = Server::start();
    let runtime = Runtime::new().unwrap();
    let backend = backend();
    runtime
        .block_on(backend.request(server.url("/bytes/1")))
        .unwrap();
    let streaming = runtime
        .block_on(backend.stream(server.url("/bytes/50000000")))
        .unwrap();
    drop(backend);
    let closed = server
        .ledger()
        .wait_until_blocking(|seen| seen.connections_open == 0, PATIENCE);
    closed.unwrap();
    drop(streaming);
}

#[test]
fn closing_from_another_runtime_does_not_wait_for_one_that_stands_still() {
    let server = Server::start();
    let backend = backend();
    let still = Builder::new_current_thread().enable_all().build().unwrap();
    still
        .block_on(backend.request(server.url("/bytes/1")))
        .unwrap();
    let other = Builder::new_current_thread().enable_all().build().unwrap();
    other.block_on(async {
        let closing = tokio::time::timeout(PATIENCE, backend.close());
        closing.await.expect("nobody drives the other runtime");
    });
    still.block_on(wait_for_open(&server, 0));
}

#[tokio::test]
async fn a_response_that_has_arrived_outlives_the_backend() {
    // Written in one go, so that it arrives in one.
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    let server = ScriptedServer::once(Script::new().expect_head().send(answer).stall());
    let backend = backend();
    let mut response = get(&backend, &server.url("/")).await.unwrap();
    backend.close().await;
    drop(backend);
    let Some(Ok(pr_core::Frame::Data(content))) = response.body.next().await else {
        panic!("the content had arrived");
    };
    assert_eq!(&content[..], b"hello");
}

#[tokio::test]
async fn a_connection_that_comes_back_after_closing_is_not_kept() {
    let finish = Latch::new();
    let script = Script::new()
        .expect_head()
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no")
        .wait_for(&finish)
        .send("k")
        .stall();
    let server = ScriptedServer::once(script);
    let backend = backend();
    let response = backend.stream(server.url("/")).await.unwrap();
    backend.close().await;
    finish.open();
    assert_eq!(
        response.into_whole().await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    let gone = |all: &[pr_testkit::ScriptedConnection]| all[0].client_closed;
    assert!(server.wait_until(gone, PATIENCE).await.is_some());
}
