//! When connections end: with their idle time, their backend, their runtime.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, future::join_all};
use http::Method;
use pr_backend_h2::{Backend, BackendExt, ErrorKind, RequestConfig};
use pr_core::Delivery;
use pr_testkit::{Counts, Server, TestCa, closed_port};
use tokio::{io::AsyncReadExt, join, runtime, time::sleep};

use crate::support::{
    PATIENCE, backend, exchange, plain,
    raw::{GOAWAY, Listener, STATUS_200},
    soon, tls,
};

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
    let slow = backend.request(server.url("/delay/0.4"));
    let another = async {
        // Several times the idle timeout, of which none counts while a stream is open.
        sleep(Duration::from_millis(250)).await;
        backend.request(server.url("/get")).await
    };
    let (slow, another) = soon(async { join!(slow, another) }).await;
    assert_eq!(
        slow.unwrap().connection().id,
        another.unwrap().connection().id
    );
}

#[tokio::test]
async fn no_more_connections_are_idle_than_the_settings_allow() {
    let servers: Vec<_> = (0..8)
        .map(|_| Server::builder().http2_only().start())
        .collect();
    let backend = backend(plain().max_idle(3));
    for server in &servers {
        soon(backend.request(server.url("/get"))).await.unwrap();
    }
    for (age, server) in servers.iter().rev().enumerate() {
        let open = u64::from(age < 3);
        let settled = server
            .ledger()
            .wait_until(move |seen| seen.connections_open == open, PATIENCE);
        settled.await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_has_come_of_age_carries_what_it_has_and_no_more() {
    let server = Server::builder().http2_only().start();
    let age = Duration::from_millis(100);
    let backend = backend(plain().max_connection_age(age));
    let mut body = soon(backend.stream(server.url("/drip?duration=0.5&numbytes=10")))
        .await
        .unwrap();
    let old = body.connection().id;
    let young = soon(async {
        loop {
            let connection = backend
                .request(server.url("/get"))
                .await
                .unwrap()
                .connection();
            if connection.id != old {
                return connection;
            }
        }
    });
    assert!(!young.await.reused);
    let mut received = 0;
    while let Some(piece) = soon(body.next()).await {
        received += piece.unwrap().len();
    }
    assert_eq!(received, 10);
    // The others follow, idle or not.
    let none_open = |seen: &Counts| seen.connections_open == 0;
    soon(server.ledger().wait_until(none_open, PATIENCE))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_reset_gives_up_a_dial_for_another() {
    let listener = Listener::bind().await;
    let backend = backend(tls());
    let url = listener.url("/").replace("http://", "https://");
    let waiting = backend.exchange(exchange(Method::GET, &url));
    let server = async {
        let mut old = listener.accept_bytes().await;
        backend.reset_connections();
        // Who waited for it waits for the next, which gets no further either.
        let new = listener.accept_bytes().await;
        let mut hello = Vec::new();
        old.read_to_end(&mut hello).await.ok();
        drop(new);
    };
    let (outcome, ()) = soon(async { join!(waiting, server) }).await;
    assert_eq!(outcome.unwrap_err().delivery(), Delivery::NotSent);
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
        assert_eq!(error.message(), "the backend has been closed");
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
fn a_runtime_that_stands_still_holds_up_no_other() {
    let server = Server::builder().http2_only().start();
    let backend = Arc::new(backend(plain()));
    let runtime = || {
        runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let request = || soon(backend.request(server.url("/get")));
    let [one, two] = [&first, &second].map(|runtime| runtime.block_on(request()).unwrap());
    assert_ne!(one.connection().id, two.connection().id);
    let again = first.block_on(request()).unwrap();
    assert_eq!(again.connection().id, one.connection().id);
    // Closing waits for what can end now.
    second.block_on(soon(backend.close()));
    drop(first);
    let none_open = |seen: &Counts| seen.connections_open == 0;
    server
        .ledger()
        .wait_until_blocking(none_open, PATIENCE)
        .unwrap();
}

#[test]
fn a_request_that_moves_to_another_runtime_dials_again() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = backend(tls());
    let runtime = || {
        runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    // The first runtime gets as far as spawning the dial, and no further.
    let mut request = Box::pin(backend.exchange(exchange(Method::GET, &server.url("/get"))));
    first.block_on(async { assert!(futures::poll!(&mut request).is_pending()) });
    drop(first);
    assert_eq!(second.block_on(soon(request)).unwrap().status, 200);
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

#[tokio::test]
async fn origins_that_are_done_with_are_forgotten() {
    const ORIGINS: usize = 3_000;
    let port = closed_port().unwrap();
    let backend = backend(plain());
    for number in 0..ORIGINS {
        // Another user of a proxy is another origin to the pool.
        let proxy = format!("http://user{number}@{}", port.addr());
        let request = RequestConfig::get("http://example.org/").proxy(proxy.parse().unwrap());
        let error = backend.request(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy);
    }
    let remembered = format!("{backend:?}").matches("Origin {").count();
    assert!((1..ORIGINS / 2).contains(&remembered), "{remembered}");
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
