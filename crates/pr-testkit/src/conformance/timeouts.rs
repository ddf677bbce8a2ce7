//! Time that runs out ends a request promptly, and the error says in what.

use std::time::{Duration, Instant};

use futures::StreamExt;
use pr_core::{
    BackendError, BackendExt, Body, Capability, Delivery, ErrorKind, RequestConfig, TimeoutPhase,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::subject::{Link, PATIENCE, Subject, error_of};
use crate::{Script, ScriptedServer, content};

/// Long enough for a request to be sent, and for a head to come back, on a busy machine.
const LIMIT: Duration = Duration::from_millis(400);

/// A timeout that came neither early nor, on a slow machine, very late.
fn check(what: &str, begun: Instant, error: &BackendError) {
    assert_eq!(
        error.kind(),
        ErrorKind::Timeout,
        "{what}: {}",
        error.chain()
    );
    let took = begun.elapsed();
    assert!(
        took >= LIMIT && took < PATIENCE / 2,
        "{what}: it took {took:?}"
    );
}

/// Opens the connection beforehand, so that the limit is not spent on a handshake.
async fn connect(link: &Link) {
    assert_eq!(link.answer(link.url("/get")).await.status_code(), 200);
}

pub(super) async fn no_answer_is_a_timeout(subject: Subject) {
    for link in subject.links() {
        connect(&link).await;
        let begun = Instant::now();
        let request = RequestConfig::get(link.url("/hang")).timeout(LIMIT);
        let error = error_of(link.label, link.request(request).await);
        check(link.label, begun, &error);
        assert_eq!(
            error.timeout_phase(),
            Some(TimeoutPhase::Head),
            "{}",
            link.label
        );
        assert_eq!(error.delivery(), Delivery::Unknown, "{}", link.label);
        if subject.can(Capability::Network) {
            link.seen("the request is abandoned", |seen| {
                seen.requests_abandoned == 1
            })
            .await;
        }
        assert_eq!(link.answer(link.url("/get")).await.status_code(), 200);
    }
}

pub(super) async fn a_slow_body_is_a_timeout(subject: Subject) {
    for link in subject.links() {
        connect(&link).await;
        let begun = Instant::now();
        let slow = link.url("/drip?duration=60&numbytes=600");
        let request = RequestConfig::get(slow).timeout(LIMIT);
        let error = error_of(link.label, link.request(request).await);
        check(link.label, begun, &error);
        assert_eq!(
            error.timeout_phase(),
            Some(TimeoutPhase::Read),
            "{}",
            link.label
        );
        assert_eq!(link.answer(link.url("/get")).await.status_code(), 200);
    }
}

pub(super) async fn a_body_that_stalls_is_a_timeout(subject: Subject) {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
    for sent in [head, &*format!("{head}hello")] {
        let script = Script::new().expect_head().send(sent.to_owned()).stall();
        let server = ScriptedServer::always(script);
        let begun = Instant::now();
        let request = RequestConfig::get(server.url("/")).timeout(LIMIT);
        let error = error_of(sent, subject.backend().request(request).await);
        check(sent, begun, &error);
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Read), "{sent}");
        assert_eq!(error.delivery(), Delivery::Unknown, "{sent}");
    }
}

pub(super) async fn a_slow_body_that_moves_arrives(subject: Subject) {
    for link in subject.links() {
        let slow = link.url("/drip?duration=1&numbytes=20");
        let response = link.answer(slow).await;
        assert_eq!(response.text(), "*".repeat(20), "{}", link.label);
    }
}

pub(super) async fn a_slow_stream_is_a_timeout(subject: Subject) {
    for link in subject.links() {
        connect(&link).await;
        let begun = Instant::now();
        let slow = link.url("/drip?duration=60&numbytes=600");
        let request = RequestConfig::get(slow).timeout(LIMIT);
        let mut response = match link.backend.stream(request).await {
            Ok(response) => response,
            Err(error) => panic!("{}: {}", link.label, error.chain()),
        };
        let error = loop {
            match response.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("{}: the body ended", link.label),
            }
        };
        check(link.label, begun, &error);
        assert_eq!(
            error.timeout_phase(),
            Some(TimeoutPhase::Read),
            "{}",
            link.label
        );
        assert!(response.next().await.is_none(), "{}", link.label);
    }
}

