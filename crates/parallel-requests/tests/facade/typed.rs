//! Responses that become something else.

use parallel_requests::{BackendError, ErrorKind, http::StatusCode};
use pr_testkit::{Answer, MemoryBackend};

use crate::client;

const PATHS: [&str; 5] = ["1", "text", "missing", "dead", "2"];

fn backend() -> MemoryBackend {
    MemoryBackend::answering(|request| match request.uri.path() {
        "/missing" => Answer::status(404).body("0"),
        "/dead" => Answer::error(ErrorKind::Connect, "refused"),
        "/text" => Answer::ok().body("not JSON"),
        path => Answer::ok().body(path[1..].to_owned()),
    })
}

fn urls() -> impl Iterator<Item = (&'static str, String)> + Clone {
    PATHS
        .iter()
        .map(|path| (*path, format!("http://h.example/{path}")))
}

/// The values, or what kind of error stands in their place.
fn kinds<K, T: Clone>(batch: &parallel_requests::Batch<K, T>) -> Vec<Result<T, ErrorKind>> {
    batch
        .iter()
        .map(|outcome| outcome.result.as_ref().cloned().map_err(BackendError::kind))
        .collect()
}

#[tokio::test]
async fn what_cannot_be_parsed_is_that_requests_failure_and_no_others() {
    use ErrorKind::{Connect, Decode, Status};

    let client = client(&backend(), 2);
    let batch = client.batch(urls()).json::<u32>().collect().await;
    assert_eq!(
        kinds(&batch),
        [Ok(1), Err(Decode), Err(Status), Err(Connect), Ok(2)]
    );
    let missing = batch.by_key("missing").unwrap();
    assert_eq!(missing.error().unwrap().status_code().unwrap(), 404);
    for outcome in &batch {
        let request = outcome
            .request()
            .map(|request| request.url().unwrap().path());
        let expected = format!("/{}", outcome.key);
        assert_eq!(
            request,
            outcome.error().map(|_| &*expected),
            "only of failures"
        );
    }
}

#[tokio::test]
async fn texts_and_bodies_are_those_of_successes() {
    let client = client(&backend(), 2);
    let texts = client.batch(urls()).text().collect().await;
    let texts: Vec<_> = texts
        .successes()
        .filter_map(|one| one.value())
        .cloned()
        .collect();
    assert_eq!(texts, ["1", "not JSON", "2"]);
    let bodies = client.batch(urls()).bytes().collect().await;
    let bodies: Vec<_> = bodies
        .successes()
        .filter_map(|one| one.value())
        .cloned()
        .collect();
    assert_eq!(bodies, ["1", "not JSON", "2"]);
}

#[tokio::test]
async fn a_function_sees_every_status_unless_those_are_errors() {
    let client = client(&backend(), 2);
    let status =
        |response: parallel_requests::NormalizedResponse| Ok(response.status_code().as_u16());
    let batch = client.batch(urls()).map(status).collect().await;
    let connect = Err(ErrorKind::Connect);
    assert_eq!(kinds(&batch), [Ok(200), Ok(200), Ok(404), connect, Ok(200)]);
    let batch = client
        .batch(urls())
        .map(status)
        .error_for_status()
        .collect()
        .await;
    let refused = Err(ErrorKind::Status);
    assert_eq!(kinds(&batch), [Ok(200), Ok(200), refused, connect, Ok(200)]);
}

#[tokio::test]
async fn a_function_that_panics_breaks_one_outcome() {
    let client = client(&backend(), 2);
    let mut calls = 0;
    let batch = client
        .batch(urls())
        .map(|response| {
            calls += 1;
            assert_ne!(response.text(), "1", "this one is not to be read");
            Ok(())
        })
        .collect()
        .await;
    assert_eq!(kinds(&batch)[..2], [Err(ErrorKind::Other), Ok(())]);
    assert_eq!(calls, 4);
}

#[tokio::test]
async fn statuses_are_failures_if_the_batch_says_so() {
    let client = client(&backend(), 2);
    let plain = client.request(urls()).await;
    assert_eq!(plain.failures().count(), 1);
    let strict = client.batch(urls()).error_for_status().collect().await;
    let failed: Vec<_> = strict.failures().map(|outcome| outcome.key).collect();
    assert_eq!(failed, ["missing", "dead"]);
    assert!(strict.failures().all(|outcome| outcome.request().is_some()));
}

#[tokio::test]
async fn each_attempt_is_told_whatever_became_of_the_response() {
    let client = client(&backend(), 2);
    for outcome in &client.batch(urls()).json::<u32>().collect().await {
        let attempts = outcome.attempts();
        assert_eq!(attempts.len(), 1);
        let status = attempts[0].result.as_ref().ok().map(StatusCode::as_u16);
        let expected = match outcome.key {
            "missing" => Some(404),
            "dead" => None,
            _ => Some(200),
        };
        assert_eq!(status, expected, "{}", outcome.key);
    }
    for outcome in &client.request(urls()).await {
        assert_eq!(outcome.attempts().len(), 1);
    }
}
