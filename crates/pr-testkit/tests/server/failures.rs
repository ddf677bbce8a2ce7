//! What goes wrong in a server fails the test that owns it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pr_testkit::{Script, ScriptedServer, Server};

use crate::support::every_way;
use crate::support::{PATIENCE, client};

/// The text with which `work` panics.
fn panic_of(work: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(work)).expect_err("nothing panicked");
    payload
        .downcast_ref::<String>()
        .expect("the panic has a text")
        .clone()
}

async fn server_with_panic() -> Server {
    let server = Server::builder()
        .handle("/boom", |request| async move {
            panic!("no {} today", request.method())
        })
        .start();
    let response = client().get(server.url("/boom")).send().await;
    let response = response.expect("a panic is answered");
    assert_eq!(response.status(), 500);
    server
}

#[tokio::test]
async fn a_panic_in_a_handler_is_raised_on_drop() {
    let server = server_with_panic().await;
    let text = panic_of(|| drop(server));
    assert!(text.contains("a handler panicked: no GET today"), "{text}");
}

#[tokio::test]
async fn a_panic_in_a_handler_is_raised_by_shutdown() {
    let server = server_with_panic().await;
    assert!(panic_of(|| server.shutdown()).contains("no GET today"));
}

#[tokio::test]
async fn a_panic_in_a_handler_is_raised_by_verify_and_once_only() {
    let server = server_with_panic().await;
    assert!(panic_of(|| server.verify()).contains("no GET today"));
    server.verify();
    drop(server);
}

#[tokio::test]
async fn a_failing_test_is_not_aborted_by_a_second_panic() {
    let server = server_with_panic().await;
    let text = panic_of(move || {
        let _server = server;
        assert_eq!(1 + 1, 3, "the test's {} failure", "own");
    });
    assert!(text.contains("the test's own failure"), "{text}");
}

#[tokio::test]
async fn handlers_come_before_routes_and_get_the_body() {
    let server = Server::builder()
        .handle("/get", |request| async move {
            let text = format!("{} {:?}", request.method(), request.body());
            http::Response::builder()
                .status(201)
                .body(text.into())
                .unwrap()
        })
        .start();
    let response = client()
        .put(server.url("/get?x"))
        .body("hi")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.text().await.unwrap(), "PUT b\"hi\"");
    server.verify();
}

#[tokio::test]
async fn dropping_a_server_ends_its_connections() {
    for (_, server, client) in every_way() {
        let url = server.url("/hang");
        let hanging = tokio::spawn(client.get(&url).send());
        let ledger = server.ledger().clone();
        ledger
            .wait_until(|seen| seen.requests_in_flight() == 1, PATIENCE)
            .await
            .unwrap();
        drop(server);
        hanging.await.unwrap().unwrap_err();
        let counts = ledger.counts();
        assert_eq!((counts.connections_open, counts.requests_abandoned), (0, 1));
        client.get(&url).send().await.unwrap_err();
    }
}

#[tokio::test]
async fn a_violated_script_is_raised_on_drop() {
    let server = ScriptedServer::once(Script::new().expect("HELLO"));
    client().get(server.url("/")).send().await.unwrap_err();
    let text = panic_of(|| drop(server));
    assert!(
        text.contains("connection 0 violated its script at step 0"),
        "{text}"
    );
    assert!(text.contains("expected \"HELLO\", got \"GET /\""), "{text}");
}

#[tokio::test]
async fn a_connection_without_a_script_is_raised() {
    let server = ScriptedServer::once(Script::new().expect_head().close());
    let client = client();
    client.get(server.url("/")).send().await.unwrap_err();
    client.get(server.url("/")).send().await.unwrap_err();
    let text = panic_of(|| server.shutdown());
    assert!(
        text.contains("connection 1 came, and there is no script for it"),
        "{text}"
    );
}

#[tokio::test]
async fn a_client_that_leaves_a_script_halfway_is_raised() {
    let server = ScriptedServer::once(Script::new().expect_bytes(3).expect_head());
    tokio::net::TcpStream::connect(server.addr())
        .await
        .unwrap()
        .try_write(b"abcd")
        .unwrap();
    let gone = |all: &[pr_testkit::ScriptedConnection]| all.iter().any(|one| one.client_closed);
    server.wait_until(gone, PATIENCE).await.unwrap();
    let text = panic_of(|| server.shutdown());
    assert!(
        text.contains("at step 1: expected a request's head, the client closed"),
        "{text}"
    );
    assert!(text.contains("received so far: \"abcd\""), "{text}");
}
