//! Requests that a peer does not process, and connections that it ends: what is sent again, and
//! what is only reported.

use futures::future::join_all;
use http::{Method, Version};
use pr_backend_h2::{Backend, BackendExt, ErrorKind, RequestConfig};
use pr_core::Delivery;
use pr_testkit::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    join,
};

use crate::support::{
    PATIENCE, backend, exchange, plain,
    raw::{
        END_HEADERS, HTTP_1_1_REQUIRED, INTERNAL_ERROR, Listener, MAX_CONCURRENT_STREAMS, NO_ERROR,
        PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM, STATUS_200,
    },
    soon, turns_of_the_event_loop,
};

#[tokio::test]
async fn a_stream_above_the_last_of_a_goaway_is_sent_again_whatever_its_method() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let post = || backend.request(RequestConfig::post(listener.url("/")).data("once"));
    let client = join_all([post(), post(), post()]);
    let server = async {
        let mut old = listener.accept(&[]).await;
        let first = old.whole_requests(3).await[0];
        old.go_away(first, NO_ERROR).await;
        let mut new = listener.accept(&[]).await;
        for stream in new.whole_requests(2).await {
            new.answer(stream).await;
        }
        // What the old connection had begun ends there.
        old.answer(first).await;
        assert!(
            old.rest().await.is_empty(),
            "something new came after the GOAWAY"
        );
    };
    let (responses, ()) = soon(async { join!(client, server) }).await;
    assert!(responses.into_iter().all(|response| response.is_ok()));
}

#[tokio::test]
async fn many_resends_at_a_time_share_a_fresh_connection() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = join_all((0..50).map(|_| backend.request(listener.url("/"))));
    let server = async {
        let mut old = listener.accept(&[]).await;
        for _ in 0..50 {
            old.request().await;
        }
        old.go_away(0, NO_ERROR).await;
        drop(old);
        let mut new = listener.accept(&[]).await;
        for _ in 0..50 {
            let stream = new.request().await;
            new.answer(stream).await;
        }
    };
    let (responses, ()) = soon(async { join!(client, server) }).await;
    assert!(responses.into_iter().all(|response| response.is_ok()));
}

#[tokio::test]
async fn goaway_and_refusal_prove_that_nothing_was_processed() {
    for refuse in [true, false] {
        let listener = Listener::bind().await;
        let backend = backend(plain());
        let client = backend.exchange(exchange(Method::POST, &listener.url("/")));
        let server = async {
            let mut peer = listener.accept(&[]).await;
            let stream = peer.request().await;
            if refuse {
                peer.reset(stream, REFUSED_STREAM).await;
            } else {
                peer.go_away(0, INTERNAL_ERROR).await;
            }
            peer
        };
        let (outcome, _peer) = soon(async { join!(client, server) }).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(error.delivery(), Delivery::NotProcessed);
    }
}

#[tokio::test]
async fn a_refused_post_is_sent_again_three_times() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = backend.request(RequestConfig::post(listener.url("/")).data("once"));
    let server = async {
        for _ in 0..4 {
            let mut peer = listener.accept(&[]).await;
            let stream = peer.request().await;
            peer.reset(stream, REFUSED_STREAM).await;
            // The connection itself is well; it is let go only because it has been replaced.
        }
    };
    let (outcome, ()) = soon(async { join!(client, server) }).await;
    assert_eq!(outcome.unwrap_err().delivery(), Delivery::NotProcessed);
}

#[tokio::test]
async fn a_peer_that_wants_http1_gets_it() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = backend.request(RequestConfig::post(listener.url("/")).data("hello"));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        peer.reset(stream, HTTP_1_1_REQUIRED).await;
        let mut plain = listener.accept_bytes().await;
        let mut request = vec![0; 4096];
        let read = plain.read(&mut request).await.unwrap();
        assert!(request[..read].starts_with(b"POST / HTTP/1.1\r\n"));
        plain
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        plain
    };
    let (response, plain) = soon(async { join!(client, server) }).await;
    assert_eq!(response.unwrap().version(), Version::HTTP_11);

    // What it wanted then is remembered until everything is.
    backend.reset_connections();
    drop(plain);
    let client = backend.request(listener.url("/"));
    let (response, _peer) = soon(async { join!(client, listener.accept_and_answer(&[])) }).await;
    assert_eq!(response.unwrap().version(), Version::HTTP_2);
}

