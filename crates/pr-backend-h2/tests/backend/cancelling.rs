//! Exchanges that are dropped: the stream is reset, its siblings live on.

use futures::{StreamExt, future::join_all, poll};
use http::Method;
use pr_backend_h2::{Backend, BackendExt};
use pr_core::{ExchangeRequest, OutgoingBody};
use pr_testkit::Server;
use tokio::join;

use crate::support::{
    PATIENCE, backend, exchange, plain,
    raw::{CANCEL, Listener, RST_STREAM, STATUS_200},
    soon,
};

#[tokio::test]
async fn a_dropped_exchange_resets_its_stream_and_no_other() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let request = || Box::pin(backend.exchange(exchange(Method::GET, &listener.url("/"))));
    let (mut dropped, mut sibling) = (request(), request());
    assert!(poll!(&mut dropped).is_pending());
    assert!(poll!(&mut sibling).is_pending());
    let client = async {
        let begun = async {
            let mut peer = listener.accept(&[]).await;
            let streams = [peer.request().await, peer.request().await];
            (peer, streams)
        };
        let (mut peer, [first, second]) = tokio::select! {
            begun = begun => begun,
            _ = &mut dropped => panic!("it was not answered"),
            _ = &mut sibling => panic!("it was not answered"),
        };
        drop(dropped);
        let server = async {
            let reset = peer.read_stream().await;
            assert_eq!((reset.stream, reset.code()), (first, CANCEL));
            peer.answer(second).await;
            peer
        };
        join!(sibling, server)
    };
    let (outcome, _peer) = soon(client).await;
    assert_eq!(outcome.unwrap().status, 200);
}

#[tokio::test]
async fn a_dropped_body_resets_its_stream_and_no_other() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let request = || backend.exchange(exchange(Method::GET, &listener.url("/")));
    let client = async {
        let (one, two) = join!(request(), request());
        let (mut one, mut two) = (one.unwrap(), two.unwrap());
        one.body.next().await.unwrap().unwrap();
        drop(one);
        let rest: Vec<_> = two.body.by_ref().collect().await;
        assert!(rest.iter().all(Result::is_ok));
    };
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let streams = [peer.request().await, peer.request().await];
        for stream in streams {
            peer.head(stream, STATUS_200).await;
            peer.data(stream, b"some", false).await;
        }
        let reset = peer.read_stream().await;
        assert_eq!((reset.stream, reset.code()), (streams[0], CANCEL));
        peer.data(streams[1], b"more", true).await;
        peer
    };
    let ((), _peer) = soon(async { join!(client, server) }).await;
}

#[tokio::test]
async fn an_upload_stops_when_its_exchange_is_dropped() {
    let listener = Listener::bind().await;
    let dropped = async {
        // Before the head, and after it while the upload goes on by itself.
        for answered in [false, true] {
            let backend = backend(plain());
            let mut request = exchange(Method::POST, &listener.url("/"));
            let stream = Box::pin(futures::stream::pending());
            request.body = OutgoingBody::Stream {
                stream,
                length: None,
            };
            let mut pending = Box::pin(backend.exchange(request));
            let server = async {
                let mut peer = listener.accept(&[]).await;
                let stream = peer.request().await;
                if answered {
                    peer.head(stream, STATUS_200).await;
                }
                (peer, stream)
            };
            let (mut peer, stream);
            if answered {
                let (response, found) = join!(pending, server);
                (peer, stream) = found;
                drop(response.unwrap());
            } else {
                (peer, stream) = tokio::select! {
                    found = server => found,
                    _ = &mut pending => panic!("it was not answered"),
                };
                drop(pending);
            }
            let reset = peer.read_stream().await;
            assert_eq!((reset.stream, reset.code()), (stream, CANCEL));
        }
    };
    soon(dropped).await;
}

