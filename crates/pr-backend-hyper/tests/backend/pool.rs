//! Which connection carries a request, and when one is given up.

use std::time::Duration;

use futures::{StreamExt, future::join_all};
use http::Method;
use pr_backend_hyper::{Backend, BackendExt, HyperBackend, Proxy, RequestConfig};
use pr_testkit::{Script, ScriptedServer, Server, TestCa};

use crate::support::{PATIENCE, backend, get, request, trusting, wait_for_open};

#[tokio::test]
async fn one_request_after_another_takes_one_connection() {
    let server = Server::start();
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
    let head = backend
        .request(RequestConfig::head(server.url("/bytes/10")))
        .await
        .unwrap();
    assert!(head.connection().reused);
    assert_eq!(server.ledger().counts().connections_accepted, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_never_more_connections_than_requests_at_a_time() {
    let server = Server::start();
    let backend = backend();
    let workers = (0..8).map(|_| async {
        for _ in 0..50 {
            let response = backend.request(server.url("/bytes/100")).await.unwrap();
            assert_eq!(response.content().len(), 100);
        }
    });
    join_all(workers).await;
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
    let older = backend.stream(server.url("/bytes/100000")).await.unwrap();
    let newer = backend.stream(server.url("/bytes/100000")).await.unwrap();
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
async fn a_connection_is_free_with_the_last_byte_of_the_body() {
    let server = Server::start();
    let backend = backend();
    let mut response = backend.stream(server.url("/bytes/300000")).await.unwrap();
    let mut missing = 300_000;
    while missing > 0 {
        missing -= response.next().await.unwrap().unwrap().len();
    }
    // Nobody has asked for the end of the body yet.
    let next = backend.request(server.url("/bytes/1")).await.unwrap();
    assert_eq!(next.connection().id, response.connection().id);
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
async fn a_request_that_is_dropped_takes_its_connection_along() {
    let server = Server::start();
    let backend = backend();
    let patience = Duration::from_millis(50);
    let error = backend
        .request(RequestConfig::get(server.url("/hang")).timeout(patience))
        .await
        .unwrap_err();
    assert!(error.is_timeout());
    wait_for_open(&server, 0).await;
    assert_eq!(server.ledger().counts().requests_abandoned, 1);
}

#[tokio::test]
async fn an_idle_connection_is_closed_when_its_time_is_over() {
    let server = Server::start();
    let config = trusting().idle_timeout(Duration::from_millis(100));
    let backend = HyperBackend::with_config(config).unwrap();
    backend.request(server.url("/bytes/1")).await.unwrap();
    assert_eq!(server.ledger().counts().connections_open, 1);
    wait_for_open(&server, 0).await;
    // The task that saw to it has ended, and another one begins.
    backend.request(server.url("/bytes/1")).await.unwrap();
    wait_for_open(&server, 0).await;
    assert_eq!(server.ledger().counts().connections_accepted, 2);
}

#[tokio::test]
async fn a_connection_that_has_come_of_age_is_not_used_again() {
    let server = Server::start();
    let config = trusting().max_connection_age(Duration::from_millis(100));
    let backend = HyperBackend::with_config(config).unwrap();
    let url = server.url("/bytes/1");
    let first = backend.request(url.as_str()).await.unwrap();
    // However often it is used, so that it is never idle for long.
    let another = async {
        loop {
            let response = backend.request(url.as_str()).await.unwrap();
            if response.connection().id != first.connection().id {
                return response;
            }
        }
    };
    let next = tokio::time::timeout(PATIENCE, another).await.unwrap();
    assert!(!next.connection().reused);
    // An idle one is closed, long before its idle time is over.
    wait_for_open(&server, 0).await;

    // One that is in use carries its exchange to the end, and is closed then.
    let slow = backend.request(server.url("/delay/0.2")).await.unwrap();
    assert_eq!(slow.attempts(), 1);
    wait_for_open(&server, 0).await;
}

#[tokio::test]
async fn a_connection_that_was_dialed_before_a_reset_is_not_kept() {
    let server = Server::start();
    let backend = backend();
    let slow = backend.request(server.url("/delay/0.2"));
    let reset = async {
        let begun = |seen: &pr_testkit::Counts| seen.requests_begun == 1;
        server.ledger().wait_until(begun, PATIENCE).await.unwrap();
        backend.reset_connections();
    };
    let (slow, ()) = futures::join!(slow, reset);
    assert_eq!(slow.unwrap().attempts(), 1);
    wait_for_open(&server, 0).await;
}

#[tokio::test]
async fn no_more_idle_connections_are_kept_than_allowed() {
    let server = Server::start();
    let config = trusting().max_idle_per_origin(2);
    let backend = HyperBackend::with_config(config).unwrap();
    let requests = (0..5).map(|_| backend.request(server.url("/delay/0.2")));
    for response in join_all(requests).await {
        response.unwrap();
    }
    wait_for_open(&server, 2).await;

    let config = trusting().max_idle_per_origin(0);
    let backend = HyperBackend::with_config(config).unwrap();
    backend.request(server.url("/bytes/1")).await.unwrap();
    wait_for_open(&server, 2).await;
}

#[tokio::test]
async fn over_all_origins_the_connection_that_is_idle_longest_goes_first() {
    let servers = [Server::start(), Server::start(), Server::start()];
    let backend = HyperBackend::with_config(trusting().max_idle(2)).unwrap();
    for server in &servers {
        backend.request(server.url("/bytes/1")).await.unwrap();
    }
    wait_for_open(&servers[0], 0).await;
    for server in &servers[1..] {
        let again = backend.request(server.url("/bytes/1")).await.unwrap();
        assert!(again.connection().reused);
    }

    let backend = HyperBackend::with_config(trusting().max_idle(0)).unwrap();
    backend.request(servers[0].url("/bytes/1")).await.unwrap();
    wait_for_open(&servers[0], 0).await;
}

#[tokio::test]
async fn what_has_expired_does_not_count() {
    let server = Server::start();
    let config = trusting()
        .max_idle(1)
        .idle_timeout(Duration::from_millis(100));
    let backend = HyperBackend::with_config(config).unwrap();
    backend.request(server.url("/bytes/1")).await.unwrap();
    wait_for_open(&server, 0).await;
    // One of them comes before the other's time is over, however slow the machine.
    for _ in 0..100 {
        let response = backend.request(server.url("/bytes/1")).await.unwrap();
        if response.connection().reused {
            return;
        }
    }
    panic!("nothing is kept any more");
}

#[tokio::test]
async fn ever_new_keys_are_not_remembered() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let server = ScriptedServer::always(Script::new().expect_head().send(answer).repeat());
    let backend = HyperBackend::with_config(trusting().max_idle(1)).unwrap();
    for user in 0..100 {
        let proxy = Proxy::new(&format!("http://{user}:x@{}", server.authority())).unwrap();
        let request = RequestConfig::get("http://origin.example/").proxy(proxy);
        backend.request(request).await.unwrap();
    }
    let keys = format!("{backend:?}").matches("ConnectionKey").count();
    assert!((1..100).contains(&keys), "{keys}");
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
    // Each goes back to its own, and neither resumed the other's TLS session.
    assert!(
        backend
            .request(unverified)
            .await
            .unwrap()
            .connection()
            .reused
    );
    assert!(
        backend
            .request(url.as_str())
            .await
            .unwrap()
            .connection()
            .reused
    );
    assert_eq!(server.ledger().counts().connections_accepted, 2);
}

#[tokio::test]
async fn an_http_1_0_response_ends_its_connection() {
    let answer = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok";
    let server = ScriptedServer::builder()
        .connection(Script::new().expect_head().send(answer).expect_end())
        .repeat_last()
        .start();
    let backend = backend();
    for _ in 0..2 {
        let response = backend.request(server.url("/")).await.unwrap();
        assert_eq!(response.version(), http::Version::HTTP_10);
        assert_eq!(response.text(), "ok");
    }
    assert_eq!(server.connections().len(), 2);
    // The scripts expect the end of each connection.
    let ended = |all: &[pr_testkit::ScriptedConnection]| all.iter().all(|one| one.finished);
    assert!(server.wait_until(ended, PATIENCE).await.is_some());
}

#[tokio::test]
async fn bytes_after_the_response_end_the_connection_and_not_the_response() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nforged";
    let server = ScriptedServer::always(Script::new().expect_head().send(answer).expect_end());
    let backend = backend();
    for _ in 0..2 {
        assert_eq!(backend.request(server.url("/")).await.unwrap().text(), "ok");
    }
    assert_eq!(server.connections().len(), 2);
}

#[tokio::test]
async fn the_request_that_opens_a_connection_says_what_that_took() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = backend();
    let first = backend.request(server.url("/get")).await.unwrap();
    let dial = first.timings().dial.unwrap();
    assert!(dial.tcp.is_some() && dial.tls.is_some(), "{dial:?}");
    let second = backend.request(server.url("/get")).await.unwrap();
    assert_eq!(second.timings().dial, None);
}
