//! How requests are spread over streams and connections, to the peer's limits as they change.

use std::time::Duration;

use futures::future::join_all;
use http::Method;
use pr_backend_h2::{Backend, BackendExt, ErrorKind, RequestConfig};
use pr_core::TimeoutPhase;
use pr_testkit::{Server, TestCa};
use tokio::join;

use crate::support::{
    PATIENCE, backend, exchange, plain,
    raw::{Listener, MAX_CONCURRENT_STREAMS},
    soon, tls,
};

#[tokio::test]
async fn a_hundred_requests_share_one_or_two_connections() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = backend(tls());
    let requests = (0..100).map(|n| backend.request(server.url(&format!("/bytes/{n}"))));
    for (n, response) in soon(join_all(requests)).await.into_iter().enumerate() {
        let response = response.unwrap();
        assert_eq!(response.version(), http::Version::HTTP_2);
        assert_eq!(response.content().len(), n);
    }
    let counts = server.ledger().counts();
    assert!((1..=2).contains(&counts.connections_accepted), "{counts:?}");
    assert_eq!(counts.requests_begun, 100);
}

#[tokio::test]
async fn with_one_stream_at_a_time_requests_take_turns() {
    let listener = Listener::bind().await;
    let backend = backend(plain().http2_connections_per_origin(1));
    let client = join_all((0..4).map(|_| backend.request(listener.url("/"))));
    let server = async {
        let mut peer = listener.accept(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        for turn in 0..4 {
            let stream = peer.request().await;
            assert_eq!(stream, 2 * turn + 1);
            assert!(
                peer.frames_until_now().await.is_empty(),
                "another came before its turn"
            );
            peer.answer(stream).await;
        }
    };
    let (responses, ()) = soon(async { join!(client, server) }).await;
    assert!(
        responses
            .iter()
            .all(|response| response.as_ref().unwrap().status_code() == 200)
    );
}

#[tokio::test]
async fn before_the_peers_settings_only_one_request_is_risked() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = join_all((0..3).map(|_| backend.request(listener.url("/"))));
    let server = async {
        // No SETTINGS yet, so that the PING is the first frame that the client gets. It is allowed
        // to take that for an error, but does not.
        let mut peer = listener.accept_silently().await;
        let first = peer.request().await;
        assert!(peer.frames_until_now().await.is_empty());
        peer.settings(&[]).await;
        let (second, third) = (peer.request().await, peer.request().await);
        for stream in [first, second, third] {
            peer.answer(stream).await;
        }
    };
    let (responses, ()) = soon(async { join!(client, server) }).await;
    assert!(responses.into_iter().all(|response| response.is_ok()));
}

