//! What one connection can carry, and when a second one is there to relieve it: over a distance,
//! and under load.

use std::time::Duration;

use futures::{StreamExt, future::join_all, stream::FuturesUnordered};
use http::Method;
use pr_backend_h2::{Backend, BackendExt};
use pr_testkit::{DelayingProxy, Server, TestCa, content};
use tokio::join;

use crate::support::{PATIENCE, backend, exchange, plain, raw::Listener, soon, tls};

/// How much of one response may be under way.
const WINDOW: usize = 4 << 20;

#[tokio::test]
async fn a_download_over_a_distance_is_not_bound_by_its_window() {
    const LENGTH: usize = 2 * WINDOW;
    let server = Server::builder().http2_only().start();
    // So long that even a slow machine fills the line before the first byte arrives.
    let proxy = DelayingProxy::start(server.addr(), Duration::from_millis(500));
    let backend = backend(plain());
    let url = format!("http://{}/bytes/{LENGTH}", proxy.authority());
    let mut body = soon(backend.stream(url)).await.unwrap();
    let mut check = content::Check::default();
    while let Some(piece) = soon(body.next()).await {
        check.feed(&piece.unwrap()).unwrap();
    }
    assert_eq!(check.length(), LENGTH as u64);
    // What is under way on the way there is one round trip's worth, because the credit for it takes
    // the way back. At 100 ms, 4 MB a round trip are 40 MB a second.
    let under_way = proxy.most_in_flight();
    assert!(under_way >= 4_000_000, "{under_way}");
    assert!(under_way <= WINDOW + (64 << 10), "{under_way}");
}

#[tokio::test]
async fn a_crowd_on_one_connection_is_relieved_by_another() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let request = || backend.exchange(exchange(Method::GET, &listener.url("/")));
    let client = async {
        request().await.unwrap();
        // One more than makes a crowd, all at a time.
        let mut crowd: FuturesUnordered<_> = (0..33).map(|_| request()).collect();
        let first = crowd.next().await.unwrap().unwrap();
        let next = request().await.unwrap();
        assert_ne!(next.connection.id, first.connection.id);
        assert!(crowd.all(async |outcome| outcome.is_ok()).await);
    };
    let server = async {
        let mut first = listener.accept_and_answer(&[]).await;
        let mut streams = Vec::new();
        for _ in 0..33 {
            streams.push(first.request().await);
        }
        // Nobody waits for it, and nobody has been answered.
        let mut second = listener.accept(&[]).await;
        assert!(second.frames_until_now().await.is_empty());
        first.answer(streams.remove(0)).await;
        let stream = second.request().await;
        second.answer(stream).await;
        for stream in streams {
            first.answer(stream).await;
        }
        (first, second)
    };
    soon(async { join!(client, server) }).await;
}

#[tokio::test]
async fn a_few_dozen_requests_are_no_crowd() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    soon(backend.request(server.url("/get"))).await.unwrap();
    for _ in 0..5 {
        let few = (0..32).map(|_| backend.request(server.url("/delay/0.01")));
        assert!(soon(join_all(few)).await.iter().all(Result::is_ok));
    }
    assert_eq!(server.ledger().counts().connections_accepted, 1);
}

#[tokio::test]
async fn a_relief_that_cannot_be_had_harms_nobody() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let url = listener.url("/");
    let client = async {
        backend.request(url.as_str()).await.unwrap();
        let mut responses = join_all((0..50).map(|_| backend.request(url.as_str()))).await;
        responses.push(backend.request(url.as_str()).await);
        responses
    };
    let server = async {
        let mut peer = listener.accept_and_answer(&[]).await;
        drop(listener);
        for _ in 0..51 {
            let stream = peer.request().await;
            peer.answer(stream).await;
        }
        peer
    };
    let (responses, _peer) = soon(async { join!(client, server) }).await;
    assert!(responses.iter().all(Result::is_ok));
}

#[tokio::test]
async fn heavy_load_uses_as_many_connections_as_it_may() {
    for (allowed, expected) in [(1, 1), (2, 2), (4, 4)] {
        let server = Server::builder().http2_only().start();
        let backend = backend(plain().http2_connections_per_origin(allowed));
        let workers = (0..200).map(|_| async {
            for _ in 0..10 {
                backend.request(server.url("/delay/0.02")).await.unwrap();
            }
        });
        soon(join_all(workers)).await;
        let connections = server.ledger().connections();
        assert_eq!(connections.len(), expected, "{connections:?}");
        // Each carries its part.
        for connection in connections {
            assert!(connection.requests >= 100, "{connection:?}");
        }
    }
}

#[tokio::test]
async fn a_cold_burst_of_a_thousand_opens_two_connections_at_most() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = backend(tls());
    let burst = (0..1_000).map(|_| backend.request(server.url("/bytes/100")));
    assert!(soon(join_all(burst)).await.iter().all(Result::is_ok));
    let seen = server
        .ledger()
        .wait_until(|seen| seen.requests_answered == 1_000, PATIENCE)
        .await
        .unwrap();
    assert!((1..=2).contains(&seen.connections_accepted), "{seen:?}");
}
