//! Request bodies that wait for the peer's leave (RFC 9110, section 10.1.1).

use std::time::{Duration, Instant};

use futures::{StreamExt, future::join_all, stream};
use http::{HeaderValue, Method, header};
use pr_backend_hyper::Backend;
use pr_core::{ExchangeRequest, OutgoingBody, Stage};
use pr_testkit::{Script, ScriptedServer};

use crate::support::{PATIENCE, backend, request};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// How long a peer looks whether the body is held back. Shorter than the client's patience.
const A_WHILE: Duration = Duration::from_millis(300);

fn asking(url: &str, body: OutgoingBody) -> ExchangeRequest {
    let mut request = request(Method::POST, url);
    request
        .headers
        .insert(header::EXPECT, HeaderValue::from_static("100-Continue"));
    request.body = body;
    request
}

fn bodies() -> [OutgoingBody; 3] {
    let pieces = || stream::iter(["he", "llo"]).map(|piece| Ok(piece.into()));
    [
        OutgoingBody::Full("hello".into()),
        OutgoingBody::Stream {
            stream: Box::pin(pieces()),
            length: Some(5),
        },
        OutgoingBody::Stream {
            stream: Box::pin(pieces()),
            length: None,
        },
    ]
}

/// How many bytes those are on the wire.
const ON_THE_WIRE: [usize; 3] = [5, 5, "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n".len()];

#[tokio::test]
async fn the_body_waits_for_leave_and_the_connection_is_kept() {
    for (body, length) in bodies().into_iter().zip(ON_THE_WIRE) {
        let script = Script::new()
            .expect_head()
            // Neither of these is leave.
            .send("HTTP/1.1 103 Early Hints\r\n\r\n")
            .expect_silence(A_WHILE)
            .send(CONTINUE)
            .expect_bytes(length)
            .send(OK)
            .expect_head()
            .send(OK)
            .stall();
        let server = ScriptedServer::once(script);
        let backend = backend();
        let asking = asking(&server.url("/"), body);
        let response = backend.exchange(asking).await.unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(response.body.count().await, 1);
        let next = backend.exchange(request(Method::GET, &server.url("/")));
        assert!(next.await.unwrap().connection.reused);
        let seen = server.connections();
        assert_eq!(seen[0].heads[0].header("expect"), Some("100-Continue"));
        server.verify();
    }
}

#[tokio::test]
async fn leave_goes_on_with_the_body_at_once() {
    let script = Script::new()
        .expect_head()
        .send(CONTINUE)
        .expect_bytes(5)
        .send(OK)
        .repeat();
    let server = ScriptedServer::once(script);
    let backend = backend();
    let started = Instant::now();
    for _ in 0..5 {
        let asking = asking(&server.url("/"), OutgoingBody::Full("hello".into()));
        let response = backend.exchange(asking).await.unwrap();
        assert_eq!(response.body.count().await, 1);
    }
    // Each would take a second by itself.
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(server.connections().len(), 1);
}

#[tokio::test]
async fn silence_is_taken_for_leave_by_whatever_version() {
    let answers = [OK, "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"];
    let cases = answers.into_iter().flat_map(|answer| {
        let bodies = bodies().into_iter().zip(ON_THE_WIRE);
        bodies.map(move |(body, length)| async move {
            let script = Script::new().expect_head().expect_silence(A_WHILE);
            let server = ScriptedServer::once(script.expect_bytes(length).send(answer).stall());
            let backend = backend();
            let started = Instant::now();
            let response = backend.exchange(asking(&server.url("/"), body));
            let response = tokio::time::timeout(PATIENCE, response).await.unwrap();
            assert_eq!(response.unwrap().status, 200);
            assert!(started.elapsed() >= Duration::from_secs(1));
            server.verify();
        })
    });
    join_all(cases).await;
}

/// Whatever the answer is: one that refuses, and one that has no need of the body.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_answer_in_place_of_leave_is_the_outcome() {
    for status in [200, 204, 302, 401, 413, 417] {
        for body in bodies() {
            let length = if status == 204 { 0 } else { 2 };
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n");
            let script = Script::new().expect_head().send(answer);
            let script = if length > 0 {
                script.send("no")
            } else {
                script
            };
            let server = ScriptedServer::builder()
                // Not a byte of the body, up to the end.
                .connection(script.expect_end())
                .connection(Script::new().expect_head().send(OK).stall())
                .start();
            let backend = backend();
            let asking = asking(&server.url("/"), body);
            let progress = asking.progress.clone();
            let mut response = backend.exchange(asking).await.unwrap();
            assert_eq!(response.status, status);
            assert_ne!(progress.stage(), Stage::AwaitingHead);
            while let Some(frame) = response.body.next().await {
                frame.unwrap();
            }
            drop(response);
            let next = backend.exchange(request(Method::GET, &server.url("/")));
            assert!(!next.await.unwrap().connection.reused);
            let ended = server.wait_until_blocking(|all| all[0].finished, PATIENCE);
            assert!(ended.unwrap()[0].client_closed);
            server.verify();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_reader_of_the_answer_does_not_set_the_body_free() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nno";
    let script = Script::new()
        .expect_head()
        .send(answer)
        .expect_silence(Duration::from_millis(1_500))
        .send("no")
        .expect_end();
    let server = ScriptedServer::once(script);
    let asking = asking(&server.url("/"), OutgoingBody::Full("hello".into()));
    let backend = backend();
    let mut response = backend.exchange(asking).await.unwrap();
    let mut content = Vec::new();
    while let Some(frame) = response.body.next().await {
        if let pr_core::Frame::Data(piece) = frame.unwrap() {
            content.extend_from_slice(&piece);
        }
    }
    assert_eq!(content, b"nono");
    let ended = server.wait_until_blocking(|all| all[0].finished, PATIENCE);
    assert!(ended.is_some());
    server.verify();
}

#[tokio::test]
async fn a_request_without_content_is_complete_and_so_its_connection_is_kept() {
    let server = ScriptedServer::once(Script::new().expect_head().send(OK).repeat());
    let backend = backend();
    for (round, body) in [OutgoingBody::Empty, OutgoingBody::Full("".into())]
        .into_iter()
        .enumerate()
    {
        let response = backend
            .exchange(asking(&server.url("/"), body))
            .await
            .unwrap();
        assert_eq!(response.connection.reused, round > 0);
        assert_eq!(response.body.count().await, 1);
    }
}
