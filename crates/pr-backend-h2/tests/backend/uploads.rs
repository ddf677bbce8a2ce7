//! Request bodies: held back by the peer's windows, cut off by early answers, checked for length.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::join_all, stream};
use http::{Method, StatusCode};
use pr_backend_h2::{Backend, BackendExt, Body, ErrorKind, RequestConfig};
use pr_core::{BoxError, OutgoingBody, TimeoutPhase};
use pr_testkit::{Server, content};
use tokio::{join, sync::mpsc};

use crate::support::{
    backend, exchange, plain,
    raw::{
        CANCEL, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, INITIAL_WINDOW_SIZE, Listener,
        NO_ERROR, STATUS_200, STATUS_413,
    },
    soon,
};

type Item = Result<Bytes, BoxError>;

/// A body of so many bytes of the test content, in pieces of a length that divides nothing.
fn pieces(length: u64) -> Body {
    Body::factory(Some(length), move || {
        const PIECE: u64 = 70_001;
        let all = content::bytes(usize::try_from(length).unwrap());
        let starts = (0..length).step_by(usize::try_from(PIECE).unwrap());
        let slices = starts.map(move |start| {
            let end = (start + PIECE).min(length);
            Ok(all.slice(usize::try_from(start).unwrap()..usize::try_from(end).unwrap()))
        });
        Box::pin(stream::iter(slices))
    })
}

#[tokio::test]
async fn many_large_uploads_at_once_all_arrive() {
    const LENGTH: u64 = 8 << 20;
    let server = Server::builder().http2_only().start();
    let backend = backend(plain().http2_connections_per_origin(1));
    let whole = content::bytes(usize::try_from(LENGTH).unwrap());
    let uploads = (0..8).map(|n| {
        let body = if n % 2 == 0 {
            pieces(LENGTH)
        } else {
            Body::from(whole.clone())
        };
        backend.request(RequestConfig::post(server.url("/upload")).data(body))
    });
    let hash = format!("{:016x}", content::fnv1a64(&whole));
    for response in soon(join_all(uploads)).await {
        let seen: serde_json::Value = response.unwrap().json().unwrap();
        assert_eq!(seen["bytes"], LENGTH);
        assert_eq!(seen["fnv1a64"], hash);
    }
}

#[tokio::test]
async fn many_uploads_at_once_get_through_tiny_windows() {
    const LENGTH: usize = 5_000;
    const WINDOW: u32 = 16;
    let listener = Listener::bind().await;
    let backend = backend(plain().http2_connections_per_origin(1));
    let requests = (0..20).map(|n| {
        let body = Bytes::from(vec![n; LENGTH]);
        // Half of them in one piece, and half as they are produced.
        let request = RequestConfig::post(listener.url("/"));
        backend.request(if n % 2 == 0 {
            request.data(body)
        } else {
            let pieces = stream::iter(
                body.chunks(700)
                    .map(|piece| Ok(piece.to_vec().into()))
                    .collect::<Vec<_>>(),
            );
            request.data(Body::one_shot(None, pieces))
        })
    });
    let client = async {
        backend.request(listener.url("/")).await.unwrap();
        join_all(requests).await
    };
    let server = async {
        let window = [(INITIAL_WINDOW_SIZE, WINDOW)];
        let mut peer = listener.accept_and_answer(&window).await;
        let mut received = HashMap::<u32, Vec<u8>>::new();
        let mut open = 20;
        while open > 0 {
            let frame = peer.read_stream().await;
            assert!(frame.payload.len() <= WINDOW as usize || frame.kind == HEADERS);
            if frame.kind == DATA {
                let read = u32::try_from(frame.payload.len()).unwrap();
                received
                    .entry(frame.stream)
                    .or_default()
                    .extend(&frame.payload);
                // Each connection's window is less than all of them together, too.
                if read > 0 {
                    peer.open_window(0, read).await;
                    peer.open_window(frame.stream, read).await;
                }
            }
            if frame.ends_stream() {
                open -= 1;
                peer.answer(frame.stream).await;
            }
        }
        let whole =
            |body: &Vec<u8>| body.len() == LENGTH && body.iter().all(|byte| *byte == body[0]);
        assert!(received.len() == 20 && received.values().all(whole));
        peer
    };
    let (responses, _peer) = soon(async { join!(client, server) }).await;
    assert!(responses.into_iter().all(|response| response.is_ok()));
}

