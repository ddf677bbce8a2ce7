//! Request bodies that fail, lie about their length, or are not wanted.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use http::Method;
use pr_backend_hyper::{Backend, BackendError, BackendExt, Body, ErrorKind, RequestConfig};
use pr_core::{BoxError, Delivery, OutgoingBody, Stage};
use pr_testkit::{Latch, RequestOutcome, Script, ScriptedServer, Server};

use crate::support::{PATIENCE, backend, request};

/// Tells when what holds it is gone.
struct OpenOnDrop(Latch);

impl Drop for OpenOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

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
            assert!(!matches!(request.outcome, RequestOutcome::Answered(_)));
        }
    }
}

#[tokio::test]
async fn a_body_of_another_length_than_it_says_is_an_error() {
    let cases: [(Pieces, u64, &str); 5] = [
        (vec![Ok("abc")], 5, "2 bytes before"),
        (vec![], 5, "5 bytes before"),
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
    assert_eq!(progress.stage(), Stage::AwaitingHead);
}

#[tokio::test]
async fn an_early_answer_arrives_and_ends_the_upload_with_its_connection() {
    let answer = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig";
    let server = ScriptedServer::builder()
        .connection(Script::new().expect_head().send(answer).stop_reading())
        .connection(Script::new().expect_head().send(answer).stall())
        .start();
    let gone = Latch::new();
    let guard = OpenOnDrop(gone.clone());
    let piece = Bytes::from(vec![7; 64 << 10]);
    let endless = stream::repeat_with(move || {
        let _held = &guard;
        Ok(piece.clone())
    });
    let request = RequestConfig::post(server.url("/")).data(Body::one_shot(None, endless));
    let backend = backend();
    let response = backend.request(request).await.unwrap();
    assert_eq!(response.status_code(), 413);
    assert_eq!(response.text(), "big");
    assert!(gone.wait(PATIENCE).await, "the upload goes on");

    let next = backend.request(server.url("/")).await.unwrap();
    assert!(!next.connection().reused);
}

#[tokio::test]
async fn an_early_answer_to_a_body_that_pauses_ends_its_connection_too() {
    let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno";
    let server = ScriptedServer::always(Script::new().expect_head().send(answer).stall());
    let backend = backend();
    let paused = Body::one_shot(None, stream::pending());
    let request = RequestConfig::post(server.url("/")).data(paused);
    assert_eq!(backend.request(request).await.unwrap().status_code(), 401);
    let next = backend
        .request(RequestConfig::get(server.url("/")))
        .await
        .unwrap();
    assert!(!next.connection().reused);
}

#[tokio::test]
async fn an_early_answer_to_a_body_in_one_piece_ends_its_connection_too() {
    let answer = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig";
    let server = ScriptedServer::builder()
        .connection(Script::new().expect_head().send(answer).stop_reading())
        .connection(Script::new().expect_head().send(answer).stall())
        .start();
    let backend = backend();
    let large = RequestConfig::post(server.url("/")).data(vec![7; 32 << 20]);
    assert_eq!(backend.request(large).await.unwrap().status_code(), 413);
    let next = RequestConfig::get(server.url("/")).timeout(Duration::from_secs(20));
    assert!(!backend.request(next).await.unwrap().connection().reused);
}

const EARLY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly";

/// A body of 4 bytes, the second half of which comes when the latch is opened.
fn in_two_halves(go: &Latch, second: Result<&'static str, &'static str>) -> Body {
    let go = go.clone();
    let first = stream::once(async { Ok(Bytes::from_static(b"ab")) });
    let second = stream::once(async move {
        assert!(go.wait(PATIENCE).await);
        second
            .map(|text| Bytes::from_static(text.as_bytes()))
            .map_err(BoxError::from)
    });
    Body::one_shot(Some(4), first.chain(second))
}

/// A future that is woken by what it waits for, and not by a time limit somewhere.
async fn promptly<T>(future: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let output = future.await;
    assert!(begun.elapsed() < PATIENCE, "nobody woke it");
    output
}

#[tokio::test]
async fn an_early_success_is_not_complete_before_the_upload_is() {
    let go = Latch::new();
    let script = Script::new()
        .expect_head()
        .expect_bytes(2)
        .send(EARLY)
        .expect_bytes(2);
    let server = ScriptedServer::once(script.expect_head().send(EARLY).stall());
    let backend = backend();
    let post = RequestConfig::post(server.url("/")).data(in_two_halves(&go, Ok("cd")));
    let mut response = backend.stream(post).await.unwrap();
    assert_eq!(&response.next().await.unwrap().unwrap()[..], b"early");
    assert!(
        response.next().now_or_never().is_none(),
        "the request is not complete"
    );
    go.open();
    assert!(promptly(response.next()).await.is_none());
    // Now it is, and its connection is as good as ever.
    let next = backend.request(server.url("/")).await.unwrap();
    assert!(next.connection().reused);
}

#[tokio::test]
async fn an_upload_that_fails_after_an_early_success_is_still_a_failure() {
    let go = Latch::new();
    let script = Script::new()
        .expect_head()
        .expect_bytes(2)
        .send(EARLY)
        .open(&go)
        .stall();
    let server = ScriptedServer::once(script);
    let body = in_two_halves(&go, Err("the disk is gone"));
    let error = backend()
        .request(RequestConfig::post(server.url("/")).data(body))
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Body, "{}", error.chain());
}

#[tokio::test]
async fn a_connection_that_is_lost_after_an_early_success_is_a_failure() {
    let never = Latch::new();
    for body in [
        in_two_halves(&never, Ok("cd")),
        Body::from(vec![7; 32 << 20]),
    ] {
        let lose = Latch::new();
        let script = Script::new()
            .expect_head()
            .send(EARLY)
            .wait_for(&lose)
            .reset();
        let server = ScriptedServer::once(script);
        let backend = backend();
        let post = RequestConfig::post(server.url("/")).data(body);
        let mut response = backend.stream(post).await.unwrap();
        assert_eq!(&response.next().await.unwrap().unwrap()[..], b"early");
        lose.open();
        let error = response.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{}", error.chain());
        assert!(error.may_have_been_processed());
    }
}

#[tokio::test]
async fn a_peer_that_closes_after_an_early_success_has_had_enough() {
    let never = Latch::new();
    let answer =
        "HTTP/1.1 200 OK\r\nconnection: keep-alive, Close\r\ncontent-length: 5\r\n\r\nearly";
    let server = ScriptedServer::always(
        Script::new()
            .expect_head()
            .expect_bytes(2)
            .send(answer)
            .stall(),
    );
    let post = RequestConfig::post(server.url("/")).data(in_two_halves(&never, Ok("cd")));
    assert_eq!(backend().request(post).await.unwrap().text(), "early");
}

#[tokio::test]
async fn an_early_success_waits_for_a_body_in_one_piece_too() {
    const LENGTH: usize = 32 << 20;
    let answered = Latch::new();
    let read_on = Latch::new();
    let script = Script::new()
        .expect_head()
        .send(EARLY)
        .open(&answered)
        .wait_for(&read_on)
        .expect_bytes(LENGTH)
        .stall();
    let server = ScriptedServer::once(script);
    let backend = backend();
    let post = RequestConfig::post(server.url("/")).data(vec![7; LENGTH]);
    let mut response = backend.stream(post).await.unwrap();
    assert_eq!(&response.next().await.unwrap().unwrap()[..], b"early");
    assert!(
        response.next().now_or_never().is_none(),
        "the request is not complete"
    );
    read_on.open();
    assert!(promptly(response.next()).await.is_none());
}
