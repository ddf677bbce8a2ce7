//! Request bodies that wait for the peer's leave (RFC 9110, section 10.1.1).

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderValue, Method, header};
use pr_backend_h2::Backend;
use pr_core::{ExchangeRequest, OutgoingBody};
use tokio::join;

use crate::support::{
    backend, exchange, plain,
    raw::{CANCEL, DATA, END_STREAM, Listener, Peer, STATUS_103, STATUS_200, STATUS_413},
    soon,
};

/// `:status: 100` as a literal.
const STATUS_100: &[u8] = &[0x08, 3, b'1', b'0', b'0'];

fn asking(url: &str, body: OutgoingBody) -> ExchangeRequest {
    let mut request = exchange(Method::POST, url);
    let leave = HeaderValue::from_static("100-continue");
    request.headers.insert(header::EXPECT, leave);
    request.body = body;
    request
}

fn bodies() -> [OutgoingBody; 2] {
    let pieces = stream::iter(["he", "llo"]).map(|piece| Ok(Bytes::from(piece)));
    [
        OutgoingBody::Full("hello".into()),
        OutgoingBody::Stream {
            stream: Box::pin(pieces),
            length: None,
        },
    ]
}

/// Reads a body to its end.
async fn read_body(peer: &mut Peer) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let frame = peer.read_stream().await;
        assert_eq!(frame.kind, DATA, "{frame:?}");
        body.extend_from_slice(&frame.payload);
        if frame.flags & END_STREAM != 0 {
            return body;
        }
    }
}

#[tokio::test]
async fn the_body_waits_for_leave() {
    for body in bodies() {
        let listener = Listener::bind().await;
        let backend = backend(plain());
        let client = backend.exchange(asking(&listener.url("/"), body));
        let server = async {
            let mut peer = listener.accept(&[]).await;
            let stream = peer.request().await;
            assert!(peer.frames_until_now().await.is_empty());
            // This is not leave.
            peer.head(stream, STATUS_103).await;
            assert!(peer.frames_until_now().await.is_empty());
            let asked = Instant::now();
            peer.head(stream, STATUS_100).await;
            assert_eq!(read_body(&mut peer).await, b"hello");
            peer.answer(stream).await;
            (peer, asked.elapsed())
        };
        let (outcome, (_peer, took)) = soon(async { join!(client, server) }).await;
        assert_eq!(outcome.unwrap().status, 200);
        assert!(took < Duration::from_millis(900), "{took:?}");
    }
}

/// Leave that comes while the request is still being sent, on another thread, counts as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leave_that_comes_early_is_not_overlooked() {
    const REQUESTS: u32 = 300;
    let listener = Listener::bind().await;
    let url = listener.url("/");
    let server = tokio::spawn(async move {
        let mut peer = listener.accept(&[]).await;
        for _ in 0..REQUESTS {
            let stream = peer.request().await;
            peer.head(stream, STATUS_100).await;
            assert_eq!(read_body(&mut peer).await, b"hello");
            peer.answer(stream).await;
        }
    });
    let backend = backend(plain());
    let started = Instant::now();
    for _ in 0..REQUESTS {
        let body = OutgoingBody::Full("hello".into());
        let outcome = soon(backend.exchange(asking(&url, body))).await;
        assert_eq!(outcome.unwrap().status, 200);
    }
    // Each leave that is overlooked costs a second.
    assert!(started.elapsed() < Duration::from_secs(60));
    server.await.unwrap();
}

#[tokio::test]
async fn silence_is_taken_for_leave() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = backend.exchange(asking(
        &listener.url("/"),
        OutgoingBody::Full("hello".into()),
    ));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        let asked = Instant::now();
        assert_eq!(read_body(&mut peer).await, b"hello");
        peer.answer(stream).await;
        (peer, asked.elapsed())
    };
    let (outcome, (_peer, took)) = soon(async { join!(client, server) }).await;
    assert_eq!(outcome.unwrap().status, 200);
    assert!(took > Duration::from_millis(800), "{took:?}");
}

#[tokio::test]
async fn an_answer_in_place_of_leave_is_the_outcome() {
    // With content and without, and with all that there is of it or only some at first.
    let cases: [(&[u8], &[&str]); 4] = [
        (STATUS_413, &["no"]),
        (STATUS_413, &[]),
        (STATUS_200, &["no ", "need"]),
        (STATUS_200, &[]),
    ];
    for (status, pieces) in cases {
        for body in bodies() {
            let listener = Listener::bind().await;
            let backend = backend(plain());
            let client = async {
                let response = backend.exchange(asking(&listener.url("/"), body)).await;
                let frames = response.unwrap().body.map(|frame| frame.unwrap());
                let content = frames.count().await;
                let next = backend.exchange(exchange(Method::GET, &listener.url("/")));
                assert!(next.await.unwrap().connection.reused);
                content
            };
            let server = async {
                let mut peer = listener.accept(&[]).await;
                let stream = peer.request().await;
                peer.head(stream, status).await;
                for piece in pieces {
                    assert!(peer.frames_until_now().await.is_empty());
                    peer.data(stream, piece.as_bytes(), false).await;
                }
                peer.data(stream, b"", true).await;
                let mut seen = [peer.read_stream().await, peer.read_stream().await];
                seen.sort_by_key(|frame| frame.stream);
                let [reset, next] = seen;
                assert_eq!((reset.stream, reset.code()), (stream, CANCEL));
                peer.answer(next.stream).await;
                peer
            };
            let (content, _peer) = soon(async { join!(client, server) }).await;
            assert!(content >= pieces.len());
        }
    }
}

#[tokio::test]
async fn a_slow_reader_of_the_answer_does_not_set_the_body_free() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = async {
        let body = OutgoingBody::Full("hello".into());
        let response = backend.exchange(asking(&listener.url("/"), body)).await;
        response.unwrap().body.count().await
    };
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        peer.head(stream, STATUS_200).await;
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        assert!(peer.frames_until_now().await.is_empty());
        peer.data(stream, b"late", true).await;
        assert_eq!(peer.read_stream().await.code(), CANCEL);
        peer
    };
    let (frames, _peer) = soon(async { join!(client, server) }).await;
    assert_eq!(frames, 1);
}