#[tokio::test]
async fn lengths_are_announced_where_they_are_known_or_expected() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    let unknown = Body::factory(None, || {
        Box::pin(stream::iter([Ok(Bytes::from_static(b"ab"))]))
    });
    let cases = [
        (Method::GET, Body::empty(), None, 0),
        (Method::DELETE, Body::empty(), None, 0),
        (Method::POST, Body::empty(), Some("0"), 0),
        (Method::PUT, Body::empty(), Some("0"), 0),
        (Method::PATCH, Body::empty(), Some("0"), 0),
        (Method::POST, Body::from("hello"), Some("5"), 5),
        (Method::POST, pieces(100_000), Some("100000"), 100_000),
        (Method::POST, unknown, None, 2),
    ];
    for (number, (method, body, announced, length)) in cases.into_iter().enumerate() {
        let request = RequestConfig::new(method, server.url("/anything")).data(body);
        soon(backend.request(request)).await.unwrap();
        let seen = &server.ledger().requests()[number];
        assert_eq!(seen.header("content-length"), announced);
        assert_eq!((seen.body_bytes, seen.body_complete), (length, true));
        assert!(seen.header("transfer-encoding").is_none());
    }
}

#[tokio::test]
async fn a_streamed_body_is_taken_no_faster_than_the_peer_has_room() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let taken = Arc::new(AtomicU64::new(0));
    let counter = taken.clone();
    let source = stream::repeat_with(move || {
        counter.fetch_add(10_000, Ordering::Relaxed);
        Ok(Bytes::from(vec![0; 10_000]))
    });
    let mut request = exchange(Method::POST, &listener.url("/"));
    request.body = OutgoingBody::Stream {
        stream: Box::pin(source.take(100)),
        length: None,
    };
    let client = async {
        backend.request(listener.url("/first")).await.unwrap();
        backend.exchange(request).await
    };
    let server = async {
        let mut peer = listener
            .accept_and_answer(&[(INITIAL_WINDOW_SIZE, 25_000)])
            .await;
        let stream = peer.request().await;
        let mut received = 0;
        let mut count = |frames: Vec<Frame>| {
            received += frames
                .iter()
                .map(|frame| frame.payload.len() as u64)
                .sum::<u64>();
            received
        };
        assert_eq!(count(peer.frames_until_now().await), 25_000);
        assert_eq!(taken.load(Ordering::Relaxed), 30_000);
        peer.open_window(stream, 5_001).await;
        assert_eq!(count(peer.frames_until_now().await), 30_001);
        assert_eq!(taken.load(Ordering::Relaxed), 40_000);
        peer.open_window(stream, 10_000_000).await;
        peer.open_window(0, 10_000_000).await;
        let mut ended = false;
        while !ended {
            let frame = peer.read_stream().await;
            ended = frame.ends_stream();
            count(vec![frame]);
        }
        assert_eq!(count(vec![]), 1_000_000);
        peer.answer(stream).await;
        peer
    };
    let (outcome, _peer) = soon(async { join!(client, server) }).await;
    assert_eq!(outcome.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_window_that_never_opens_is_a_timeout_in_writing() {
    let slow_reader = async |body: Body| {
        let listener = Listener::bind().await;
        let backend = backend(plain());
        let request = RequestConfig::post(listener.url("/"))
            .data(body)
            .timeout(Duration::from_millis(150));
        let client = async {
            backend.request(listener.url("/first")).await.unwrap();
            backend.request(request).await
        };
        let server = async {
            let mut peer = listener
                .accept_and_answer(&[(INITIAL_WINDOW_SIZE, 0)])
                .await;
            peer.rest().await;
        };
        let error = tokio::select! {
            outcome = client => outcome.unwrap_err(),
            () = server => panic!("the client is to be slower than this"),
        };
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Write));
    };
    soon(slow_reader("small".into())).await;
    soon(slow_reader(Bytes::from(vec![0; 2 << 20]).into())).await;
    soon(slow_reader(pieces(1_000))).await;
}

