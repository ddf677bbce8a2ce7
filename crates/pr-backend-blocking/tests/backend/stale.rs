//! Connections that the peer has given up while they were idle.

use http::Method;
use pr_backend_blocking::{Backend, BackendExt, Delivery, ErrorKind, RequestConfig};
use pr_core::OutgoingBody;
use pr_testkit::{Latch, Script, ScriptedConnection, ScriptedServer, Server, TestCa};

use crate::support::{OK, PATIENCE, backend, get, request, wait_for_open};

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    for tls in [false, true] {
        let mut server = Server::builder().http1_only();
        if tls {
            server = server.tls(TestCa::shared().localhost());
        }
        let server = server.start();
        let backend = backend();
        get(&backend, &server.url("/status/200")).await.unwrap();
        server.disconnect_clients();
        wait_for_open(&server, 0).await;
        // Not a byte is lost, so even what cannot be sent twice arrives, once.
        let mut post = request(Method::POST, &server.url("/post"));
        let pieces = [Ok("on".into()), Ok("ce".into())];
        let stream = Box::pin(futures::stream::iter(pieces));
        post.body = OutgoingBody::Stream {
            stream,
            length: None,
        };
        let response = backend.exchange(post).await.unwrap();
        assert_eq!(response.status, 200);
        assert!(!response.connection.reused);
        let received = server.ledger().requests_to("/post");
        assert_eq!(received.len(), 1);
        assert_eq!(&received[0].body[..], b"once");
    }
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
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Closed, Delivery::Unknown)
    );
    assert!(error.was_on_reused_connection());
}

#[tokio::test]
async fn an_idempotent_request_is_sent_again_and_a_post_is_not() {
    let server = closes_on_reuse();
    let backend = backend();
    backend.request(server.url("/")).await.unwrap();
    assert_eq!(
        backend.request(server.url("/")).await.unwrap().attempts(),
        2
    );

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
    let error = backend().request(server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(!error.was_on_reused_connection());
    assert!(error.may_have_been_processed());
}

#[tokio::test]
async fn a_peer_that_speaks_while_idle_loses_the_connection() {
    for tls in [false, true] {
        let (speak, spoken) = (Latch::new(), Latch::new());
        let timeout = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n";
        let speaks = Script::new()
            .expect_head()
            .send(OK)
            .wait_for(&speak)
            .send(timeout);
        let mut server = ScriptedServer::builder();
        if tls {
            server = server.tls(TestCa::shared().localhost());
        }
        let server = server
            .connection(speaks.open(&spoken).expect_end())
            .connection(Script::new().expect_head().send(OK).stall())
            .start();
        let backend = backend();
        get(&backend, &server.url("/")).await.unwrap();
        speak.open();
        assert!(spoken.wait(PATIENCE).await);
        let response = get(&backend, &server.url("/")).await.unwrap();
        assert_eq!(response.status, 200);
        assert!(!response.connection.reused);
        let closed = |all: &[ScriptedConnection]| all[0].finished;
        assert!(server.wait_until(closed, PATIENCE).await.is_some());
    }
}
