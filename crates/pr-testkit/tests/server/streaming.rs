//! Large bodies: right to the last byte, and at a memory that does not depend on their size.

use std::time::Duration;

use pr_testkit::{Server, content};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{PATIENCE, client, every_way, json};

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn bodies_of_known_and_unknown_length_are_the_content() {
    for (_, server, client) in every_way() {
        for length in [0, 1, 65_521, 200_000] {
            let known = client
                .get(server.url(&format!("/bytes/{length}")))
                .send()
                .await
                .unwrap();
            assert_eq!(known.headers()["content-length"], length.to_string());
            assert_eq!(known.bytes().await.unwrap(), content::bytes(length));

            let path = format!("/stream-bytes/{length}?chunk_size=1000");
            let streamed = client.get(server.url(&path)).send().await.unwrap();
            assert!(!streamed.headers().contains_key("content-length") || length == 0);
            assert_eq!(streamed.bytes().await.unwrap(), content::bytes(length));
        }
        let ledger = server.ledger();
        ledger
            .wait_until(|seen| seen.requests_answered == 8, PATIENCE)
            .await
            .unwrap();
        assert_eq!(ledger.requests()[6].response_bytes, 200_000);
        server.shutdown();
    }
}

#[tokio::test]
async fn sixty_four_mebibytes_stream_no_faster_than_they_are_read() {
    for (_, server, client) in every_way() {
        let url = server.url(&format!("/stream-bytes/{}?chunk_size=65536", 64 * MIB));
        let mut response = client.get(url).send().await.unwrap();
        let mut check = content::Check::new();
        check
            .feed(&response.chunk().await.unwrap().unwrap())
            .unwrap();

        let ledger = server.ledger();
        let sent = ledger
            .bytes_sent_when_quiet(Duration::from_millis(100))
            .await;
        assert!(
            sent < 32 * MIB,
            "{sent} bytes were sent to a client that does not read"
        );
        while let Some(chunk) = response.chunk().await.unwrap() {
            check.feed(&chunk).unwrap();
        }
        assert_eq!(check.length(), 64 * MIB);
        server.shutdown();
    }
}

#[tokio::test]
async fn lines_are_json() {
    let (server, client) = (Server::start(), client());
    let text = client
        .get(server.url("/stream/3"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let ids: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].clone())
        .collect();
    assert_eq!(ids, [0, 1, 2]);
}

#[tokio::test]
async fn uploads_are_counted_and_hashed() {
    for (_, server, client) in every_way() {
        for body in [content::bytes(0), content::bytes(3_000_000)] {
            let (length, hash) = (body.len(), content::fnv1a64(&body));
            let answer = client
                .put(server.url("/upload"))
                .body(body.clone())
                .send()
                .await
                .unwrap();
            let expected = json!({ "bytes": length, "fnv1a64": format!("{hash:016x}") });
            assert_eq!(json(answer).await, expected);

            let record = server.ledger().requests().pop().unwrap();
            assert_eq!(
                (record.body_bytes, record.body_complete),
                (length as u64, true)
            );
            // Only the beginning is kept.
            assert_eq!(record.body, body.slice(..length.min(64 * 1024)));
        }
        server.shutdown();
    }
}

#[tokio::test]
async fn an_early_answer_does_not_end_the_upload() {
    let server = Server::start();
    let mut stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let head = "POST /early HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"early\n") {
        assert!(stream.read_buf(&mut response).await.unwrap() > 0);
    }
    stream.write_all(b"3\r\nabc\r\n0\r\n\r\n").await.unwrap();
    let ledger = server.ledger();
    let whole = |_: &pr_testkit::Counts| ledger.requests()[0].body_complete;
    ledger.wait_until(whole, PATIENCE).await.unwrap();
    assert_eq!(ledger.requests()[0].body, "abc");
}

#[tokio::test]
async fn trailers_follow_the_body_of_http1() {
    let server = Server::start();
    let mut stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let request = "GET /trailers HTTP/1.1\r\nhost: x\r\nte: trailers\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let hash = content::fnv1a64(b"trailers follow\n");
    assert!(
        response.contains("trailer: x-checksum, x-trailer\r\n"),
        "{response}"
    );
    let end = format!("\r\n0\r\nx-checksum: {hash:016x}\r\nx-trailer: arrived\r\n\r\n");
    assert!(response.ends_with(&end), "{response}");
    let seen = server
        .ledger()
        .wait_until(|seen| seen.requests_answered == 1, PATIENCE)
        .await;
    assert_eq!(seen.unwrap().requests_abandoned, 0);
}

#[tokio::test]
async fn trailers_follow_the_body_of_http2() {
    use http_body_util::BodyExt;

    let server = Server::start();
    let stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(server.url("/trailers"));
    let request = request
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    let body = sender
        .send_request(request)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    assert_eq!(body.trailers().unwrap()["x-trailer"], "arrived");
    assert_eq!(body.to_bytes(), "trailers follow\n");
    let seen = server
        .ledger()
        .wait_until(|seen| seen.requests_answered == 1, PATIENCE)
        .await;
    assert_eq!(seen.unwrap().requests_abandoned, 0);
}