#[tokio::test]
async fn a_peer_that_is_slow_to_answer_is_a_timeout_in_waiting_for_the_head() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    for body in [Body::empty(), Body::from("small"), pieces(1_000)] {
        let request = RequestConfig::post(server.url("/delay/20"))
            .data(body)
            .timeout(Duration::from_millis(150));
        let error = soon(backend.request(request)).await.unwrap_err();
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Head));
    }
}

#[tokio::test]
async fn a_response_that_stalls_is_a_timeout_in_reading_even_if_the_request_ended_late() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let request = RequestConfig::post(listener.url("/"))
        .data("held back")
        .timeout(Duration::from_millis(500));
    let client = async {
        backend.request(listener.url("/first")).await.unwrap();
        backend.request(request).await
    };
    let server = async {
        let mut peer = listener
            .accept_and_answer(&[(INITIAL_WINDOW_SIZE, 0)])
            .await;
        let stream = peer.request().await;
        peer.head(stream, STATUS_200).await;
        assert!(peer.frames_until_now().await.is_empty());
        peer.open_window(stream, 1_000).await;
        assert!(peer.read_stream().await.ends_stream());
        peer.rest().await;
    };
    let error = soon(async {
        tokio::select! {
            outcome = client => outcome.unwrap_err(),
            () = server => panic!("the client keeps the connection"),
        }
    })
    .await;
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Read));
}

#[tokio::test]
async fn an_early_refusal_is_delivered_and_ends_the_upload() {
    for polite in [true, false] {
        let listener = Listener::bind().await;
        let backend = backend(plain());
        let client = backend.request(RequestConfig::post(listener.url("/")).data(pieces(8 << 20)));
        let server = async {
            let mut peer = listener.accept(&[]).await;
            let stream = peer.request().await;
            peer.write(HEADERS, END_STREAM | END_HEADERS, stream, STATUS_413)
                .await;
            if polite {
                peer.reset(stream, NO_ERROR).await;
                return peer;
            }
            // Without being told to stop, the client says itself that it does.
            loop {
                let frame = peer.read_stream().await;
                if frame.kind != DATA {
                    assert_eq!(frame.code(), CANCEL);
                    return peer;
                }
            }
        };
        let (outcome, _peer) = soon(async { join!(client, server) }).await;
        assert_eq!(
            outcome.unwrap().status_code(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }
}

#[tokio::test]
async fn a_peer_that_wants_no_more_ends_an_upload_that_has_nothing_to_send() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let silent = Body::one_shot(None, stream::pending());
    let client = backend.request(RequestConfig::post(listener.url("/")).data(silent));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        peer.answer(stream).await;
        peer.reset(stream, NO_ERROR).await;
        peer
    };
    let (outcome, _peer) = soon(async { join!(client, server) }).await;
    assert_eq!(outcome.unwrap().status_code(), StatusCode::OK);
}

#[tokio::test]
async fn an_early_success_lets_the_upload_end() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = backend.request(RequestConfig::post(listener.url("/")).data(pieces(1 << 20)));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        peer.answer(stream).await;
        let mut received = 0;
        loop {
            let frame = peer.read_stream().await;
            assert_eq!(frame.kind, DATA, "{frame:?}");
            received += frame.payload.len();
            if frame.ends_stream() {
                break;
            }
            let read = u32::try_from(frame.payload.len()).unwrap();
            if read > 0 {
                peer.open_window(0, read).await;
                peer.open_window(stream, read).await;
            }
        }
        assert_eq!(received, 1 << 20);
        peer
    };
    let (outcome, _peer) = soon(async { join!(client, server) }).await;
    assert_eq!(outcome.unwrap().status_code(), StatusCode::OK);
}

