//! When connections end: with their idle time, their backend, their runtime.

mod support;

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, future::join_all};
use http::Method;
use pr_backend_h2::{Backend, BackendExt, ErrorKind};
use pr_core::Delivery;
use pr_testkit::{Server, TestCa};
use support::{
    PATIENCE, backend, exchange, plain,
    raw::{GOAWAY, Listener, STATUS_200},
    soon, tls,
};
use tokio::{join, runtime};

#[tokio::test]
async fn an_idle_connection_expires_and_says_so() {
    let listener = Listener::bind().await;
    let backend = backend(plain().idle_timeout(Duration::from_millis(50)));
    for _ in 0..2 {
        let client = backend.request(listener.url("/"));
        let server = async {
            let mut peer = listener.accept(&[]).await;
            let stream = peer.request().await;
            peer.answer(stream).await;
            let mut farewell = false;
            while let Some(frame) = peer.read().await {
                farewell |= frame.kind == GOAWAY;
            }
            assert!(farewell);
        };
        let (response, ()) = soon(async { join!(client, server) }).await;
        assert_eq!(response.unwrap().status_code(), 200);
    }
}

#[tokio::test]
async fn a_busy_connection_does_not_expire() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain().idle_timeout(Duration::from_millis(50)));
    let slow = soon(backend.request(server.url("/delay/0.3")))
        .await
        .unwrap();
    let counts = server.ledger().counts();
    assert_eq!((slow.attempts(), counts.connections_accepted), (1, 1));
}

#[tokio::test]
async fn closing_ends_what_is_in_flight_and_refuses_the_rest() {
    let server = Server::builder()
        .http2_only()
        .max_concurrent_streams(2)
        .start();
    let backend = backend(plain().http2_connections_per_origin(1));
    let mut body = soon(backend.stream(server.url("/drip?duration=60")))
        .await
        .unwrap();
    let waiting =
        join_all((0..4).map(|_| backend.exchange(exchange(Method::GET, &server.url("/hang")))));
    let closing = async {
        server
            .ledger()
            .wait_until(|seen| seen.requests_begun == 2, PATIENCE)
            .await
            .unwrap();
        backend.close().await;
        backend.close().await;
    };
    let (outcomes, ()) = soon(async { join!(waiting, closing) }).await;
    let mut sent = 0;
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        sent += usize::from(error.delivery() == Delivery::Unknown);
    }
    assert_eq!(sent, 1, "one was on its way, three were in the queue");
    let error = loop {
        match soon(body.next())
            .await
            .expect("a body that is cut off says so")
        {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Closed);
    soon(
        server
            .ledger()
            .wait_until(|seen| seen.connections_open == 0, PATIENCE),
    )
    .await
    .unwrap();

    let refused = backend
        .exchange(exchange(Method::GET, &server.url("/get")))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.kind(), refused.delivery()),
        (ErrorKind::Closed, Delivery::NotSent)
    );
}

#[tokio::test]
async fn closing_says_goodbye_on_idle_connections() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = async {
        backend.request(listener.url("/")).await.unwrap();
        backend.close().await;
    };
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        peer.answer(stream).await;
        let mut farewell = false;
        while let Some(frame) = peer.read().await {
            farewell |= frame.kind == GOAWAY;
        }
        assert!(farewell);
    };
    soon(async { join!(client, server) }).await;
}

#[tokio::test]
async fn closing_ends_a_dial_and_those_who_wait_for_it() {
    let listener = Listener::bind().await;
    let backend = backend(tls());
    let url = listener.url("/").replace("http://", "https://");
    let waiting = join_all((0..3).map(|_| backend.exchange(exchange(Method::GET, &url))));
    let closing = async {
        let silent = listener.accept_bytes().await;
        backend.close().await;
        silent
    };
    let (outcomes, _silent) = soon(async { join!(waiting, closing) }).await;
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Closed, Delivery::NotSent)
        );
    }
}