#[tokio::test]
async fn a_storm_of_cancellations_costs_no_sibling() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    let mut sibling = soon(backend.stream(server.url("/drip?duration=1&numbytes=10")))
        .await
        .unwrap();
    for _ in 0..20 {
        let mut doomed: Vec<_> = (0..50)
            .map(|_| Box::pin(backend.request(server.url("/hang"))))
            .collect();
        let begun = server.ledger().counts().requests_begun;
        let all_begun = server
            .ledger()
            .wait_until(|seen| seen.requests_begun == begun + 50, PATIENCE);
        let never = join_all(doomed.iter_mut());
        tokio::select! {
            _ = never => panic!("these have no answer"),
            seen = all_begun => drop(seen.unwrap()),
        }
    }
    let mut received = 0;
    while let Some(piece) = soon(sibling.next()).await {
        received += piece.unwrap().len();
    }
    assert_eq!(received, 10);
    assert_eq!(
        soon(backend.request(server.url("/get")))
            .await
            .unwrap()
            .status_code(),
        200
    );
    let counts = server.ledger().counts();
    // Connections were replaced in time, and not too eagerly.
    assert!((2..=8).contains(&counts.connections_accepted), "{counts:?}");
    soon(
        server
            .ledger()
            .wait_until(|seen| seen.requests_in_flight() == 0, PATIENCE),
    )
    .await
    .expect("every cancelled request is reset");
}

#[tokio::test]
async fn thousands_that_are_dropped_as_soon_as_they_are_sent_cost_no_sibling() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    let mut sibling = soon(backend.stream(server.url("/drip?duration=1&numbytes=10")))
        .await
        .unwrap();
    let url = server.url("/hang");
    let storm = async {
        // One by one, and many in the same breath.
        for at_once in [1, 50] {
            for _ in 0..2_000 / at_once {
                let mut doomed: Vec<_> = (0..at_once)
                    .map(|_| Box::pin(backend.exchange(exchange(Method::GET, &url))))
                    .collect();
                for one in &mut doomed {
                    assert!(poll!(one).is_pending());
                }
                tokio::task::yield_now().await;
            }
        }
    };
    soon(storm).await;
    let mut received = 0;
    while let Some(piece) = soon(sibling.next()).await {
        received += piece.unwrap().len();
    }
    assert_eq!(received, 10);
    let response = soon(backend.request(server.url("/get"))).await.unwrap();
    assert_eq!(response.attempts(), 1);
    // One connection after the other is replaced in time, and none is dialed in vain.
    let counts = server.ledger().counts();
    assert!(
        (2..=20).contains(&counts.connections_accepted),
        "{counts:?}"
    );
}

#[tokio::test]
async fn places_are_free_again_after_cancelling() {
    let server = Server::builder()
        .http2_only()
        .max_concurrent_streams(4)
        .start();
    let backend = backend(plain().http2_connections_per_origin(1));
    for _ in 0..10 {
        let doomed = join_all((0..8).map(|_| backend.request(server.url("/hang"))));
        let begun = server.ledger().counts().requests_begun;
        let full = server
            .ledger()
            .wait_until(|seen| seen.requests_begun == begun + 4, PATIENCE);
        tokio::select! {
            _ = doomed => panic!("these have no answer"),
            seen = full => drop(seen.unwrap()),
        }
    }
    let answered = join_all((0..16).map(|_| backend.request(server.url("/get"))));
    assert!(
        soon(answered)
            .await
            .into_iter()
            .all(|response| response.is_ok())
    );
    assert!(server.ledger().counts().max_requests_in_flight <= 4);
}

#[tokio::test]
async fn a_reset_that_is_not_for_us_changes_nothing() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let request: ExchangeRequest = exchange(Method::GET, &listener.url("/"));
    let client = async {
        let mut response = backend.exchange(request).await.unwrap();
        let pieces: Vec<_> = response.body.by_ref().collect().await;
        assert!(pieces.iter().all(Result::is_ok));
        backend
            .exchange(exchange(Method::GET, &listener.url("/")))
            .await
            .unwrap();
    };
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        peer.head(stream, STATUS_200).await;
        peer.data(stream, b"all", true).await;
        // After the end of the response, as some servers do.
        peer.write(RST_STREAM, 0, stream, &[0; 4]).await;
        let stream = peer.request().await;
        peer.answer(stream).await;
        peer
    };
    let ((), _peer) = soon(async { join!(client, server) }).await;
}
