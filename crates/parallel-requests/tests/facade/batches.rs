//! One outcome for each request, in order, whatever becomes of them.

use std::time::Duration;

use parallel_requests::{BackendError, Body, ErrorKind, ParallelRequests, RequestConfig};
use pr_testkit::{Answer, MemoryBackend};
use tokio::time::Instant;

use crate::client;

fn url(path: impl std::fmt::Display) -> String {
    format!("http://h.example/{path}")
}

/// Later requests answer sooner, so that completion order is the reverse of input order.
fn later_is_faster() -> MemoryBackend {
    MemoryBackend::answering(|request| {
        let number: u64 = request.uri.path()[1..].parse().unwrap();
        Answer::ok()
            .body(number.to_string())
            .after(Duration::from_millis(1000 - number))
    })
}

#[tokio::test(start_paused = true)]
async fn outcomes_come_in_the_order_of_the_input() {
    let client = client(&later_is_faster(), 50);
    let batch = client.request((0..100).map(url)).await;
    assert_eq!(batch.len(), 100);
    for (index, outcome) in batch.iter().enumerate() {
        assert_eq!(outcome.index, index);
        assert_eq!(outcome.response().unwrap().text(), index.to_string());
    }
    assert!(batch.get(3).unwrap().elapsed >= Duration::from_millis(997));
}