#[tokio::test]
async fn closing_ends_an_upload_that_goes_on_by_itself() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let mut request = exchange(Method::POST, &listener.url("/"));
    let stream = Box::pin(futures::stream::pending());
    request.body = pr_core::OutgoingBody::Stream {
        stream,
        length: None,
    };
    let client = async {
        let response = backend.exchange(request).await.unwrap();
        backend.close().await;
        response
    };
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        peer.head(stream, STATUS_200).await;
        peer.rest().await;
    };
    let (mut response, ()) = soon(async { join!(client, server) }).await;
    let error = soon(response.body.next()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn dropping_the_backend_ends_its_connections_and_bodies() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    let mut body = soon(backend.stream(server.url("/drip?duration=60")))
        .await
        .unwrap();
    drop(backend);
    let error = loop {
        match soon(body.next())
            .await
            .expect("a body that is cut off says so")
        {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Closed);
    soon(
        server
            .ledger()
            .wait_until(|seen| seen.connections_open == 0, PATIENCE),
    )
    .await
    .unwrap();
}

#[test]
fn a_backend_may_be_dropped_outside_of_a_runtime() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let backend = backend(tls());
    runtime
        .block_on(soon(backend.request(server.url("/get"))))
        .unwrap();
    assert_eq!(server.ledger().counts().connections_open, 1);
    drop(backend);
    server
        .ledger()
        .wait_until_blocking(|seen| seen.connections_open == 0, PATIENCE)
        .unwrap();
}

#[test]
fn a_runtime_that_ends_takes_its_connections_with_it() {
    let server = Server::builder().http2_only().start();
    let backend = Arc::new(backend(plain()));
    for round in 1..=3 {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let requests =
            async { join_all((0..10).map(|_| backend.request(server.url("/get")))).await };
        for response in runtime.block_on(soon(requests)) {
            assert_eq!(response.unwrap().attempts(), 1);
        }
        // Some requests are under way when the runtime ends.
        let cut_off = backend.clone();
        let url = server.url("/hang");
        let begun = server.ledger().counts().requests_begun;
        runtime.spawn(async move { cut_off.request(url).await });
        runtime
            .block_on(
                server
                    .ledger()
                    .wait_until(|seen| seen.requests_begun > begun, PATIENCE),
            )
            .unwrap();
        drop(runtime);
        assert_eq!(server.ledger().counts().connections_accepted, round);
    }
    server
        .ledger()
        .wait_until_blocking(|seen| seen.connections_open == 0, PATIENCE)
        .unwrap();
}

#[test]
fn a_runtime_that_ends_while_dialing_leaves_the_dial_to_others() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = Arc::new(backend(tls()));
    let first = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let second = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let request = || {
        let (backend, url) = (backend.clone(), server.url("/get"));
        Box::pin(async move { backend.request(url).await })
    };
    // The first runtime gets as far as spawning the dial, and no further.
    let mut leader = request();
    first.block_on(async { assert!(futures::poll!(&mut leader).is_pending()) });
    let mut follower = request();
    second.block_on(async { assert!(futures::poll!(&mut follower).is_pending()) });
    drop(first);
    assert_eq!(second.block_on(soon(follower)).unwrap().status_code(), 200);
    drop(second);
    drop(leader);
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let backend = backend(plain());
    let exchange = backend.exchange(exchange(Method::GET, "http://127.0.0.1:9/"));
    let error = futures::executor::block_on(exchange).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[test]
fn a_runtime_without_drivers_is_an_error_for_all_who_wait() {
    let backend = backend(plain());
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let requests =
        join_all((0..3).map(|_| backend.exchange(exchange(Method::GET, "http://127.0.0.1:9/"))));
    for outcome in runtime.block_on(requests) {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Config);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_share_a_backend() {
    let server = Server::builder()
        .http2_only()
        .max_concurrent_streams(10)
        .start();
    let backend = Arc::new(backend(plain()));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (backend, url) = (backend.clone(), server.url("/bytes/5000"));
            tokio::spawn(async move {
                for _ in 0..20 {
                    assert_eq!(
                        backend.request(url.as_str()).await.unwrap().content().len(),
                        5000
                    );
                }
            })
        })
        .collect();
    for task in soon(join_all(tasks)).await {
        task.unwrap();
    }
    let counts = server.ledger().counts();
    assert_eq!(counts.requests_answered, 64 * 20);
    assert!(counts.connections_accepted <= 2, "{counts:?}");
    assert!(counts.max_requests_in_flight <= 20, "{counts:?}");
}
