//! Requests that wait for leave before they send their body (RFC 9110, section 10.1.1).

use std::time::{Duration, Instant};

use pr_backend_blocking::{BackendExt, BlockingBackend, ErrorKind, RequestConfig};
use pr_testkit::{Script, ScriptedConnection, ScriptedServer};

use crate::support::{PATIENCE, backend};

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// How long a peer is given.
const SECOND: Duration = Duration::from_secs(1);

fn post(server: &ScriptedServer) -> RequestConfig {
    let request = RequestConfig::post(server.url("/"));
    request.header("expect", "100-continue").data("hello")
}

/// What it takes a backend to get "ok".
async fn time_until_ok(server: &ScriptedServer, backend: &BlockingBackend) -> Duration {
    let begun = Instant::now();
    assert_eq!(backend.request(post(server)).await.unwrap().text(), "ok");
    begun.elapsed()
}

#[tokio::test]
async fn the_body_follows_when_the_peer_says_so() {
    for leave in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 100 Go on\r\nserver: x\r\ndate: today\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let script = Script::new()
            .expect_head()
            .send(leave)
            .expect("hello")
            .send(ANSWER)
            .repeat();
        let server = ScriptedServer::once(script);
        let backend = backend();
        let first = time_until_ok(&server, &backend).await;
        let second = time_until_ok(&server, &backend).await;
        // A machine may be slow, but hardly twice.
        assert!(first.min(second) < SECOND, "{leave}: {first:?}, {second:?}");
        assert_eq!(server.connections().len(), 1, "{leave}");
    }
}

#[tokio::test]
async fn leave_that_comes_piece_by_piece_is_waited_for() {
    let mut script = Script::new().expect_head();
    for byte in b"HTTP/1.1 100 Continue\r\nserver: x\r\n\r\n" {
        script = script
            .expect_silence(Duration::from_millis(2))
            .send(vec![*byte]);
    }
    let server = ScriptedServer::once(script.expect("hello").send(ANSWER).stall());
    time_until_ok(&server, &backend()).await;
}

#[tokio::test]
async fn after_a_second_of_silence_the_body_is_sent() {
    for late in ["", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let script = Script::new()
            .expect_head()
            .expect_silence(Duration::from_millis(500))
            .expect("hello")
            .send(format!("{late}{ANSWER}"));
        let server = ScriptedServer::once(script.stall());
        let took = time_until_ok(&server, &backend()).await;
        assert!((SECOND..PATIENCE).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn hints_are_no_leave() {
    let script = Script::new()
        .expect_head()
        .send("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        .expect_silence(Duration::from_millis(500))
        .expect("hello")
        .send(ANSWER);
    let server = ScriptedServer::once(script.stall());
    assert!(time_until_ok(&server, &backend()).await >= SECOND);
}

#[tokio::test]
async fn a_final_answer_instead_is_the_outcome() {
    for (status, fields) in [
        (417, "content-length: 2\r\n"),
        (401, "www-authenticate: Basic\r\ncontent-length: 2\r\n"),
        (200, "content-length: 2\r\n"),
    ] {
        for pieces in [1, 2] {
            let answer = format!("HTTP/1.1 {status} Whatever\r\n{fields}\r\nno");
            let half = answer.len() / pieces;
            let script = Script::new()
                .expect_head()
                .send(answer[..half].to_owned())
                .pause(Duration::from_millis(20))
                .send(answer[half..].to_owned())
                .expect_end();
            let server = ScriptedServer::always(script);
            let backend = backend();
            let response = backend.request(post(&server)).await.unwrap();
            assert_eq!(response.status_code(), status);
            assert_eq!(response.text(), "no");

            // Whether the peer still waits for the body, nobody knows.
            let ended = |all: &[ScriptedConnection]| all[0].client_closed;
            let connections = server.wait_until(ended, PATIENCE).await.unwrap();
            let head = connections[0].heads[0].as_str();
            assert_eq!(connections[0].received.len(), head.len());
        }
    }
}

#[tokio::test]
async fn a_peer_that_leaves_in_the_middle_of_a_head_gets_no_body() {
    for beginning in [
        "",
        "HTTP/1.1 1",
        "HTTP/1.1 100 Contin",
        "HTTP/1.1 200 OK\r\nserver:",
    ] {
        let script = Script::new()
            .expect_head()
            .send(beginning)
            .shut_down_write()
            .expect_end();
        let server = ScriptedServer::always(script);
        let error = backend().request(post(&server)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{beginning:?}");
        let ended = |all: &[ScriptedConnection]| all[0].client_closed;
        let connections = server.wait_until(ended, PATIENCE).await.unwrap();
        let head = connections[0].heads[0].as_str();
        assert_eq!(connections[0].received.len(), head.len(), "{beginning:?}");
    }
}