#[tokio::test(start_paused = true)]
async fn the_concurrency_is_the_number_in_flight_and_is_used() {
    let backend = MemoryBackend::always(Answer::ok().after(Duration::from_secs(1)));
    let client = client(&backend, 10);
    let started = Instant::now();
    let (one, other) = futures::join!(
        client.request((0..50).map(url)),
        client.request((0..50).map(url)),
    );
    assert_eq!(one.successes().count() + other.successes().count(), 100);
    assert_eq!(
        backend.counts().max_in_flight,
        10,
        "the limit is the client's, not the batch's"
    );
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_place_does_not_count_against_the_timeout() {
    let backend = MemoryBackend::always(Answer::ok().after(Duration::from_secs(2)));
    let client = client(&backend, 1);
    let slow = |path| RequestConfig::get(url(path)).timeout(Duration::from_secs(3));
    let batch = client.request((0..5).map(slow)).await;
    assert_eq!(batch.successes().count(), 5);
}

#[tokio::test]
async fn duplicates_have_an_outcome_each() {
    let client = client(&MemoryBackend::always(Answer::ok()), 20);
    let batch = client.request(std::iter::repeat_n(url("same"), 7)).await;
    assert_eq!(batch.successes().count(), 7);
    assert!(batch.into_result().is_ok());
}

#[tokio::test]
async fn keys_come_back_with_their_outcomes() {
    let client = client(&later_is_faster(), 20);
    let batch = client
        .request([("one", url(1)), ("two", url(2)), ("two", url(3))])
        .await;
    assert_eq!(
        batch.by_key(&"two").unwrap().response().unwrap().text(),
        "2"
    );
    assert_eq!(
        batch.iter().map(|outcome| outcome.key).collect::<Vec<_>>(),
        ["one", "two", "two"]
    );
    assert!(batch.by_key(&"three").is_none());
}

#[tokio::test]
async fn a_failure_takes_nothing_else_with_it() {
    let backend = MemoryBackend::answering(|request| match request.uri.path() {
        "/dead" => Answer::error(ErrorKind::Connect, "refused"),
        "/missing" => Answer::status(404),
        _ => Answer::ok().body("fine"),
    });
    let client = client(&backend, 20);
    let urls = [
        url("a"),
        url("dead"),
        "nonsense".to_owned(),
        url("missing"),
        url("dead"),
    ];
    let batch = client.request(urls).await;
    let kinds: Vec<_> = batch
        .iter()
        .map(|outcome| outcome.error().map(BackendError::kind))
        .collect();
    assert_eq!(
        kinds,
        [
            None,
            Some(ErrorKind::Connect),
            Some(ErrorKind::Input),
            None,
            Some(ErrorKind::Connect)
        ]
    );

    let partial = batch.into_result().unwrap_err();
    assert_eq!(
        partial
            .successes()
            .map(|(index, _)| index)
            .collect::<Vec<_>>(),
        [0, 3]
    );
    assert_eq!(
        partial
            .failures()
            .map(|(index, _)| index)
            .collect::<Vec<_>>(),
        [1, 2, 4]
    );
    let text = partial.to_string();
    assert!(
        text.starts_with("3 of 5 requests failed; the first is request 1: connect error"),
        "{text}"
    );
    assert_eq!(partial.into_batch().len(), 5);
}

#[tokio::test]
async fn a_panic_within_a_request_is_its_outcome_and_nobody_elses() {
    let client = client(&MemoryBackend::always(Answer::ok()), 20);
    let broken = || panic!("this body cannot be made");
    let request = RequestConfig::post(url("b")).data(Body::factory(None, broken));
    let batch = client
        .request([RequestConfig::get(url("a")), request, url("c").into()])
        .await;
    assert_eq!(batch.successes().count(), 2);
    assert_eq!(
        batch.get(1).unwrap().error().unwrap().kind(),
        ErrorKind::Other
    );
}

#[tokio::test]
async fn an_empty_batch_is_a_batch() {
    let client = client(&MemoryBackend::always(Answer::ok()), 20);
    let none: [&str; 0] = [];
    let batch = client.request(none).await;
    assert!(batch.is_empty());
    assert_eq!(batch.into_result().unwrap().len(), 0);
}

#[tokio::test]
async fn one_request_is_sent_as_it_is_described() {
    let backend = MemoryBackend::answering(|request| Answer::ok().body(request.method.to_string()));
    let client = client(&backend, 20);
    assert_eq!(client.get(url("x")).await.unwrap().text(), "GET");
    let put = client.send(RequestConfig::put(url("x"))).await;
    assert_eq!(put.unwrap().text(), "PUT");
}

#[tokio::test]
async fn defaults_hold_unless_a_request_says_otherwise() {
    let backend = MemoryBackend::always(Answer::ok()).recording();
    let client = ParallelRequests::builder()
        .backend(std::sync::Arc::new(backend.clone()))
        .header("x-team", "default")
        .user_agent("mine/1")
        .verify_ssl(false)
        .build()
        .unwrap();
    let own = RequestConfig::get("https://h.example/")
        .header("x-team", "own")
        .verify_ssl(true);
    let batch = client
        .request([RequestConfig::get("https://h.example/"), own])
        .await;
    assert_eq!(batch.successes().count(), 2);
    let seen = backend.requests();
    let sorted = |name: &str| {
        let mut values: Vec<_> = seen
            .iter()
            .map(|one| one.headers[name].to_str().unwrap().to_owned())
            .collect();
        values.sort();
        values
    };
    assert_eq!(sorted("x-team"), ["default", "own"]);
    assert_eq!(sorted("user-agent"), ["mine/1", "mine/1"]);
    assert_eq!(seen.iter().filter(|one| one.key.verify_ssl()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_cancels_what_is_in_flight() {
    let backend = MemoryBackend::always(Answer::hang());
    let client = client(&backend, 10);
    {
        let batch = client.request((0..100).map(url));
        let _ = tokio::time::timeout(Duration::from_secs(1), batch).await;
    }
    // The runtime's next turn is enough.
    tokio::task::yield_now().await;
    let counts = backend.counts();
    assert_eq!((counts.begun, counts.dropped), (10, 10));
}

#[tokio::test]
async fn a_scope_closes_the_client_and_a_closed_client_says_so() {
    let backend = MemoryBackend::always(Answer::ok());
    let client = client(&backend, 10);
    let again = client.clone();
    let found = client
        .scope(async |client| client.request([url("a"), url("b")]).await.len())
        .await;
    assert_eq!(found, 2);
    let error = again.get(url("c")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(!error.may_have_been_processed());
}

#[cfg(feature = "serde")]
#[tokio::test]
async fn outcomes_can_be_written_and_read_back() {
    use parallel_requests::Batch;
    let backend = MemoryBackend::answering(|request| match request.uri.path() {
        "/dead" => Answer::error(ErrorKind::Connect, "refused"),
        _ => Answer::ok().body("fine").header("x-a", "1"),
    });
    let batch = client(&backend, 2)
        .request([("a", url("a")), ("dead", url("dead"))])
        .await;
    let written = serde_json::to_string(&batch).unwrap();
    let read: Batch<String> = serde_json::from_str(&written).unwrap();
    assert_eq!(read.get(0).unwrap().response().unwrap().text(), "fine");
    assert_eq!(
        read.by_key(&"dead".to_owned())
            .unwrap()
            .error()
            .unwrap()
            .kind(),
        ErrorKind::Connect
    );
    assert_eq!(serde_json::to_string(&read).unwrap(), written);
}
