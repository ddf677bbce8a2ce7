//! Who dials, who waits for it, and what ALPN decides.

use std::{error::Error, time::Duration};

use futures::future::join_all;
use http::{Method, Version};
use pr_backend_h2::{Backend, BackendExt, ErrorKind, RequestConfig};
use pr_core::{Delivery, TimeoutPhase};
use pr_testkit::{Server, TestCa, closed_port};
use tokio::{io::AsyncReadExt, join};

use crate::support::{backend, exchange, plain, raw::Listener, soon, tls};

#[tokio::test]
async fn a_cold_burst_shares_one_handshake() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = backend(tls());
    let burst = join_all((0..200).map(|_| backend.request(server.url("/get"))));
    for response in soon(burst).await {
        assert_eq!(response.unwrap().version(), Version::HTTP_2);
    }
    let counts = server.ledger().counts();
    assert!((1..=2).contains(&counts.connections_accepted), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cold_burst_from_many_threads_shares_one_handshake() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = std::sync::Arc::new(backend(tls()));
    let burst: Vec<_> = (0..200)
        .map(|_| {
            let (backend, url) = (backend.clone(), server.url("/get"));
            tokio::spawn(async move { backend.request(url).await })
        })
        .collect();
    for response in soon(join_all(burst)).await {
        assert_eq!(response.unwrap().unwrap().status_code(), 200);
    }
    let counts = server.ledger().counts();
    assert!((1..=2).contains(&counts.connections_accepted), "{counts:?}");
}

#[tokio::test]
async fn a_cold_burst_to_an_http1_peer_negotiates_once() {
    let server = Server::builder()
        .tls(TestCa::shared().localhost())
        .http1_only()
        .start();
    let backend = backend(tls());
    let burst = join_all((0..200).map(|_| backend.request(server.url("/get"))));
    for response in soon(burst).await {
        assert_eq!(response.unwrap().version(), Version::HTTP_11);
    }
    let counts = server.ledger().counts();
    assert!(counts.connections_accepted <= 200, "{counts:?}");
    assert_eq!(counts.tls_handshakes_failed, 0);
    // The connection that found it out was put to use, and no later one offered h2 in vain.
    let idle = server
        .ledger()
        .connections()
        .iter()
        .filter(|seen| seen.requests == 0)
        .count();
    assert_eq!(idle, 0);

    // What was learned holds: nobody dials to find it out again.
    let before = server.ledger().counts().connections_accepted;
    assert_eq!(
        backend.request(server.url("/get")).await.unwrap().version(),
        Version::HTTP_11
    );
    assert_eq!(server.ledger().counts().connections_accepted, before);
}

#[tokio::test]
async fn a_peer_without_alpn_speaks_http1() {
    let identity = TestCa::shared().localhost();
    let server = Server::builder()
        .tls(identity)
        .http1_only()
        .alpn(&[])
        .start();
    let backend = backend(tls());
    let response = soon(backend.request(server.url("/get"))).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_11);
    assert_eq!(server.ledger().connections()[0].alpn, None);
}

#[tokio::test]
async fn http2_false_means_http1() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = backend(tls());
    for (http2, version) in [(false, Version::HTTP_11), (true, Version::HTTP_2)] {
        let request = RequestConfig::get(server.url("/get")).http2(http2);
        assert_eq!(
            soon(backend.request(request)).await.unwrap().version(),
            version
        );
    }
    // The first one did not so much as offer it.
    assert_eq!(
        server.ledger().connections()[0].alpn.as_deref(),
        Some("http/1.1")
    );
    assert_eq!(backend.warnings().list(), []);
}

#[tokio::test]
async fn http_urls_mean_http1_unless_it_is_known_better() {
    let server = Server::start();
    for (config, version) in [
        (plain(), Version::HTTP_2),
        (plain().http2_prior_knowledge(false), Version::HTTP_11),
    ] {
        let backend = backend(config);
        let response = soon(backend.request(server.url("/get"))).await.unwrap();
        assert_eq!(response.version(), version);
        backend.close().await;
    }
}