#[tokio::test]
async fn request_and_response_may_be_a_conversation() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let (say, said) = mpsc::channel::<Bytes>(1);
    let source = stream::unfold(said, |mut said| async {
        let piece = said.recv().await?;
        Some((Ok(piece), said))
    });
    let request = RequestConfig::post(listener.url("/")).data(Body::one_shot(None, source));
    let client = async {
        let mut response = backend.stream(request).await.unwrap();
        // Nobody reads the response meanwhile; the upload goes on all the same.
        for _ in 0..10 {
            say.send(Bytes::from_static(b"ping")).await.unwrap();
        }
        for _ in 0..10 {
            assert_eq!(response.next().await.unwrap().unwrap(), "pong");
        }
        drop(say);
        assert!(response.next().await.is_none());
    };
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        peer.head(stream, STATUS_200).await;
        for _ in 0..10 {
            assert_eq!(peer.read_stream().await.payload, b"ping");
            peer.data(stream, b"pong", false).await;
        }
        assert!(peer.read_stream().await.ends_stream());
        peer.data(stream, b"", true).await;
        peer
    };
    let ((), _peer) = soon(async { join!(client, server) }).await;
}

#[tokio::test]
async fn a_body_that_fails_or_lies_about_its_length_is_never_taken_for_whole() {
    let bytes = |count: usize| Ok(Bytes::from(vec![1; count]));
    let cases: [(Vec<Item>, Option<u64>, &str); 4] = [
        (vec![bytes(3)], Some(5), "shorter"),
        (vec![bytes(3), bytes(3)], Some(5), "longer"),
        (
            vec![bytes(3), Err("the disk broke".into())],
            Some(5),
            "failed",
        ),
        (vec![bytes(3), Err("the disk broke".into())], None, "failed"),
    ];
    for (items, length, complaint) in cases {
        let listener = Listener::bind().await;
        let backend = backend(plain());
        let mut request = exchange(Method::POST, &listener.url("/"));
        request.body = OutgoingBody::Stream {
            stream: Box::pin(stream::iter(items)),
            length,
        };
        let client = backend.exchange(request);
        let server = async {
            let mut peer = listener.accept(&[]).await;
            peer.request().await;
            loop {
                let frame = peer.read_stream().await;
                assert!(!frame.ends_stream(), "the peer could take it for whole");
                if frame.kind != DATA {
                    assert_eq!(frame.code(), CANCEL);
                    return peer;
                }
            }
        };
        let (outcome, _peer) = soon(async { join!(client, server) }).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
        assert!(error.message().contains(complaint), "{error}");
    }
}

#[tokio::test]
async fn a_body_that_fails_after_the_head_fails_the_response() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let (fail, failed) = mpsc::channel::<Item>(1);
    let source = stream::unfold(failed, |mut failed| async {
        let piece = failed.recv().await?;
        Some((piece, failed))
    });
    let request = RequestConfig::post(listener.url("/")).data(Body::one_shot(None, source));
    let client = async {
        let mut response = backend.stream(request).await.unwrap();
        assert!(response.next().now_or_never().is_none());
        fail.send(Err("the disk broke".into())).await.unwrap();
        response.next().await.unwrap().unwrap_err()
    };
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        peer.head(stream, STATUS_200).await;
        assert_eq!(peer.read_stream().await.code(), CANCEL);
        peer
    };
    let (error, _peer) = soon(async { join!(client, server) }).await;
    assert_eq!(error.kind(), ErrorKind::Body);
}
