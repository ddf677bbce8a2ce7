//! Scripts are played step by step, as a client on the other end can tell.

use std::io;
use std::time::Duration;

use pr_testkit::{Latch, Script, ScriptedServer, TestCa};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, client};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn latches_go_both_ways() {
    let (asked, go) = (Latch::new(), Latch::new());
    let script = Script::new()
        .expect_head()
        .open(&asked)
        .wait_for(&go)
        .send(OK)
        .close();
    let server = ScriptedServer::once(script);
    let mut answer = tokio::spawn(
        client()
            .get(server.url("/x?y=1"))
            .header("X-Case", "1")
            .send(),
    );
    assert!(asked.wait(PATIENCE).await);
    // A server that does not wait would have answered by then.
    let early = tokio::time::timeout(Duration::from_millis(50), &mut answer).await;
    assert!(early.is_err(), "{early:?}");

    let head = &server.connections()[0].heads[0];
    assert_eq!(head.request_line(), "GET /x?y=1 HTTP/1.1");
    assert_eq!(head.header("x-case"), Some("1"));
    assert_eq!(head.header("host"), Some(&*server.authority()));
    go.open();
    assert_eq!(answer.await.unwrap().unwrap().text().await.unwrap(), "ok");
    server.shutdown();
}

#[tokio::test]
async fn a_repeated_script_keeps_the_connection() {
    let server = ScriptedServer::once(Script::new().expect_head().send(OK).repeat());
    let client = client();
    for _ in 0..3 {
        let response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "ok");
    }
    drop(client);
    let ended = |all: &[pr_testkit::ScriptedConnection]| all[0].client_closed && all[0].finished;
    let all = server.wait_until(ended, PATIENCE).await.unwrap();
    assert_eq!(all[0].heads.len(), 3);
    server.shutdown();
}

#[tokio::test]
async fn successive_connections_get_successive_scripts() {
    let status = |code: u16| {
        let text = format!("HTTP/1.1 {code} X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        Script::new().expect_head().send(text).close()
    };
    let server = ScriptedServer::builder()
        .connection(status(503))
        .connection(status(429))
        .connection(status(200))
        .repeat_last()
        .start();
    let client = client();
    for expected in [503, 429, 200, 200] {
        let response = client.get(server.url("/")).send().await.unwrap();
        assert_eq!(response.status(), expected);
    }
    server.shutdown();
}

#[tokio::test]
async fn bodies_are_received_and_literals_compared() {
    let script = Script::new()
        .expect_head()
        .expect_bytes(2)
        .expect("rest")
        .send(OK)
        .expect_end();
    let server = ScriptedServer::once(script);
    let client = client();
    let sent = client
        .post(server.url("/"))
        .body("a rest".replace(' ', "-"));
    assert_eq!(sent.send().await.unwrap().text().await.unwrap(), "ok");
    drop(client);
    let ended = |all: &[pr_testkit::ScriptedConnection]| all[0].finished;
    let all = server.wait_until(ended, PATIENCE).await.unwrap();
    assert!(all[0].received.ends_with(b"a-rest"));
    server.shutdown();
}

#[tokio::test]
async fn informational_responses_can_be_scripted() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
    let script = Script::new().expect_head().send(hints).send(OK).close();
    let server = ScriptedServer::once(script);
    let response = client().get(server.url("/")).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_close_is_an_end() {
    let mut buffer = Vec::new();
    let reset = ScriptedServer::once(Script::new().expect_bytes(1).reset());
    let mut stream = TcpStream::connect(reset.addr()).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    let error = stream.read_to_end(&mut buffer).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    // Unread bytes must not turn the end into a reset that loses what was sent.
    let close = ScriptedServer::once(Script::new().expect_bytes(1).send("sent").close());
    let mut stream = TcpStream::connect(close.addr()).await.unwrap();
    stream.write_all(b"x and much more").await.unwrap();
    stream.read_to_end(&mut buffer).await.unwrap();
    assert_eq!(buffer, b"sent");
    drop(stream);
    let all = close
        .wait_until(|all| all[0].client_closed, PATIENCE)
        .await
        .unwrap();
    assert_eq!(all[0].received, b"x and much more");
}

#[tokio::test]
async fn half_closing_leaves_the_other_half() {
    let script = Script::new()
        .send("bye")
        .shut_down_write()
        .expect("still here")
        .expect_end();
    let server = ScriptedServer::once(script);
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let mut buffer = String::new();
    stream.read_to_string(&mut buffer).await.unwrap();
    assert_eq!(buffer, "bye");
    stream.write_all(b"still here").await.unwrap();
    drop(stream);
    server
        .wait_until(|all| all[0].finished, PATIENCE)
        .await
        .unwrap();
    server.shutdown();
}

#[tokio::test]
async fn stalling_notices_that_the_client_left() {
    let server = ScriptedServer::once(Script::new().expect_head().send("HTTP/1.1 200").stall());
    let request = tokio::spawn(client().get(server.url("/")).send());
    let asked = |all: &[pr_testkit::ScriptedConnection]| {
        all.first().is_some_and(|one| !one.heads.is_empty())
    };
    server.wait_until(asked, PATIENCE).await.unwrap();
    request.abort();
    server
        .wait_until(|all| all[0].client_closed, PATIENCE)
        .await
        .unwrap();
    server.shutdown();
}

#[tokio::test]
async fn a_server_that_stops_reading_holds_the_client_back() {
    let server = ScriptedServer::once(Script::new().expect_bytes(1).stop_reading());
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let chunk = vec![0; 1024 * 1024];
    let mut sent = 0;
    let flood = async {
        loop {
            stream.write_all(&chunk).await.unwrap();
            sent += chunk.len();
        }
    };
    tokio::time::timeout(Duration::from_millis(200), flood)
        .await
        .unwrap_err();
    assert!(sent < 64 * 1024 * 1024, "{sent}");
}

#[tokio::test]
async fn tls_ends_with_and_without_a_farewell() {
    // The length of the body is known by the end of the connection only.
    let unbounded = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall";
    let start = |script: Script| {
        let identity = TestCa::shared().localhost();
        ScriptedServer::builder()
            .tls(identity)
            .connection(script)
            .start()
    };
    let polite = start(Script::new().expect_head().send(unbounded).close());
    let response = client().get(polite.url("/")).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "all");
    assert_eq!(
        polite.connections()[0].heads[0].request_line(),
        "GET / HTTP/1.1"
    );
    polite.shutdown();

    let rude = start(
        Script::new()
            .expect_head()
            .send(unbounded)
            .close_without_notify(),
    );
    let response = client().get(rude.url("/")).send().await.unwrap();
    response.text().await.unwrap_err();
    rude.shutdown();
}

#[tokio::test]
async fn a_failed_handshake_is_no_failure() {
    let server = ScriptedServer::builder()
        .tls(TestCa::generate().localhost())
        .connection(Script::new().expect_head())
        .start();
    client().get(server.url("/")).send().await.unwrap_err();
    server
        .wait_until(|all| all[0].client_closed, PATIENCE)
        .await
        .unwrap();
    server.shutdown();
}