#[tokio::test]
async fn knowledge_that_is_wrong_is_a_protocol_error() {
    let server = Server::builder().http1_only().start();
    let backend = backend(plain());
    let error = soon(backend.exchange(exchange(Method::GET, &server.url("/get")))).await;
    let kind = error.unwrap_err().kind();
    // hyper answers the preface with an HTTP/1.1 error, or hangs up on it.
    assert!(
        matches!(kind, ErrorKind::Protocol | ErrorKind::Closed),
        "{kind}"
    );
}

#[tokio::test]
async fn everybody_who_waited_gets_the_error_of_the_dial() {
    let port = closed_port().unwrap();
    let backend = backend(tls());
    let url = port.url("/").replace("http://", "https://");
    let requests = (0..20).map(|_| backend.exchange(exchange(Method::POST, &url)));
    for outcome in soon(join_all(requests)).await {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert_eq!(error.delivery(), Delivery::NotSent);
        let mut cause = error.source().expect("the cause is kept");
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        assert!(cause.to_string().contains("refused"), "{cause}");
    }
}

#[tokio::test]
async fn everybody_who_waited_gets_the_timeout_of_the_dial() {
    let listener = Listener::bind().await;
    let backend = backend(tls().connect_timeout(Duration::from_millis(50)));
    let url = listener.url("/").replace("http://", "https://");
    let client = join_all((0..5).map(|_| backend.exchange(exchange(Method::GET, &url))));
    // Connected, and then silent: the TLS handshake never ends.
    let mut silent = Vec::new();
    let server = async {
        loop {
            silent.push(listener.accept_bytes().await);
        }
    };
    let outcomes = soon(async {
        tokio::select! {
            outcomes = client => outcomes,
            () = server => unreachable!("it accepts for ever"),
        }
    })
    .await;
    assert_eq!(silent.len(), 1, "they wait for one handshake");
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Connect));
        assert_eq!(error.delivery(), Delivery::NotSent);
    }
}

#[tokio::test]
async fn a_failed_dial_is_tried_again_by_the_next_request() {
    let listener = Listener::bind().await;
    let backend = backend(tls());
    let url = listener.url("/").replace("http://", "https://");
    for _ in 0..2 {
        let client = backend.exchange(exchange(Method::GET, &url));
        let server = async { drop(listener.accept_bytes().await) };
        let (outcome, ()) = soon(async { join!(client, server) }).await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Tls);
    }
}

#[tokio::test]
async fn a_leader_that_leaves_does_not_strand_those_who_wait() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = backend(tls());
    let mut leader = Box::pin(backend.request(server.url("/get")));
    assert!(futures::poll!(&mut leader).is_pending());
    let mut follower = Box::pin(backend.request(server.url("/get")));
    assert!(futures::poll!(&mut follower).is_pending());
    drop(leader);
    assert_eq!(soon(follower).await.unwrap().status_code(), 200);
    assert_eq!(server.ledger().counts().connections_accepted, 1);
}

#[tokio::test]
async fn a_dial_ends_when_nobody_waits_for_it_any_more() {
    let listener = Listener::bind().await;
    let backend = backend(tls());
    let url = listener.url("/").replace("http://", "https://");
    let mut silent = {
        let requests = join_all((0..3).map(|_| backend.exchange(exchange(Method::GET, &url))));
        soon(async {
            tokio::select! {
                _ = requests => panic!("nobody has answered"),
                silent = listener.accept_bytes() => silent,
            }
        })
        .await
    };
    let mut hello = Vec::new();
    soon(silent.read_to_end(&mut hello)).await.ok();
    // And the next request dials anew.
    let client = backend.exchange(exchange(Method::GET, &url));
    let server = async { drop(listener.accept_bytes().await) };
    let (outcome, ()) = soon(async { join!(client, server) }).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Tls);
}

#[tokio::test]
async fn a_stalled_handshake_holds_up_no_other_origin() {
    let listener = Listener::bind().await;
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = backend(tls());
    let mut stalled = Box::pin(backend.request(listener.url("/").replace("http://", "https://")));
    assert!(futures::poll!(&mut stalled).is_pending());
    assert_eq!(
        soon(backend.request(server.url("/get")))
            .await
            .unwrap()
            .status_code(),
        200
    );
    assert!(futures::poll!(&mut stalled).is_pending());
}