#[tokio::test]
async fn other_resets_are_the_peers_fault_and_harm_no_sibling() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let request = || backend.exchange(exchange(Method::GET, &listener.url("/")));
    let client = join_all([request(), request(), request()]);
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let streams = [
            peer.request().await,
            peer.request().await,
            peer.request().await,
        ];
        peer.reset(streams[0], PROTOCOL_ERROR).await;
        peer.reset(streams[1], INTERNAL_ERROR).await;
        assert!(peer.frames_until_now().await.is_empty());
        peer.answer(streams[2]).await;
        peer
    };
    let (mut outcomes, _peer) = soon(async { join!(client, server) }).await;
    assert!(outcomes.pop().unwrap().is_ok());
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert_eq!(error.delivery(), Delivery::Unknown);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_closed_for_all_on_it() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let request = || backend.exchange(exchange(Method::GET, &listener.url("/")));
    let client = async {
        request().await.unwrap();
        join_all([request(), request()]).await
    };
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let first = peer.request().await;
        peer.answer(first).await;
        peer.request().await;
        peer.request().await;
    };
    let (outcomes, ()) = soon(async { join!(client, server) }).await;
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(error.delivery(), Delivery::Unknown);
        assert!(error.was_on_reused_connection());
    }
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_is_left() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = backend.exchange(exchange(Method::GET, &listener.url("/")));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        // DATA without a head.
        peer.data(stream, b"?", true).await;
        peer.rest().await;
    };
    let (outcome, ()) = soon(async { join!(client, server) }).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error:?}");
    assert_eq!(error.delivery(), Delivery::Unknown);
}

#[tokio::test]
async fn a_push_that_nobody_asked_for_breaks_the_protocol() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = backend.exchange(exchange(Method::GET, &listener.url("/")));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        // Stream 2, for `GET http /` by HPACK's table.
        let promise = [0, 0, 0, 2, 0x82, 0x86, 0x84];
        peer.write(PUSH_PROMISE, END_HEADERS, stream, &promise)
            .await;
        peer.answer(stream).await;
        peer.rest().await;
    };
    let (outcome, ()) = soon(async { join!(client, server) }).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_connection_that_the_peer_ended_while_idle_is_not_used_again() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    for _ in 0..3 {
        let post = RequestConfig::post(server.url("/post")).data("once");
        assert_eq!(soon(backend.request(post)).await.unwrap().attempts(), 1);
        server.disconnect_clients();
        soon(
            server
                .ledger()
                .wait_until(|seen| seen.connections_open == 0, PATIENCE),
        )
        .await
        .unwrap();
        // The client has the end of the stream in its socket's buffer by now, and its connection's
        // task becomes runnable with the next turn of the event loop.
        turns_of_the_event_loop().await;
    }
    assert_eq!(server.ledger().counts().requests_begun, 3);
}

#[tokio::test]
async fn a_drained_connection_answers_what_it_has_and_takes_no_more() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    let slow = backend.request(server.url("/delay/0.3"));
    let client = async {
        server
            .ledger()
            .wait_until(|seen| seen.requests_begun == 1, PATIENCE)
            .await
            .unwrap();
        server.drain_clients();
        // The news travels; whichever connection the next ones take, they are answered.
        for _ in 0..20 {
            backend.request(server.url("/get")).await.unwrap();
        }
    };
    let (slow, ()) = soon(async { join!(slow, client) }).await;
    assert_eq!(slow.unwrap().attempts(), 1);
    soon(
        server
            .ledger()
            .wait_until(|seen| seen.connections_open == 1, PATIENCE),
    )
    .await
    .expect("the drained connection ends");
    assert_eq!(server.ledger().counts().connections_accepted, 2);
}

#[tokio::test]
async fn requests_in_the_queue_move_on_when_their_connection_dies() {
    let listener = Listener::bind().await;
    let backend = backend(plain().http2_connections_per_origin(1));
    let client = async {
        let blocked = backend.exchange(exchange(Method::GET, &listener.url("/")));
        let queued =
            join_all((0..5).map(|_| backend.exchange(exchange(Method::POST, &listener.url("/")))));
        join!(blocked, queued)
    };
    let server = async {
        let mut old = listener.accept(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        old.request().await;
        assert!(old.frames_until_now().await.is_empty());
        drop(old);
        let mut new = listener.accept(&[]).await;
        for _ in 0..5 {
            let stream = new.request().await;
            new.head(stream, STATUS_200).await;
            new.data(stream, b"done", true).await;
        }
    };
    let ((blocked, queued), ()) = soon(async { join!(client, server) }).await;
    assert_eq!(blocked.unwrap_err().kind(), ErrorKind::Closed);
    assert!(queued.into_iter().all(|outcome| outcome.is_ok()));
}

#[tokio::test]
async fn requests_in_the_queue_do_not_wait_for_a_connection_that_is_going_away() {
    let listener = Listener::bind().await;
    let backend = backend(plain().http2_connections_per_origin(1));
    let request = || backend.exchange(exchange(Method::POST, &listener.url("/")));
    let client = async { join!(request(), join_all([request(), request()])) };
    let server = async {
        let mut old = listener.accept(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        let first = old.request().await;
        assert!(old.frames_until_now().await.is_empty());
        old.go_away(first, NO_ERROR).await;
        // The stream that the old connection has is still open all the while.
        let mut new = listener.accept(&[]).await;
        for _ in 0..2 {
            let stream = new.request().await;
            new.answer(stream).await;
        }
        old.answer(first).await;
        new
    };
    let ((first, queued), _new) = soon(async { join!(client, server) }).await;
    assert!(first.is_ok());
    assert!(queued.into_iter().all(|outcome| outcome.is_ok()));
}
