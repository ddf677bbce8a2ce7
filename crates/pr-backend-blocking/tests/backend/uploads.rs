//! Request bodies that fail, lie about their length, or are not wanted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Method;
use pr_backend_blocking::{
    Backend, BackendError, BackendExt, Body, Delivery, ErrorKind, RequestConfig, TimeoutPhase,
};
use pr_core::{BoxError, Frame, OutgoingBody, Stage};
use pr_testkit::{Latch, Script, ScriptedServer, Server, TestCa};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{PATIENCE, backend, request, single};

type Pieces = Vec<Result<&'static str, &'static str>>;

fn body(pieces: Pieces, length: Option<u64>) -> OutgoingBody {
    let pieces = pieces.into_iter().map(|piece| match piece {
        Ok(text) => Ok(Bytes::from_static(text.as_bytes())),
        Err(text) => Err(BoxError::from(text)),
    });
    OutgoingBody::Stream {
        stream: Box::pin(stream::iter(pieces)),
        length,
    }
}

async fn post(pieces: Pieces, length: Option<u64>) -> (Server, Result<(), BackendError>) {
    let server = Server::start();
    let mut request = request(Method::POST, &server.url("/post"));
    request.body = body(pieces, length);
    let outcome = backend().exchange(request).await.map(drop);
    (server, outcome)
}

#[tokio::test]
async fn a_body_that_fails_ends_the_exchange_with_its_own_error() {
    for length in [None, Some(100)] {
        let (server, outcome) = post(vec![Ok("some"), Err("the disk is gone")], length).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
        assert_eq!(error.delivery(), Delivery::Unknown);
        assert!(
            error.chain().ends_with(": the disk is gone"),
            "{}",
            error.chain()
        );
        // The peer must not take what it got for the whole.
        for request in server.ledger().requests() {
            assert!(!request.body_complete);
        }
    }
}

