//! Which connection carries a request, and when one is given up.

use std::time::Duration;

use futures::{StreamExt, future::join_all};
use http::Method;
use pr_backend_blocking::{Backend, BackendExt, BlockingBackend, ErrorKind, RequestConfig};
use pr_core::ProtocolChoice;
use pr_testkit::{Script, ScriptedConnection, ScriptedServer, Server, TestCa};
use url::Url;

use crate::support::{OK, PATIENCE, backend, get, read, request, trusting, wait_for_open};

#[tokio::test]
async fn one_request_after_another_takes_one_connection() {
    for tls in [false, true] {
        let mut server = Server::builder().http1_only();
        if tls {
            server = server.tls(TestCa::shared().localhost());
        }
        let server = server.start();
        let backend = backend();
        for path in [
            "/bytes/0",
            "/bytes/10",
            "/bytes/300000",
            "/stream-bytes/1000",
            "/status/204",
        ] {
            let response = backend.request(server.url(path)).await.unwrap();
            assert_eq!(response.attempts(), 1);
        }
        let head = RequestConfig::head(server.url("/bytes/10"));
        assert!(backend.request(head).await.unwrap().connection().reused);
        let post = RequestConfig::post(server.url("/post")).data(vec![7; 300_000]);
        assert!(backend.request(post).await.unwrap().connection().reused);
        assert_eq!(server.ledger().counts().connections_accepted, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_never_more_connections_than_requests_at_a_time() {
    let server = Server::start();
    let backend = backend();
    let clients = (0..8).map(|_| async {
        for _ in 0..50 {
            let response = backend.request(server.url("/bytes/100")).await.unwrap();
            assert_eq!(response.content().len(), 100);
        }
    });
    join_all(clients).await;
    let counts = server.ledger().counts();
    assert_eq!(counts.requests_answered, 400);
    assert!(counts.connections_accepted <= 8, "{counts:?}");
}

#[tokio::test]
async fn a_connection_says_its_number_and_whether_it_is_new() {
    let server = Server::start();
    let backend = backend();
    let first = get(&backend, &server.url("/status/200"))
        .await
        .unwrap()
        .connection;
    let second = get(&backend, &server.url("/status/200"))
        .await
        .unwrap()
        .connection;
    assert_eq!((first.reused, second.reused), (false, true));
    assert_eq!(first.id, second.id);
    assert_ne!(first.id, 0);
    assert_eq!(first.remote_addr, Some(server.addr()));
}

#[tokio::test]
async fn the_connection_that_was_used_last_goes_first() {
    let server = Server::start();
    let backend = backend();
    let url = server.url("/status/200");
    let older = backend.stream(server.url("/bytes/5000000")).await.unwrap();
    let newer = backend.stream(server.url("/bytes/5000000")).await.unwrap();
    let newer_id = newer.connection().id;
    assert_ne!(older.connection().id, newer_id);
    older.into_whole().await.unwrap();
    newer.into_whole().await.unwrap();
    assert_eq!(get(&backend, &url).await.unwrap().connection.id, newer_id);
}

#[tokio::test]
async fn a_fresh_connection_is_one_that_carried_nothing() {
    let server = Server::start();
    let backend = backend();
    get(&backend, &server.url("/status/200")).await.unwrap();
    let mut fresh = request(Method::GET, &server.url("/status/200"));
    fresh.fresh_connection = true;
    assert!(!backend.exchange(fresh).await.unwrap().connection.reused);
    assert_eq!(server.ledger().counts().connections_accepted, 2);
}

#[tokio::test]
async fn a_body_that_is_not_read_to_its_end_costs_the_connection() {
    let server = Server::start();
    let backend = backend();
    let mut response = backend.stream(server.url("/bytes/50000000")).await.unwrap();
    response.next().await.unwrap().unwrap();
    drop(response);
    wait_for_open(&server, 0).await;
    let next = backend.request(server.url("/bytes/1")).await.unwrap();
    assert!(!next.connection().reused);
}

#[tokio::test]
async fn an_idle_connection_is_closed_when_its_time_is_over() {
    let server = Server::start();
    let config = trusting().idle_timeout(Duration::from_millis(100));
    let backend = BlockingBackend::with_config(config).unwrap();
    for accepted in 1..=2 {
        backend.request(server.url("/bytes/1")).await.unwrap();
        wait_for_open(&server, 0).await;
        assert_eq!(server.ledger().counts().connections_accepted, accepted);
    }
}

#[tokio::test]
async fn a_connection_that_is_too_old_carries_nothing_more() {
    let server = Server::start();
    let age = Duration::from_millis(100);
    let backend = BlockingBackend::with_config(trusting().max_connection_age(age)).unwrap();
    for accepted in 1..=2 {
        // It rests for no longer than it may live, ...
        backend.request(server.url("/bytes/1")).await.unwrap();
        wait_for_open(&server, 0).await;
        assert_eq!(server.ledger().counts().connections_accepted, accepted);
    }
    // ... and does not rest at all if it is too old when its exchange ends.
    backend.request(server.url("/delay/0.2")).await.unwrap();
    let next = get(&backend, server.url("/status/200")).await.unwrap();
    assert!(!next.connection.reused);
}

#[tokio::test]
async fn a_reset_closes_idle_connections_at_once_and_the_others_when_they_are_done() {
    let server = Server::start();
    let backend = backend();
    let streaming = backend.stream(server.url("/bytes/5000000")).await.unwrap();
    let idle = backend.request(server.url("/bytes/1")).await.unwrap();
    assert_ne!(idle.connection().id, streaming.connection().id);

    backend.reset_connections();
    wait_for_open(&server, 1).await;
    assert_eq!(
        streaming.into_whole().await.unwrap().content().len(),
        5_000_000
    );
    wait_for_open(&server, 0).await;
    for reused in [false, true] {
        let next = get(&backend, server.url("/status/200")).await.unwrap();
        assert_eq!(next.connection.reused, reused);
    }
}

#[tokio::test]
async fn no_more_idle_connections_are_kept_than_allowed() {
    let server = Server::start();
    let config = trusting().max_idle_per_origin(2);
    let backend = BlockingBackend::with_config(config).unwrap();
    let requests = (0..5).map(|_| backend.request(server.url("/delay/0.2")));
    for response in join_all(requests).await {
        response.unwrap();
    }
    wait_for_open(&server, 2).await;

    let config = trusting().max_idle_per_origin(0);
    let backend = BlockingBackend::with_config(config).unwrap();
    backend.request(server.url("/bytes/1")).await.unwrap();
    wait_for_open(&server, 2).await;
}

#[tokio::test]
async fn verified_and_unverified_requests_share_no_connection() {
    let server = Server::builder()
        .tls(TestCa::shared().localhost())
        .http1_only()
        .start();
    let backend = backend();
    let url = server.url("/bytes/1");
    let unverified = RequestConfig::get(url.as_str()).verify_ssl(false);
    backend.request(unverified.clone()).await.unwrap();
    let verified = backend.request(url.as_str()).await.unwrap();
    assert!(!verified.connection().reused);
    // Each goes back to its own.
    assert!(
        backend
            .request(unverified)
            .await
            .unwrap()
            .connection()
            .reused
    );
    let again = backend.request(url.as_str()).await.unwrap().connection();
    assert_eq!(again.id, verified.connection().id);
    assert_eq!(server.ledger().counts().connections_accepted, 2);
}

#[tokio::test]
async fn a_different_key_is_a_different_connection_whatever_the_difference() {
    let server = Server::start();
    let backend = backend();
    let url = Url::parse(&server.url("/status/200")).unwrap();
    get(&backend, url.as_str()).await.unwrap();
    let mut other = request(Method::GET, url.as_str());
    other.key = pr_core::ConnectionKey::new(&url, None, true, ProtocolChoice::Http1).unwrap();
    assert!(!backend.exchange(other).await.unwrap().connection.reused);
    assert!(get(&backend, url.as_str()).await.unwrap().connection.reused);
}

#[tokio::test]
async fn session_tickets_that_come_late_cost_no_connection() {
    // With TLS 1.3 the tickets come after the handshake, here at the latest with the response.
    let server = Server::builder()
        .tls(TestCa::shared().localhost())
        .http1_only()
        .start();
    let backend = backend();
    for reused in [false, true, true] {
        let response = get(&backend, &server.url("/status/204")).await.unwrap();
        assert_eq!(response.connection.reused, reused);
    }
}

#[tokio::test]
async fn a_response_that_asks_for_it_ends_its_connection() {
    for answer in [
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
    ] {
        let script = Script::new().expect_head().send(answer).expect_end();
        let server = ScriptedServer::always(script);
        let backend = backend();
        for _ in 0..2 {
            assert_eq!(backend.request(server.url("/")).await.unwrap().text(), "ok");
        }
        assert_eq!(server.connections().len(), 2);
        // The scripts expect the end of each connection.
        let ended = |all: &[ScriptedConnection]| all.iter().all(|one| one.finished);
        assert!(server.wait_until(ended, PATIENCE).await.is_some());
    }
}

#[tokio::test]
async fn bytes_after_the_response_end_the_connection_and_not_the_response() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nforged";
    for tls in [false, true] {
        let mut server = ScriptedServer::builder();
        if tls {
            server = server.tls(TestCa::shared().localhost());
        }
        let script = Script::new().expect_head().send(answer).expect_end();
        let server = server.connection(script).repeat_last().start();
        let backend = backend();
        for _ in 0..2 {
            assert_eq!(backend.request(server.url("/")).await.unwrap().text(), "ok");
        }
        assert_eq!(server.connections().len(), 2);
    }
}

#[tokio::test]
async fn requests_on_one_connection_do_not_mix() {
    let script = Script::new()
        .expect_head()
        .expect_bytes(3)
        .send(OK)
        .expect_head()
        .send(OK);
    let server = ScriptedServer::once(script.stall());
    let backend = backend();
    let post = RequestConfig::post(server.url("/a")).data("abc");
    backend.request(post).await.unwrap();
    backend.request(server.url("/b")).await.unwrap();
    let lines: Vec<_> = server.connections()[0]
        .heads
        .iter()
        .map(|head| head.request_line().to_owned())
        .collect();
    assert_eq!(lines, ["POST /a HTTP/1.1", "GET /b HTTP/1.1"]);
}

#[tokio::test]
async fn a_connection_whose_peer_has_broken_the_rules_carries_nothing_more() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (method, wrong) in [
        (
            Method::GET,
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ntransfer-encoding: identity\r\n\r\n",
        ),
        (
            Method::GET,
            "HTTP/1.1 304 Same\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
        (
            Method::HEAD,
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
        (
            Method::GET,
            "HTTP/1.1 204 None\r\ntransfer-encoding: gzip\r\n\r\n",
        ),
        (
            Method::GET,
            &format!("{CHUNKED}2\r\nok\r\n0\r\nno colon\r\n\r\n"),
        ),
        (
            Method::GET,
            &format!("{CHUNKED}2\r\nok\r\n0\r\nna me: x\r\n\r\n"),
        ),
    ] {
        let server = ScriptedServer::builder()
            .connection(
                Script::new()
                    .expect_head()
                    .send(wrong.to_owned())
                    .expect_end(),
            )
            .connection(Script::new().expect_head().send(OK).stall())
            .start();
        let backend = backend();
        let first = request(method, &server.url("/"));
        let first = backend.exchange(first).await;
        let error = match first {
            Ok(response) => read(response).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::Protocol, "{wrong:?}");
        let second = get(&backend, server.url("/")).await.unwrap();
        assert!(!second.connection.reused, "{wrong:?}");
    }
}
