//! The ledger tells what happened, and waiting for it works in async and in blocking code.

use std::time::{Duration, Instant};

use pr_testkit::{Counts, Latch, RequestOutcome, Server, WaitError};

use crate::support::{PATIENCE, client, client_builder, server_that_waits_for};

#[tokio::test]
async fn requests_are_recorded_in_order() {
    let (server, client) = (Server::start(), client());
    client.get(server.url("/get?first=1")).send().await.unwrap();
    let second = client
        .post(server.url("/status/503"))
        .header("x-a", "1")
        .header("x-a", "2");
    second.body("body").send().await.unwrap();

    let requests = server.ledger().requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        (requests[0].path(), requests[0].query()),
        ("/get", Some("first=1"))
    );
    assert_eq!(requests[0].authority, Some(server.authority()));
    assert_eq!(requests[1].method, "POST");
    assert_eq!(requests[1].header_values("x-a"), ["1", "2"]);
    assert_eq!(
        (&requests[1].body[..], requests[1].body_complete),
        (&b"body"[..], true)
    );
    assert_eq!(
        requests[1].outcome,
        RequestOutcome::Answered(http::StatusCode::SERVICE_UNAVAILABLE)
    );
    assert_eq!(server.ledger().requests_to("/get").len(), 1);
}

#[tokio::test]
async fn connections_close_with_the_client() {
    let server = Server::start();
    let client = client();
    client
        .get(server.url("/get"))
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(server.ledger().counts().connections_open, 1);
    drop(client);
    let closed = |seen: &Counts| seen.connections_open == 0;
    server.ledger().wait_until(closed, PATIENCE).await.unwrap();
    assert!(!server.ledger().connections()[0].open);
    assert_eq!(server.ledger().counts().max_connections_open, 1);
}

#[tokio::test]
async fn the_most_requests_at_a_time_are_counted() {
    let (server, client) = (Server::start(), client());
    let hanging: Vec<_> = (0..5)
        .map(|_| tokio::spawn(client.get(server.url("/hang")).send()))
        .collect();
    let all = |seen: &Counts| seen.requests_in_flight() == 5;
    server.ledger().wait_until(all, PATIENCE).await.unwrap();
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
    let none = |seen: &Counts| seen.requests_in_flight() == 0;
    let seen = server.ledger().wait_until(none, PATIENCE).await.unwrap();
    assert_eq!(
        (seen.max_requests_in_flight, seen.max_connections_open),
        (5, 5)
    );
    assert_eq!(seen.requests_abandoned, 5);
    assert_eq!(
        server.ledger().requests()[4].outcome,
        RequestOutcome::Abandoned
    );
}

#[tokio::test]
async fn without_records_it_still_counts() {
    let server = Server::builder().record_requests(false).start();
    let client = client();
    client.get(server.url("/get")).send().await.unwrap();
    assert_eq!(server.ledger().counts().requests_answered, 1);
    assert!(server.ledger().requests().is_empty() && server.ledger().connections().is_empty());

    server.ledger().record_requests(true);
    client.get(server.url("/get")).send().await.unwrap();
    assert_eq!(server.ledger().requests().len(), 1);
    server.ledger().forget_records();
    assert!(server.ledger().requests().is_empty());
    assert_eq!(server.ledger().counts().requests_answered, 2);
}

#[tokio::test]
async fn waiting_in_vain_ends_with_the_counters() {
    let server = Server::start();
    let never = |seen: &Counts| seen.requests_begun > 0;
    let brief = Duration::from_millis(5);
    let error = server.ledger().wait_until(never, brief).await.unwrap_err();
    assert_eq!((error.waited, error.counts.requests_begun), (brief, 0));
    assert!(error.to_string().contains("requests_begun: 0"), "{error}");
    server
        .ledger()
        .wait_until_blocking(never, brief)
        .unwrap_err();
}

#[test]
fn it_works_without_a_runtime() {
    use std::io::{Read, Write};

    let server = Server::start();
    let ledger = server.ledger().clone();
    let waiter = std::thread::spawn(move || {
        let begun = Instant::now();
        ledger.wait_until_blocking(|seen| seen.requests_answered == 1, PATIENCE)?;
        Ok::<_, WaitError>(begun.elapsed())
    });
    let mut stream = std::net::TcpStream::connect(server.addr()).unwrap();
    stream
        .write_all(b"GET /get HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"));
    // It was woken and did not just look again when its time was up.
    let took = waiter.join().unwrap().unwrap();
    assert!(took < PATIENCE / 2, "{took:?}");
    // Bytes are counted as they are on the wire.
    assert_eq!(server.ledger().counts().bytes_sent, response.len() as u64);
}

#[tokio::test]
async fn clients_can_be_disconnected_at_once_and_gracefully() {
    for prior_knowledge in [false, true] {
        let go = Latch::new();
        let server = server_that_waits_for(&go);
        let builder = client_builder();
        let builder = if prior_knowledge {
            builder.http2_prior_knowledge()
        } else {
            builder
        };
        let client = builder.build().unwrap();
        let ledger = server.ledger();
        let one = |seen: &Counts| seen.requests_in_flight() == 1;
        let closed = |seen: &Counts| seen.connections_open == 0;

        let hanging = tokio::spawn(client.get(server.url("/hang")).send());
        ledger.wait_until(one, PATIENCE).await.unwrap();
        server.disconnect_clients();
        hanging.await.unwrap().unwrap_err();
        let seen = ledger.wait_until(closed, PATIENCE).await.unwrap();
        assert_eq!(seen.connections_accepted, 1);

        let slow = tokio::spawn(client.get(server.url("/wait")).send());
        ledger.wait_until(one, PATIENCE).await.unwrap();
        server.drain_clients();
        go.open();
        assert_eq!(slow.await.unwrap().unwrap().status(), 200);
        ledger.wait_until(closed, PATIENCE).await.unwrap();

        client.get(server.url("/get")).send().await.unwrap();
        assert_eq!(ledger.counts().connections_accepted, 3);
    }
}
