//! HTTP/2 where both ends speak it, and only there.

use futures::future::{join, join_all};
use http::Version;
use pr_core::{BackendExt, RequestConfig};

use super::subject::{PATIENCE, Subject};
use crate::{Counts, Latch, Server, ServerBuilder, TestCa};

fn tls() -> ServerBuilder {
    Server::builder().tls(TestCa::shared().localhost())
}

async fn version(backend: &dyn pr_core::Backend, request: RequestConfig) -> Version {
    match backend.request(request).await {
        Ok(response) => response.version(),
        Err(error) => panic!("{}", error.chain()),
    }
}

pub(super) async fn http2_is_spoken_where_promised(subject: Subject) {
    let server = tls().start();
    let backend = subject.backend();
    for request in [
        RequestConfig::get(server.url("/get")),
        RequestConfig::get(server.url("/get")).http2(true),
    ] {
        assert_eq!(version(&*backend, request).await, Version::HTTP_2);
    }
    let connections = server.ledger().connections();
    assert_eq!(connections.len(), 1, "{connections:?}");
    assert_eq!(connections[0].alpn.as_deref(), Some("h2"));
    assert!(backend.warnings().list().is_empty());
}

pub(super) async fn http1_is_spoken_where_asked_for(subject: Subject) {
    let server = tls().start();
    let backend = subject.backend();
    for (http2, expected) in [
        (false, Version::HTTP_11),
        (true, Version::HTTP_2),
        (false, Version::HTTP_11),
    ] {
        let request = RequestConfig::get(server.url("/get")).http2(http2);
        assert_eq!(version(&*backend, request).await, expected);
    }
    // The two do not mix on one connection.
    let connections = server.ledger().connections();
    let requests: Vec<_> = connections.iter().map(|one| one.requests).collect();
    assert_eq!(requests, [2, 1], "{connections:?}");
}

pub(super) async fn peers_without_http2_get_http1(subject: Subject) {
    for server in [
        tls().http1_only().start(),
        tls().alpn(&[]).start(),
        Server::start(),
    ] {
        let request = RequestConfig::get(server.url("/get"));
        assert_eq!(
            version(&*subject.backend(), request).await,
            Version::HTTP_11
        );
    }
}

pub(super) async fn prior_knowledge_speaks_http2_over_plain_tcp(subject: Subject) {
    let server = Server::builder().http2_only().start();
    let backend = subject.backend_with(|config| config.http2_prior_knowledge(true));
    for _ in 0..2 {
        let request = RequestConfig::get(server.url("/get"));
        assert_eq!(version(&*backend, request).await, Version::HTTP_2);
    }
    assert_eq!(server.ledger().counts().connections_accepted, 1);
}

pub(super) async fn a_hundred_requests_share_connections(subject: Subject) {
    // None is answered until all are there, so they cannot have come one after another.
    let all_there = Latch::new();
    let latch = all_there.clone();
    let wait = move |_| {
        let latch = latch.clone();
        async move {
            latch.opened().await;
            http::Response::default()
        }
    };
    let server = tls().handle("/together", wait).start();
    let backend = subject.backend();
    let requests = (0..100).map(|_| {
        let request = RequestConfig::get(server.url("/together"));
        version(&*backend, request)
    });
    let open = async {
        let all = |seen: &Counts| seen.requests_in_flight() == 100;
        let waited = server.ledger().wait_until(all, PATIENCE).await;
        waited.unwrap_or_else(|error| panic!("{error}"));
        all_there.open();
    };
    let (versions, ()) = join(join_all(requests), open).await;
    assert!(versions.iter().all(|version| *version == Version::HTTP_2));
    let counts = server.ledger().counts();
    assert_eq!(counts.requests_answered, 100);
    assert!((1..=2).contains(&counts.connections_accepted), "{counts:?}");
}

pub(super) async fn the_stream_limit_of_the_peer_is_kept(subject: Subject) {
    let server = tls().max_concurrent_streams(3).start();
    let backend = subject.backend();
    let requests = (0..30).map(|_| {
        let request = RequestConfig::get(server.url("/delay/0.01"));
        version(&*backend, request)
    });
    assert_eq!(join_all(requests).await.len(), 30);
    let counts = server.ledger().counts();
    assert!((1..=2).contains(&counts.connections_accepted), "{counts:?}");
    assert_eq!(
        (counts.requests_answered, counts.requests_abandoned),
        (30, 0),
        "{counts:?}"
    );
}

pub(super) async fn a_peer_that_goes_away_finishes_what_it_took(subject: Subject) {
    let server = tls().start();
    let backend = subject.backend();
    let slow: Vec<_> = (0..10)
        .map(|_| {
            let (backend, url) = (backend.clone(), server.url("/delay/0.3"));
            tokio::spawn(async move { backend.request(url).await })
        })
        .collect();
    let all = |seen: &Counts| seen.requests_begun == 10;
    let waited = server.ledger().wait_until(all, PATIENCE).await;
    waited.unwrap_or_else(|error| panic!("{error}"));
    server.drain_clients();
    // New requests go elsewhere, and those that were taken are finished (RFC 9113 section 6.8).
    let request = RequestConfig::get(server.url("/get"));
    assert_eq!(version(&*backend, request).await, Version::HTTP_2);
    for request in slow {
        let outcome = request.await.expect("the request does not panic");
        outcome.unwrap_or_else(|error| panic!("{}", error.chain()));
    }
}
