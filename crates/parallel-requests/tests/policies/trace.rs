//! Spans of attempts: their attributes, and that there is no secret in them.

use std::{sync::Arc, time::Duration};

use parallel_requests::{
    ClientBuilder, ErrorKind, ParallelRequests, ProxyPool, RequestConfig, RetryPolicy,
    http::Version,
};
use pr_testkit::{Answer, MemoryBackend, Server};
use tracing::Level;

use crate::capture::{Capture, Span};

fn over(backend: MemoryBackend) -> ClientBuilder {
    ParallelRequests::builder().backend(Arc::new(backend))
}

/// The spans of what one request comes to.
async fn spans_of(client: &ParallelRequests, request: RequestConfig) -> Vec<Span> {
    let capture = Capture::up_to(Level::DEBUG);
    let _here = tracing::subscriber::set_default(capture.clone());
    let _ = client.send(request).await;
    capture.requests()
}

fn assert_fields(span: &Span, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(span.field(name), *value, "{name} of {span:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_a_span_with_the_attributes_of_the_conventions() {
    let backend = MemoryBackend::queue([
        Answer::status(503),
        Answer::error(ErrorKind::Closed, "the peer hung up"),
        Answer::ok().version(Version::HTTP_2),
    ]);
    let client = over(backend).build().unwrap();
    let request = RequestConfig::get("https://user:pw@api.example/items?page=2#top");
    let spans = spans_of(&client, request).await;
    assert_eq!(spans.len(), 3);
    for span in &spans {
        assert_fields(
            span,
            &[
                ("otel.name", "GET"),
                ("otel.kind", "client"),
                ("http.request.method", "GET"),
                ("http.request.method_original", ""),
                ("server.address", "api.example"),
                ("server.port", "443"),
                ("url.full", "https://api.example/items?…"),
            ],
        );
    }
    assert_fields(
        &spans[0],
        &[
            ("http.request.resend_count", ""),
            ("http.response.status_code", "503"),
            ("error.type", "503"),
            ("otel.status_code", "ERROR"),
            ("network.protocol.version", "1.1"),
        ],
    );
    assert_fields(
        &spans[1],
        &[
            ("http.request.resend_count", "1"),
            ("http.response.status_code", ""),
            ("error.type", "closed"),
            ("otel.status_code", "ERROR"),
        ],
    );
    assert_fields(
        &spans[2],
        &[
            ("http.request.resend_count", "2"),
            ("http.response.status_code", "200"),
            ("error.type", ""),
            ("otel.status_code", ""),
            ("network.protocol.version", "2"),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn addresses_and_methods_that_are_not_known() {
    let client = over(MemoryBackend::always(Answer::ok())).build().unwrap();
    let request = RequestConfig::get("http://[2001:db8::1]:8080/").method("BREW");
    let spans = spans_of(&client, request).await;
    assert_fields(
        &spans[0],
        &[
            ("otel.name", "HTTP"),
            ("http.request.method", "_OTHER"),
            ("http.request.method_original", "BREW"),
            ("server.address", "2001:db8::1"),
            ("server.port", "8080"),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_nobody_waits_for_is_cancelled() {
    let client = over(MemoryBackend::always(Answer::hang())).build().unwrap();
    let capture = Capture::up_to(Level::DEBUG);
    let _here = tracing::subscriber::set_default(capture.clone());
    let waiting = client.get("http://a.example/");
    let gave_up = tokio::time::timeout(Duration::from_secs(1), waiting).await;
    assert!(gave_up.is_err());
    let expected = [("error.type", "cancelled"), ("otel.status_code", "ERROR")];
    assert_fields(&capture.requests()[0], &expected);
}

#[tokio::test(start_paused = true)]
async fn a_span_that_the_request_carries_is_the_parent() {
    let client = over(MemoryBackend::always(Answer::ok())).build().unwrap();
    let capture = Capture::up_to(Level::DEBUG);
    let _here = tracing::subscriber::set_default(capture.clone());
    let mine = tracing::info_span!("mine");
    let request = RequestConfig::get("http://a.example/").extension(mine.clone());
    let batch = client.request([request]).await;
    assert_eq!(batch.successes().count(), 1);
    let span = &capture.requests()[0];
    assert_eq!(span.parent, mine.id().map(|id| id.into_u64()));
    assert_eq!(span.name, "http_request");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_does_not_want_them_gets_none() {
    let client = over(MemoryBackend::always(Answer::ok())).build().unwrap();
    let capture = Capture::up_to(Level::INFO);
    let _here = tracing::subscriber::set_default(capture.clone());
    client.get("http://a.example/").await.unwrap();
    assert!(capture.requests().is_empty());
}

#[tokio::test]
async fn no_secret_is_in_anything_that_is_captured() {
    let capture = Capture::up_to(Level::DEBUG);
    let _here = tracing::subscriber::set_default(capture.clone());
    let request = |url: String| {
        RequestConfig::post(url)
            .param("token", "canary-query")
            .header("x-token", "canary-header")
            .cookie("session", "canary-cookie")
            .bearer_auth("canary-bearer")
            .data("canary-body")
    };
    let pool = ProxyPool::parse(["p.example:1:canary-user:canary-password"]).unwrap();
    for answer in [
        Answer::status(503)
            .header("x-token", "canary-reply")
            .body("canary-content"),
        Answer::error(ErrorKind::Proxy, "refused"),
        Answer::ok().header("location", "http://canary:canary@b.example/?canary"),
        Answer::status(302).header("location", "http://canary:canary@b.example/?canary"),
    ] {
        let client = over(MemoryBackend::always(answer))
            .proxy_pool(pool.clone())
            .retry(
                RetryPolicy::default()
                    .any_method()
                    .base(Duration::from_millis(1)),
            )
            .build()
            .unwrap();
        let _ = client
            .send(request("http://canary:canary@a.example/".to_owned()))
            .await;
        let _ = client
            .send(request("user:canary@a.example".to_owned()))
            .await;
    }
    // The backends themselves as well: on this thread, so that they are captured.
    let server = Server::start();
    for backend in parallel_requests::available_backends() {
        let client = ParallelRequests::builder()
            .backend(backend)
            .build()
            .unwrap();
        let url = server
            .url("/anything")
            .replace("http://", "http://canary:canary@");
        client.send(request(url)).await.unwrap();
    }
    let text = capture.text();
    assert!(
        text.contains("a.example") && text.contains("is given a rest"),
        "{text}"
    );
    assert!(!text.contains("canary"), "{text}");
}
