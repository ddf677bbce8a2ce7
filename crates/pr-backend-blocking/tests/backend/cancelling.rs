//! Exchanges that nobody waits for any more: each gives its thread back, whatever it was doing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Method;
use pr_backend_blocking::{Backend, BackendExt, BlockingBackend, RequestConfig};
use pr_core::{ExchangeRequest, OutgoingBody, Stage};
use pr_testkit::{Script, ScriptedConnection, ScriptedServer, Server, TestCa};
use tokio::net::TcpListener;

use crate::support::{PATIENCE, get, request, single, trusting};

/// How soon a thread must be free again. The promise is 500 ms; the rest is for a machine that is
/// busy with other tests. A thread that is not stopped would not be free for 10 s, or ever.
const SOON: Duration = Duration::from_secs(5);

/// Begins an exchange on the backend's only thread, drops it when it has come as far as `stage` and
/// `begun` is done, and says how long the thread then took to carry another request.
async fn time_to_recover(
    backend: &BlockingBackend,
    request: ExchangeRequest,
    stage: Stage,
    begun: impl Future,
) -> Duration {
    let healthy = Server::start();
    let progress = request.progress.clone();
    let mut exchange = backend.exchange(request);
    let both = async {
        let held = begun.await;
        while progress.stage() != stage {
            tokio::task::yield_now().await;
        }
        held
    };
    let _held = tokio::select! {
        outcome = &mut exchange => panic!("ended too early: {outcome:?}"),
        held = both => held,
    };
    // The thread is busy: a request behind this one gets nothing.
    let waiting = get(backend, "http://127.0.0.1:1/");
    assert!(
        tokio::time::timeout(Duration::from_millis(50), waiting)
            .await
            .is_err()
    );

    let dropped = Instant::now();
    drop(exchange);
    assert_eq!(
        get(backend, &healthy.url("/status/200"))
            .await
            .unwrap()
            .status,
        200
    );
    dropped.elapsed()
}

fn greeted(all: &[ScriptedConnection]) -> bool {
    !all.is_empty()
}

fn asked(all: &[ScriptedConnection]) -> bool {
    all.iter().any(|one| !one.heads.is_empty())
}

#[tokio::test]
async fn while_connecting() {
    // A listener whose queue is full lets further connections hang.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    loop {
        let next = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200));
        match next {
            Ok(stream) => queued.push(stream),
            Err(_) => break,
        }
        assert!(queued.len() < 10_000, "this system accepts without end");
    }
    let request = request(Method::GET, &format!("http://{address}/"));
    let took = time_to_recover(&single(), request, Stage::Connecting, async {}).await;
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn in_the_tls_handshake() {
    let server = ScriptedServer::always(Script::new().stall());
    let url = server.url("/").replace("http://", "https://");
    let begun = server.wait_until(greeted, PATIENCE);
    let request = request(Method::GET, &url);
    let took = time_to_recover(&single(), request, Stage::Connecting, begun).await;
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn while_the_peer_takes_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut large = request(
        Method::POST,
        &format!("http://{}/", listener.local_addr().unwrap()),
    );
    large.body = OutgoingBody::Full(Bytes::from(vec![0; 64 << 20]));
    let accepted = async { listener.accept().await.unwrap() };
    let took = time_to_recover(&single(), large, Stage::Sending, accepted).await;
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn while_the_request_body_is_not_produced() {
    let server = ScriptedServer::always(Script::new().expect_head().stall());
    let mut upload = request(Method::POST, &server.url("/"));
    upload.body = OutgoingBody::Stream {
        stream: Box::pin(stream::pending()),
        length: None,
    };
    let begun = server.wait_until(asked, PATIENCE);
    let took = time_to_recover(&single(), upload, Stage::Sending, begun).await;
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn while_the_peer_is_silent() {
    for tls in [false, true] {
        let mut server = ScriptedServer::builder();
        if tls {
            server = server.tls(TestCa::shared().localhost());
        }
        let server = server
            .connection(Script::new().expect_head().stall())
            .repeat_last()
            .start();
        let begun = server.wait_until(asked, PATIENCE);
        let request = request(Method::GET, &server.url("/"));
        let took = time_to_recover(&single(), request, Stage::AwaitingHead, begun).await;
        assert!(took < SOON, "{took:?}");
    }
}

#[tokio::test]
async fn in_a_body_that_stalls() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello";
    let server = ScriptedServer::always(Script::new().expect_head().send(answer).stall());
    let healthy = Server::start();
    let backend = single();
    let mut body = get(&backend, &server.url("/")).await.unwrap().body;
    assert!(body.next().await.unwrap().is_ok());
    let dropped = Instant::now();
    drop(body);
    get(&backend, &healthy.url("/status/200")).await.unwrap();
    assert!(dropped.elapsed() < SOON, "{:?}", dropped.elapsed());
    let gone = |all: &[ScriptedConnection]| all[0].client_closed;
    assert!(server.wait_until(gone, PATIENCE).await.is_some());
}

#[tokio::test]
async fn in_a_body_that_nobody_reads() {
    let server = Server::start();
    let backend = single();
    let body = get(&backend, &server.url("/bytes/100000000"))
        .await
        .unwrap()
        .body;
    // The thread waits for the consumer, and the peer for the thread.
    server
        .ledger()
        .bytes_sent_when_quiet(Duration::from_millis(100))
        .await;
    let dropped = Instant::now();
    drop(body);
    get(&backend, &server.url("/status/200")).await.unwrap();
    assert!(dropped.elapsed() < SOON, "{:?}", dropped.elapsed());
}

#[tokio::test]
async fn in_the_queue() {
    let server = Server::start();
    let backend = single();
    let mut running = Box::pin(get(&backend, server.url("/hang")));
    assert!(futures::poll!(&mut running).is_pending());

    let held = Arc::new(());
    let mut upload = request(Method::POST, &server.url("/anything/queued"));
    let content = stream::repeat(Arc::clone(&held)).map(|_| Ok(Bytes::from_static(b"x")));
    upload.body = OutgoingBody::Stream {
        stream: Box::pin(content),
        length: None,
    };
    let mut queued = Box::pin(backend.exchange(upload));
    assert!(futures::poll!(&mut queued).is_pending());
    drop(queued);
    // No thread has to come by for its memory to be free.
    assert_eq!(Arc::strong_count(&held), 1);

    drop(running);
    let next = backend.request(server.url("/status/200")).await.unwrap();
    assert_eq!(next.status_code(), 200);
    assert!(server.ledger().requests_to("/anything/queued").is_empty());
}

#[tokio::test]
async fn dropping_one_disturbs_no_other() {
    let server = Server::start();
    let backend = BlockingBackend::with_config(trusting().max_threads(8)).unwrap();
    let quick = async {
        for _ in 0..100 {
            let response = backend.request(server.url("/bytes/1000")).await.unwrap();
            assert_eq!(response.attempts(), 1);
            assert_eq!(
                &response.content()[..],
                &pr_testkit::content::bytes(1000)[..]
            );
        }
    };
    let dropped = async {
        for millis in 0..30 {
            let patience = Duration::from_millis(1 + millis % 4);
            let request = RequestConfig::get(server.url("/delay/0.002")).timeout(patience);
            let _ = backend.request(request).await;
        }
    };
    tokio::join!(quick, dropped);
}