#[tokio::test]
async fn a_body_of_another_length_than_it_says_is_an_error() {
    let cases: [(Pieces, u64, &str); 5] = [
        (vec![Ok("abc")], 5, "2 bytes shorter"),
        (vec![], 5, "5 bytes shorter"),
        (vec![Ok("abc"), Ok("def")], 5, "longer"),
        // The piece that makes it too long comes after the length has been reached.
        (vec![Ok("abcde"), Ok(""), Ok("f")], 5, "longer"),
        (vec![Ok("x")], 0, "longer"),
    ];
    for (pieces, length, text) in cases {
        let (server, outcome) = post(pieces, Some(length)).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body);
        assert!(error.message().contains(text), "{}", error.message());
        assert!(
            server
                .ledger()
                .requests()
                .iter()
                .all(|request| !request.body_complete)
        );
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_believed_its_length() {
    let server = Server::start();
    let mut request = request(Method::POST, &server.url("/post"));
    let endless = stream::iter([Ok(Bytes::from_static(b"abc"))]).chain(stream::pending());
    request.body = OutgoingBody::Stream {
        stream: Box::pin(endless),
        length: Some(3),
    };
    assert_eq!(backend().exchange(request).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_body_may_use_the_callers_runtime() {
    let server = Server::start();
    let mut request = request(Method::POST, &server.url("/upload"));
    let slow = stream::iter(0..5).then(|_| async {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let spawned = tokio::spawn(async { Bytes::from_static(b"tick") });
        spawned.await.map_err(BoxError::from)
    });
    request.body = OutgoingBody::Stream {
        stream: Box::pin(slow),
        length: Some(20),
    };
    let response = backend().exchange(request).await.unwrap();
    let text = String::from_utf8(crate::support::read(response).await.unwrap()).unwrap();
    assert!(text.contains("20"), "{text}");
}

#[tokio::test]
async fn a_body_that_panics_is_an_error_and_costs_no_thread() {
    let server = Server::start();
    let backend = single();
    for _ in 0..3 {
        let mut request = request(Method::POST, &server.url("/post"));
        let panics = stream::poll_fn(|_| panic!("this panic is part of the test"));
        request.body = OutgoingBody::Stream {
            stream: Box::pin(panics),
            length: None,
        };
        let error = backend.exchange(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
    }
    backend.request(server.url("/status/200")).await.unwrap();
}

#[tokio::test]
async fn progress_tells_when_the_body_is_on_its_way() {
    let go = Latch::new();
    let server = Server::start();
    let mut request = request(Method::POST, &server.url("/post"));
    let (first, wait) = (Latch::new(), go.clone());
    let reached = first.clone();
    let pieces = stream::once(async move {
        reached.open();
        assert!(wait.wait(PATIENCE).await);
        Ok(Bytes::from_static(b"late"))
    });
    request.body = OutgoingBody::Stream {
        stream: Box::pin(pieces),
        length: Some(4),
    };
    let progress = request.progress.clone();
    let backend = backend();
    let exchange = tokio::spawn(async move { backend.exchange(request).await.map(|r| r.status) });
    assert!(first.wait(PATIENCE).await);
    assert_eq!(progress.stage(), Stage::Sending);
    go.open();
    assert_eq!(exchange.await.unwrap().unwrap(), 200);
    assert_eq!(progress.stage(), Stage::ReadingBody);
}

const TOO_LARGE: &str = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig";
const ENOUGH: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbig";

/// A server that answers the head of a request and takes nothing more, in one way or another.
fn answering_early(tls: bool, answer: &str, then: impl Fn(Script) -> Script) -> ScriptedServer {
    let answer = answer.to_owned();
    let mut server = ScriptedServer::builder();
    if tls {
        server = server.tls(TestCa::shared().localhost());
    }
    server
        .connection(then(Script::new().expect_head().send(answer.clone())))
        .connection(Script::new().expect_head().send(answer).stall())
        .start()
}

#[tokio::test]
async fn an_early_answer_arrives_and_ends_the_upload_with_its_connection() {
    for tls in [false, true] {
        let server = answering_early(tls, TOO_LARGE, Script::stop_reading);
        let produced = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&produced);
        let endless = Body::factory(None, move || {
            let count = Arc::clone(&count);
            let chunk = Bytes::from(vec![7; 64 << 10]);
            Box::pin(stream::repeat_with(move || {
                count.fetch_add(1, Ordering::Relaxed);
                Ok(chunk.clone())
            }))
        });
        let backend = backend();
        let request = RequestConfig::post(server.url("/")).data(endless);
        let response = backend.request(request).await.unwrap();
        assert_eq!(response.text(), "big");
        assert_eq!(Arc::strong_count(&produced), 1, "the upload goes on");
        assert!(
            !backend
                .request(server.url("/"))
                .await
                .unwrap()
                .connection()
                .reused
        );
    }
}

#[tokio::test]
async fn an_early_answer_to_a_body_of_known_length_arrives_too() {
    for tls in [false, true] {
        let pieces = || {
            stream::repeat(Bytes::from(vec![7; 100_000]))
                .map(Ok)
                .take(1 << 20)
        };
        let bodies = [
            Body::from(vec![7; 32 << 20]),
            Body::factory(Some(100_000 << 20), move || Box::pin(pieces())),
        ];
        for body in bodies {
            let server = answering_early(tls, TOO_LARGE, Script::stop_reading);
            let backend = backend();
            let request = RequestConfig::post(server.url("/")).data(body);
            assert_eq!(backend.request(request).await.unwrap().text(), "big");
            let next = backend.request(server.url("/")).await.unwrap();
            assert!(!next.connection().reused);
        }
    }
}

#[tokio::test]
async fn an_early_refusal_of_a_peer_that_leaves_at_once_arrives_too() {
    for tls in [false, true] {
        let server = answering_early(tls, TOO_LARGE, Script::close);
        let backend = backend();
        let request = RequestConfig::post(server.url("/")).data(vec![7; 32 << 20]);
        assert_eq!(backend.request(request).await.unwrap().text(), "big");
        assert!(
            !backend
                .request(server.url("/"))
                .await
                .unwrap()
                .connection()
                .reused
        );
    }
}

/// More than any number of buffers between here and a peer can hold.
fn endless() -> Body {
    let piece = Bytes::from(vec![7; 64 << 10]);
    Body::factory(None, move || {
        Box::pin(stream::repeat(piece.clone()).map(Ok))
    })
}

/// Answers the head of one request and closes the connection with the rest of it unread.
async fn answers_and_leaves(listener: TcpListener, answer: &'static str) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = [0; 16];
    stream.read_exact(&mut head).await.unwrap();
    stream.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn an_early_success_does_not_hide_that_half_of_the_body_was_not_sent() {
    for (answer, kind) in [(ENOUGH, Some(ErrorKind::Closed)), (TOO_LARGE, None)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(answers_and_leaves(listener, answer));
        let request = RequestConfig::post(url).data(endless());
        let outcome = backend().request(request).await;
        server.await.unwrap();
        match (outcome, kind) {
            (Err(error), Some(kind)) => {
                assert_eq!((error.kind(), error.delivery()), (kind, Delivery::Unknown));
            }
            (Ok(response), None) => assert_eq!(response.status_code(), 413),
            (outcome, _) => panic!("{outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_peer_that_answers_with_success_may_take_its_time_to_read() {
    for tls in [false, true] {
        let server = answering_early(tls, ENOUGH, Script::stop_reading);
        let request = RequestConfig::post(server.url("/")).data(endless());
        let request = request.timeout(Duration::from_millis(500));
        let error = backend().request(request).await.unwrap_err();
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Write));
    }
}

#[tokio::test]
async fn an_answer_that_is_no_error_does_not_end_the_upload() {
    // The peer answers at once and listens to the end.
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let script = Script::new()
        .expect_head()
        .send(answer)
        .expect_bytes(40 << 20);
    let server = ScriptedServer::once(script.stall());
    let heard_all = |all: &[pr_testkit::ScriptedConnection]| all[0].received.len() > 40 << 20;
    let request = RequestConfig::post(server.url("/")).data(vec![7; 40 << 20]);
    assert_eq!(backend().request(request).await.unwrap().text(), "ok");
    assert!(server.wait_until(heard_all, PATIENCE).await.is_some());
}

#[tokio::test]
async fn what_comes_before_an_early_refusal_hides_it_from_nobody() {
    for before in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
        "\r\n",
    ] {
        for tls in [false, true] {
            let server =
                answering_early(tls, &format!("{before}{TOO_LARGE}"), Script::stop_reading);
            let request = RequestConfig::post(server.url("/")).data(endless());
            let response = backend().request(request).await.unwrap();
            assert_eq!(response.status_code(), 413);
            assert_eq!(response.text(), "big");
        }
    }
}

#[tokio::test]
async fn an_early_refusal_that_comes_piece_by_piece_is_heard() {
    for tls in [false, true] {
        for at in [5, 11, 30] {
            let (first, rest) = TOO_LARGE.split_at(at);
            let server = answering_early(tls, first, |script| {
                script.send(rest.to_owned()).stop_reading()
            });
            let request = RequestConfig::post(server.url("/")).data(endless());
            let response = backend().request(request).await.unwrap();
            assert_eq!(response.status_code(), 413);
            assert_eq!(response.text(), "big");
        }
    }
}

#[tokio::test]
async fn too_many_informational_responses_end_an_upload() {
    let flood = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
    let server = answering_early(false, &flood, Script::stop_reading);
    let request = RequestConfig::post(server.url("/")).data(endless());
    let error = backend().request(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}

/// What becomes of an upload to a peer that answers like this and stops reading.
async fn stalled(line: &str, tls: bool, closes: bool) {
    let close = if closes { "connection: close\r\n" } else { "" };
    let answer = format!("HTTP/1.1 {line}\r\n{close}content-length: 3\r\n\r\nbig");
    let server = answering_early(tls, &answer, Script::stop_reading);
    let mut post = request(Method::POST, &server.url("/"));
    post.body = OutgoingBody::Stream {
        stream: Box::pin(stream::repeat(Bytes::from(vec![7; 64 << 10])).map(Ok)),
        length: None,
    };
    let mut response = backend().exchange(post).await.unwrap();
    assert!(line.starts_with(response.status.as_str()));
    let first = response.body.next().await.unwrap().unwrap();
    assert!(matches!(first, Frame::Data(data) if &data[..] == b"big"));
    match response.body.next().await {
        // One that closes has had enough.
        None => assert!(closes),
        Some(end) => {
            let error = end.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Closed);
            assert_eq!(error.delivery(), Delivery::Unknown);
            assert!(!closes);
        }
    }
}

#[tokio::test]
async fn an_early_success_of_a_peer_that_stops_reading_arrives_but_is_not_whole() {
    let lines = ["200 OK", "303 See Other\r\nlocation: /elsewhere"];
    let cases = lines.into_iter().flat_map(|line| {
        let cases = [(false, false), (false, true), (true, false), (true, true)];
        cases.map(|(tls, closes)| stalled(line, tls, closes))
    });
    let all = futures::future::join_all(cases);
    tokio::time::timeout(PATIENCE, all).await.unwrap();
}
