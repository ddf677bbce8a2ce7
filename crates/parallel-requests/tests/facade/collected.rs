//! What can be done with a collected batch: look-ups, failures, a second try.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures::stream;
use parallel_requests::{
    Body, ErrorKind, ParallelRequests, RequestConfig, RetryPolicy, blocking, http::StatusCode,
};
use pr_testkit::{Answer, MemoryBackend};

use crate::client;

fn url(path: impl std::fmt::Display) -> String {
    format!("http://h.example/{path}")
}

/// Odd numbers fail the first time that they are asked for.
fn better_the_second_time(failure: Answer) -> MemoryBackend {
    let seen = std::sync::Mutex::new(HashSet::new());
    MemoryBackend::answering(move |request| {
        let path = request.uri.path().to_owned();
        let number: u32 = path[1..].parse().unwrap();
        if number % 2 == 1 && seen.lock().unwrap().insert(number) {
            failure.clone()
        } else {
            Answer::ok().body(number.to_string())
        }
    })
}

#[tokio::test]
async fn any_key_is_found_and_the_first_of_equals() {
    let client = client(&MemoryBackend::always(Answer::ok()), 20);
    let batch = client
        .request((0..10_000).map(|number| (format!("key {}", number % 5_000), url(number))))
        .await;
    for number in 0..5_000 {
        let found = batch.by_key(format!("key {number}").as_str()).unwrap();
        assert_eq!(found.index, number);
    }
    assert!(batch.by_key("key 5000").is_none());
}

#[tokio::test]
async fn only_what_failed_is_sent_again_and_takes_its_old_place() {
    let backend = better_the_second_time(Answer::error(ErrorKind::Closed, "gone"));
    let client = client(&backend, 7);
    let batch = client
        .request((0..100).map(|number| (number, url(number))))
        .await;
    assert_eq!(batch.failures().count(), 50);
    let batch = batch.retry_failed(&client).await;
    assert_eq!(backend.counts().begun, 150);
    for (index, outcome) in batch.iter().enumerate() {
        assert_eq!((outcome.index, outcome.key), (index, index));
        assert_eq!(outcome.response().unwrap().text(), index.to_string());
    }
    assert_eq!(batch.by_key(&99).unwrap().index, 99);
    // Now there is nothing to do.
    let _ = batch.retry_failed(&client).await;
    assert_eq!(backend.counts().begun, 150);
}

#[tokio::test]
async fn a_second_try_means_by_failure_what_the_first_did() {
    let backend = MemoryBackend::always(Answer::status(500));
    let client = client(&backend, 7);
    let urls = || [url(1), url(2)];
    let strict = client.batch(urls()).error_for_status().collect().await;
    assert_eq!(strict.retry_failed(&client).await.failures().count(), 2);
    assert_eq!(backend.counts().begun, 4);
    let lenient = client.request(urls()).await.retry_failed(&client).await;
    assert_eq!(lenient.successes().count(), 2);
    assert_eq!(backend.counts().begun, 6);
}

#[tokio::test]
async fn a_typed_batch_is_merged_with_its_second_try() {
    let client = client(&better_the_second_time(Answer::status(503)), 7);
    let urls = (0..9).map(|number| (url(number), url(number)));
    let mut batch = client.batch(urls).json::<u32>().collect().await;
    assert_eq!(batch.failures().count(), 4);
    let again = client.batch(batch.failed_requests()).json().collect().await;
    assert_eq!(again.len(), 4);
    batch.merge(again);
    assert_eq!(batch.into_result().unwrap(), (0..9).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_body_that_was_sent_and_cannot_be_again_stays_failed() {
    let backend = better_the_second_time(Answer::error(ErrorKind::Closed, "gone"));
    let client = client(&backend, 7);
    let once = Body::one_shot(None, stream::iter([Ok("x".into())]));
    let batch = client
        .request([
            RequestConfig::post(url(1)).data(once),
            RequestConfig::post(url(3)).data("again"),
        ])
        .await;
    let batch = batch.retry_failed(&client).await;
    let first = batch.get(0).unwrap().error().unwrap();
    assert_eq!((first.kind(), first.message()), (ErrorKind::Closed, "gone"));
    // It is the user's wish, so a POST is sent again.
    assert!(batch.get(1).unwrap().is_ok());
    assert_eq!(backend.counts().begun, 3);
}

#[tokio::test]
async fn a_partial_failure_has_everything_by_index_and_by_key() {
    let client = client(
        &better_the_second_time(Answer::error(ErrorKind::Dns, "no")),
        7,
    );
    let batch = client.request([("one", url(1)), ("two", url(2))]).await;
    let partial = batch.into_result().unwrap_err();
    assert!(!partial.get(0).unwrap().is_ok());
    assert!(partial.by_key("two").unwrap().is_ok());
    assert_eq!(partial.batch().len(), 2);
    assert!(std::error::Error::source(&partial).is_some());
}

#[tokio::test(start_paused = true)]
async fn the_attempts_of_a_retry_policy_are_told_and_counted() {
    let calls = AtomicU32::new(0);
    let backend = MemoryBackend::answering(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::error(ErrorKind::Connect, "refused"),
        1 => Answer::status(503),
        _ => Answer::ok().body("7"),
    });
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend))
        .retry(RetryPolicy::new().max_retries(3))
        .build()
        .unwrap();
    let batch = client.batch([url(0)]).json::<u32>();
    let progress = batch.progress();
    let batch = batch.collect().await;
    let outcome = batch.get(0).unwrap();
    assert_eq!(outcome.value(), Some(&7));
    let attempts = outcome.attempts();
    let told: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt.result.as_ref().ok().map(StatusCode::as_u16))
        .collect();
    assert_eq!(told, [None, Some(503), Some(200)]);
    assert!(attempts[1].started >= attempts[0].elapsed);
    assert_eq!(progress.snapshot().retried, 2);
}

#[test]
fn the_blocking_client_can_do_all_of_that() {
    let backend = better_the_second_time(Answer::status(503));
    let settings = ParallelRequests::builder()
        .backend(Arc::new(backend))
        .retry(RetryPolicy::never());
    let client = blocking::ParallelRequests::from_builder(settings).unwrap();
    let batch = client
        .batch((0..10).map(url))
        .error_for_status()
        .collect()
        .unwrap();
    assert_eq!(batch.failures().count(), 5);
    let batch = client.retry_failed(batch).unwrap();
    assert_eq!(batch.failures().count(), 0);
    let numbers = client
        .batch((0..10).map(url))
        .json::<u32>()
        .ordered()
        .stream()
        .unwrap();
    let progress = numbers.progress();
    let numbers: Vec<_> = numbers.map(|outcome| outcome.result.unwrap()).collect();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    assert!(progress.snapshot().is_over);
}
