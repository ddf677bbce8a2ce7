//! Never means never: a request is sent once, even on a connection that turns out to be gone.

use std::sync::Arc;

use parallel_requests::{
    ErrorKind, ParallelRequests, PolicyOverrides, RequestConfig, RetryPolicy, TransportConfig,
    http::Method,
};
use pr_core::Delivery;
use pr_testkit::{Answer, MemoryBackend, Script, ScriptedServer};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn heads(server: &ScriptedServer) -> usize {
    let connections = server.connections();
    connections
        .iter()
        .map(|connection| connection.heads.len())
        .sum()
}

/// A kept connection that its peer closes when it is used again, on the HTTP/1.1 of every backend.
#[tokio::test]
async fn a_stale_connection_is_the_requests_error() {
    for backend in parallel_requests::available_backends() {
        for method in [Method::GET, Method::POST] {
            for by_request in [false, true] {
                let server = ScriptedServer::builder()
                    .connection(Script::new().expect_head().send(OK).expect_head().close())
                    .connection(Script::new().expect_head().send(OK).repeat())
                    .start();
                let mut builder = ParallelRequests::builder().backend(backend).no_proxy();
                builder = builder.transport(TransportConfig::default());
                let mut request = RequestConfig::new(method.clone(), server.url("/"));
                if by_request {
                    request = request.retry(RetryPolicy::never());
                } else {
                    builder = builder.retry(RetryPolicy::never());
                }
                let client = builder.build().unwrap();
                client.send(request.clone()).await.unwrap();
                let error = client.send(request).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Closed, "{backend} {method}");
                assert_eq!(heads(&server), 2, "{backend} {method}");
            }
        }
    }
}

/// By default the one that may be repeated is, so the test above is about something.
#[tokio::test]
async fn without_that_word_a_get_is_sent_again() {
    for backend in parallel_requests::available_backends() {
        let server = ScriptedServer::builder()
            .connection(Script::new().expect_head().send(OK).expect_head().close())
            .connection(Script::new().expect_head().send(OK).repeat())
            .start();
        let client = ParallelRequests::builder()
            .backend(backend)
            .no_proxy()
            .build()
            .unwrap();
        for _ in 0..2 {
            client.get(server.url("/")).await.unwrap();
        }
        assert_eq!(heads(&server), 3, "{backend}");
    }
}

/// What is opened as a stream goes past the policies, but this word holds for it, too; and the later of
/// two words counts.
#[tokio::test(start_paused = true)]
async fn it_goes_for_streams_and_can_be_taken_back() {
    let closed = Answer::error(ErrorKind::Closed, "stale").on_reused_connection();
    let (never, once) = (RetryPolicy::never, || RetryPolicy::default().max_retries(1));
    let get = || RequestConfig::get("http://h.example/");
    for (policy, request, opened, sent) in [
        (once(), get(), 2, 4),
        (never(), get(), 1, 1),
        (once(), get().retry(never()), 1, 1),
        (once(), get().retry(never()).retry(once()), 2, 4),
        (never(), get().retry(once()).retry(never()), 1, 1),
        (never(), get().retry(never()).retry(once()), 2, 4),
        (never(), get().resend(false).retry(once()), 1, 2),
        (
            once(),
            get().resend(false).retry(never()).retry(once()),
            1,
            2,
        ),
    ] {
        let shown = format!("{policy:?} {request:?}");
        let backend = MemoryBackend::always(closed.clone());
        let client = ParallelRequests::builder()
            .backend(Arc::new(backend.clone()))
            .retry(policy)
            .build()
            .unwrap();
        client.open(request.clone()).await.unwrap_err();
        assert_eq!(backend.counts().begun, opened, "opened: {shown}");
        client.send(request).await.unwrap_err();
        assert_eq!(backend.counts().begun, opened + sent, "sent: {shown}");
    }
}

/// Whatever the peer has proved. Usually each of four attempts is sent again at once, once or, where
/// it is certain that nothing was done, three times.
#[tokio::test(start_paused = true)]
async fn nothing_that_a_backend_says_has_it_sent_again() {
    let closed = || Answer::error(ErrorKind::Closed, "stale").on_reused_connection();
    for (answer, usually) in [
        (closed(), 8),
        (closed().delivery(Delivery::NotSent), 16),
        (closed().delivery(Delivery::NotProcessed), 16),
    ] {
        for (policy, expected) in [(RetryPolicy::never(), 1), (RetryPolicy::default(), usually)] {
            let backend = MemoryBackend::always(answer.clone());
            let client = ParallelRequests::builder()
                .backend(Arc::new(backend.clone()))
                .retry(policy)
                .build()
                .unwrap();
            client.get("http://h.example/").await.unwrap_err();
            assert_eq!(backend.counts().begun, expected, "{answer:?}");
        }
    }
}