#[tokio::test]
async fn a_limit_that_falls_to_zero_and_rises_again_is_followed() {
    let listener = Listener::bind().await;
    let backend = backend(plain().http2_connections_per_origin(1));
    let client = async {
        backend.request(listener.url("/first")).await.unwrap();
        join_all((0..3).map(|_| backend.request(listener.url("/")))).await
    };
    let server = async {
        let mut peer = listener.accept(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        let first = peer.request().await;
        peer.settings(&[(MAX_CONCURRENT_STREAMS, 0)]).await;
        assert!(peer.frames_until_now().await.is_empty());
        peer.answer(first).await;
        assert!(
            peer.frames_until_now().await.is_empty(),
            "a stream was opened against the limit"
        );
        peer.settings(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        let second = peer.request().await;
        assert!(peer.frames_until_now().await.is_empty());
        // The limit rises while requests wait: they begin without any stream having ended.
        peer.settings(&[(MAX_CONCURRENT_STREAMS, 3)]).await;
        let (third, fourth) = (peer.request().await, peer.request().await);
        for stream in [fourth, third, second] {
            peer.answer(stream).await;
        }
    };
    let (responses, ()) = soon(async { join!(client, server) }).await;
    assert!(responses.into_iter().all(|response| response.is_ok()));
}

#[tokio::test]
async fn a_full_connection_gets_company_and_whichever_has_room_serves() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = join_all((0..4).map(|_| backend.request(listener.url("/"))));
    let server = async {
        let mut first = listener.accept(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        let on_first = first.request().await;
        let mut second = listener.accept(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        // The first connection never gets free again; the queue is served by the second.
        for _ in 0..3 {
            let stream = second.request().await;
            assert!(second.frames_until_now().await.is_empty());
            second.answer(stream).await;
        }
        assert!(first.frames_until_now().await.is_empty());
        first.answer(on_first).await;
    };
    let (responses, ()) = soon(async { join!(client, server) }).await;
    let mut connections: Vec<_> = responses
        .iter()
        .map(|response| response.as_ref().unwrap().connection().id)
        .collect();
    connections.sort_unstable();
    connections.dedup();
    assert_eq!(connections.len(), 2);
}

#[tokio::test]
async fn without_a_second_connection_the_first_has_to_do() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let url = listener.url("/");
    let client = join_all((0..5).map(|_| backend.request(url.as_str())));
    let server = async {
        let mut peer = listener.accept(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        // From here on, nobody listens.
        drop(listener);
        for _ in 0..5 {
            let stream = peer.request().await;
            peer.answer(stream).await;
        }
        peer
    };
    let (responses, _peer) = soon(async { join!(client, server) }).await;
    assert!(responses.into_iter().all(|response| response.is_ok()));
}

#[tokio::test]
async fn the_less_busy_connection_takes_the_next_request() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let request = || backend.request(listener.url("/"));
    let server = async {
        let mut first = listener.accept(&[(MAX_CONCURRENT_STREAMS, 3)]).await;
        let answered = first.request().await;
        first.request().await;
        first.request().await;
        let mut second = listener.accept(&[(MAX_CONCURRENT_STREAMS, 3)]).await;
        second.request().await;
        first.answer(answered).await;
        // Now two streams are open there and one here, and both have room.
        second.request().await;
        assert!(first.frames_until_now().await.is_empty());
    };
    let one_after_another = async {
        request().await.unwrap();
        request().await
    };
    let others = join_all([request(), request(), request()]);
    soon(async {
        tokio::select! {
            _ = async { join!(one_after_another, others) } => panic!("one was answered, no more"),
            () = server => {}
        }
    })
    .await;
}

#[tokio::test]
async fn a_timeout_tells_the_queue_from_the_connection() {
    let listener = Listener::bind().await;
    let backend = backend(plain().http2_connections_per_origin(1));
    let url = listener.url("/");
    let impatient = |url: &str| RequestConfig::get(url).timeout(Duration::from_millis(100));
    let client = async {
        let mut blocked = Box::pin(backend.request(url.as_str()));
        assert!(futures::poll!(&mut blocked).is_pending());
        let queued = backend.request(impatient(&url));
        // The handshake of a peer that knows no TLS does not end either.
        let secure = backend.request(impatient(&url.replace("http://", "https://")));
        tokio::select! {
            _ = blocked => panic!("it is not answered"),
            outcomes = async { join!(queued, secure) } => outcomes,
        }
    };
    let server = async {
        let mut peer = listener.accept(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        peer.request().await;
        let _silent = listener.accept_bytes().await;
        peer.rest().await;
    };
    let (queued, secure) = soon(async {
        tokio::select! {
            outcomes = client => outcomes,
            () = server => panic!("the client keeps the connection"),
        }
    })
    .await;
    assert_eq!(
        queued.unwrap_err().timeout_phase(),
        Some(TimeoutPhase::Queue)
    );
    assert_eq!(
        secure.unwrap_err().timeout_phase(),
        Some(TimeoutPhase::Connect)
    );
}

#[tokio::test]
async fn who_leaves_the_queue_does_not_hold_up_those_behind() {
    let listener = Listener::bind().await;
    let backend = backend(plain().http2_connections_per_origin(1));
    let url = listener.url("/");
    let mut peer = None;
    {
        let first = backend.request(url.as_str());
        let accept = async {
            let mut accepted = listener.accept(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
            let stream = accepted.request().await;
            peer = Some(accepted);
            stream
        };
        let mut first = std::pin::pin!(first);
        let stream = soon(async {
            tokio::select! {
                _ = &mut first => panic!("it was not answered yet"),
                stream = accept => stream,
            }
        })
        .await;
        let mut quitters: Vec<_> = (0..50)
            .map(|_| Box::pin(backend.request(url.as_str())))
            .collect();
        for quitter in &mut quitters {
            assert!(futures::poll!(quitter).is_pending());
        }
        let mut last = Box::pin(backend.request(url.as_str()));
        assert!(futures::poll!(&mut last).is_pending());
        let peer = peer.as_mut().unwrap();
        let client = async {
            // One is dropped after it was chosen and before it could run.
            first.await.unwrap();
            drop(quitters);
            last.await
        };
        let server = async {
            peer.answer(stream).await;
            let stream = peer.request().await;
            peer.answer(stream).await;
            assert!(peer.frames_until_now().await.is_empty());
        };
        let (last, ()) = soon(async { join!(client, server) }).await;
        assert_eq!(last.unwrap().status_code(), 200);
    }
}

#[tokio::test]
async fn a_request_for_a_fresh_connection_gets_one_and_replaces_the_old() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain().http2_connections_per_origin(1));
    let url = server.url("/get");
    let first = backend.exchange(exchange(Method::GET, &url)).await.unwrap();
    let again = backend.exchange(exchange(Method::GET, &url)).await.unwrap();
    assert_eq!(
        (first.connection.reused, again.connection.reused),
        (false, true)
    );
    assert_eq!(first.connection.id, again.connection.id);
    assert_eq!(first.connection.remote_addr, Some(server.addr()));

    let mut fresh = exchange(Method::GET, &url);
    fresh.fresh_connection = true;
    let fresh = soon(backend.exchange(fresh)).await.unwrap();
    assert_ne!(fresh.connection.id, first.connection.id);
    assert!(!fresh.connection.reused);
    soon(
        server
            .ledger()
            .wait_until(|seen| seen.connections_open == 1, PATIENCE),
    )
    .await
    .expect("the old connection is replaced");
    let next = backend.exchange(exchange(Method::GET, &url)).await.unwrap();
    assert_eq!(next.connection.id, fresh.connection.id);
}

#[tokio::test]
async fn what_belongs_to_http1_connections_is_refused_before_it_is_sent() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    let mut request = exchange(Method::GET, &server.url("/get"));
    request
        .headers
        .insert("connection", "close".parse().unwrap());
    let error = soon(backend.exchange(request)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(!error.may_have_been_processed());
    // The connection has come to no harm.
    assert_eq!(
        soon(backend.request(server.url("/get")))
            .await
            .unwrap()
            .status_code(),
        200
    );
    assert_eq!(server.ledger().counts().requests_begun, 1);
}
