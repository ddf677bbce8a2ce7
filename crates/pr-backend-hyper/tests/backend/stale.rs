//! Connections that the peer has given up while they were idle.

use std::{
    hint::spin_loop,
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use http::Method;
use pr_backend_hyper::{Backend, BackendExt, ErrorKind, RequestConfig};
use pr_core::{Delivery, OutgoingBody};
use pr_testkit::{Latch, Script, ScriptedServer, Server};

use crate::support::{PATIENCE, backend, get, request, wait_for_tasks};

/// The one task of a backend whose connections are all gone.
const THE_REAPER: usize = 1;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let server = Server::start();
    let backend = backend();
    get(&backend, &server.url("/status/200")).await.unwrap();
    server.disconnect_clients();
    wait_for_tasks(THE_REAPER).await;
    // Not a byte was lost, so even a POST is sent without asking, and arrives once.
    let mut post = request(Method::POST, &server.url("/post"));
    post.body = OutgoingBody::Full("once".into());
    let response = backend.exchange(post).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(!response.connection.reused);
    assert_eq!(server.ledger().requests_to("/post").len(), 1);
}

#[tokio::test]
async fn a_streamed_body_survives_the_loss_of_an_idle_connection() {
    let server = Server::start();
    let backend = backend();
    get(&backend, &server.url("/status/200")).await.unwrap();
    server.disconnect_clients();
    wait_for_tasks(THE_REAPER).await;
    let mut post = request(Method::POST, &server.url("/post"));
    let pieces = [Ok("on".into()), Ok("ce".into())];
    post.body = OutgoingBody::Stream {
        stream: Box::pin(futures::stream::iter(pieces)),
        length: None,
    };
    assert_eq!(backend.exchange(post).await.unwrap().status, 200);
    let received = server.ledger().requests_to("/post");
    assert_eq!(received.len(), 1);
    assert_eq!(&received[0].body[..], b"once");
}

/// The second request goes out on the first one's connection, which is then closed unanswered.
fn closes_on_reuse() -> ScriptedServer {
    ScriptedServer::builder()
        .connection(Script::new().expect_head().send(OK).expect_head().close())
        .connection(Script::new().expect_head().send(OK).stall())
        .start()
}

#[tokio::test]
async fn a_connection_that_is_closed_on_reuse_is_told_as_such() {
    let server = closes_on_reuse();
    let backend = backend();
    get(&backend, &server.url("/")).await.unwrap();
    let error = get(&backend, &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(error.delivery(), Delivery::Unknown);
    assert!(error.was_on_reused_connection());
}

#[tokio::test]
async fn an_idempotent_request_is_sent_again_and_a_post_is_not() {
    let server = closes_on_reuse();
    let backend = backend();
    backend.request(server.url("/")).await.unwrap();
    let again = backend.request(server.url("/")).await.unwrap();
    assert_eq!(again.attempts(), 2);

    let server = closes_on_reuse();
    backend.request(server.url("/")).await.unwrap();
    let post = RequestConfig::post(server.url("/")).data("x");
    assert_eq!(
        backend.request(post).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert_eq!(server.connections().len(), 1);
}

#[tokio::test]
async fn a_connection_that_was_never_used_is_not_called_stale() {
    let server = ScriptedServer::once(Script::new().expect_head().close());
    let backend = backend();
    let error = backend.request(server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(!error.was_on_reused_connection());
    assert!(error.may_have_been_processed());
}

#[tokio::test]
async fn a_peer_that_speaks_while_idle_loses_the_connection() {
    let spoken = Latch::new();
    let speak = Latch::new();
    let server = ScriptedServer::builder()
        .connection(
            Script::new()
                .expect_head()
                .send(OK)
                .wait_for(&speak)
                .send("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
                .open(&spoken)
                .expect_end(),
        )
        .connection(Script::new().expect_head().send(OK).stall())
        .start();
    let backend = backend();
    get(&backend, &server.url("/")).await.unwrap();
    speak.open();
    assert!(spoken.wait(PATIENCE).await);
    let closed = |all: &[pr_testkit::ScriptedConnection]| all[0].finished;
    assert!(server.wait_until(closed, PATIENCE).await.is_some());
    wait_for_tasks(THE_REAPER).await;
    let response = get(&backend, &server.url("/")).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(!response.connection.reused);
}

/// A request may be put into the channel of a connection's task just when the task ends, and then
/// lie there. When it is, is a matter of nanoseconds, so this tries many of them; with two threads,
/// one request in some thousands was never answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_closed_in_that_very_moment_strands_no_request() {
    const CONNECTIONS: usize = 1_500;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (turn, client) in listener.incoming().enumerate() {
            let mut client = client.unwrap();
            let mut head = [0; 4096];
            if client.read(&mut head).is_ok_and(|length| length > 0) {
                drop(client.write_all(OK.as_bytes()));
                (0..turn % 400 * 10).for_each(|_| spin_loop());
            }
        }
    });
    let backend = backend();
    for turn in 0..CONNECTIONS {
        let next = get(&backend, &url);
        // Some fail because the connection is closed a little later. All have to end.
        let outcome = tokio::time::timeout(PATIENCE, next).await.unwrap();
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Closed, "{}", error.chain());
        }
        (0..turn % 37 * 20).for_each(|_| spin_loop());
    }
}