pub(super) async fn a_stalled_handshake_is_a_timeout(subject: Subject) {
    let server = ScriptedServer::always(Script::new().expect_bytes(1).stall());
    let url = server.url("/").replace("http:", "https:");

    let begun = Instant::now();
    let backend = subject.backend();
    let request = RequestConfig::get(&*url).timeout(LIMIT);
    let error = error_of("the request's limit", backend.request(request).await);
    check("the request's limit", begun, &error);
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Connect));
    assert_eq!(error.delivery(), Delivery::NotSent);

    let begun = Instant::now();
    let backend = subject.backend_with(|config| config.connect_timeout(LIMIT));
    let error = error_of("the backend's limit", backend.request(&*url).await);
    check("the backend's limit", begun, &error);
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Connect));
    assert_eq!(error.delivery(), Delivery::NotSent);
}

pub(super) async fn a_peer_that_does_not_read_is_a_timeout(subject: Subject) {
    let server = ScriptedServer::once(Script::new().expect_head().stop_reading());
    // More than the buffers of both ends' operating systems hold.
    let body = Body::from(content::bytes(64 * 1024 * 1024));
    let begun = Instant::now();
    let request = RequestConfig::post(server.url("/"))
        .data(body)
        .timeout(LIMIT);
    let error = error_of("a full buffer", subject.backend().request(request).await);
    check("a full buffer", begun, &error);
    assert_eq!(error.delivery(), Delivery::Unknown);
}

pub(super) async fn each_part_has_a_limit_of_its_own(subject: Subject) {
    // Long enough for the limit of the part to be what ends the request.
    let patient = |request: RequestConfig| request.timeout(PATIENCE);
    for link in subject.links() {
        connect(&link).await;
        let label = link.label;
        let silent = patient(RequestConfig::get(link.url("/hang"))).first_byte_timeout(LIMIT);
        let stalling = link.url("/drip?duration=60&numbytes=2&delay=0");
        let stalled = patient(RequestConfig::get(stalling)).read_timeout(LIMIT);
        for (request, phase) in [(silent, TimeoutPhase::Head), (stalled, TimeoutPhase::Read)] {
            let begun = Instant::now();
            let error = error_of(label, link.request(request).await);
            check(label, begun, &error);
            assert_eq!(error.timeout_phase(), Some(phase), "{label}");
            assert_eq!(error.delivery(), Delivery::Unknown, "{label}");
        }
        // Neither is for what is merely slow.
        let slow = link.url("/drip?duration=1&numbytes=20&delay=0");
        let slow = patient(RequestConfig::get(slow))
            .first_byte_timeout(LIMIT)
            .read_timeout(LIMIT);
        assert_eq!(link.answer(slow).await.content().len(), 20, "{label}");
    }
    let server = ScriptedServer::once(Script::new().expect_head().stop_reading());
    let begun = Instant::now();
    let request = patient(RequestConfig::post(server.url("/")))
        .data(content::bytes(64 * 1024 * 1024))
        .write_timeout(LIMIT);
    let error = error_of("a full buffer", subject.backend().request(request).await);
    check("a full buffer", begun, &error);
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Write));
}

/// A peer that reads slowly but steadily, and answers when it has read so many bytes.
fn slow_reader(bytes: usize) -> std::net::SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    // What the system buffers for it is not what it has taken.
    socket
        .set_recv_buffer_size(64 << 10)
        .expect("a small buffer");
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(local).expect("loopback has ports");
    let listener = socket.listen(8).expect("a listener");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let Ok((mut stream, _)) = listener.accept().await else {
            return;
        };
        let mut buffer = vec![0; 256 << 10];
        let mut read = 0;
        while read < bytes {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => read += count,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        // Whoever does not wait for it fails its test.
        let _ = stream.write_all(answer).await;
    });
    addr
}

pub(super) async fn a_peer_that_takes_its_time_is_not_a_timeout(subject: Subject) {
    const BODY: usize = 24 << 20;

    let peer = slow_reader(BODY);
    let begun = Instant::now();
    let request = RequestConfig::post(format!("http://{peer}/"))
        .data(content::bytes(BODY))
        .timeout(PATIENCE)
        .write_timeout(LIMIT);
    let response = subject.backend().request(request).await;
    let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(response.status_code(), 200);
    assert!(begun.elapsed() > LIMIT, "the peer was too fast to tell");
}
