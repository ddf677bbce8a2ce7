//! Second copies of requests that take long.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use parallel_requests::{
    Body, ErrorKind, Hedge, ParallelRequests, PolicyOverrides, RequestConfig, RetryBudget,
    RetryPolicy, http::Method,
};
use pr_testkit::{Answer, MemoryBackend};
use tokio::time::Instant;

const URL: &str = "http://h.example/";
const PATIENCE: Duration = Duration::from_millis(100);

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn client(backend: &MemoryBackend, hedge: Hedge, concurrency: usize) -> ParallelRequests {
    ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .concurrency(concurrency)
        .hedge(hedge)
        // What a race gives is looked at, not what is made of it.
        .retry(
            RetryPolicy::default()
                .statuses([])
                .retry_if(|_| parallel_requests::RetryDecision::Stop),
        )
        .build()
        .unwrap()
}

/// These answers to the first exchanges, and 200 at once to all others.
fn answers<const N: usize>(answers: [Answer; N]) -> MemoryBackend {
    MemoryBackend::answering(move |request| {
        let index = usize::try_from(request.number).unwrap();
        answers.get(index).cloned().unwrap_or_else(Answer::ok)
    })
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_long_is_overtaken_by_its_copy() {
    let backend = answers([Answer::hang(), Answer::ok().body("copy").after(ms(10))]);
    let client = client(&backend, Hedge::after(PATIENCE), 2);
    let began = Instant::now();
    assert_eq!(client.get(URL).await.unwrap().text(), "copy");
    assert_eq!(began.elapsed(), PATIENCE + ms(10));
    let counts = backend.counts();
    assert_eq!((counts.begun, counts.answered, counts.dropped), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_first_may_still_win_and_then_the_copy_is_dropped() {
    let first = Answer::ok().body("first").after(PATIENCE + ms(1));
    let backend = answers([first, Answer::hang()]);
    let client = client(&backend, Hedge::after(PATIENCE), 2);
    assert_eq!(client.get(URL).await.unwrap().text(), "first");
    let counts = backend.counts();
    assert_eq!((counts.begun, counts.answered, counts.dropped), (2, 1, 1));
    // The places are back: two more are in flight at once.
    let began = Instant::now();
    join_all([client.get(URL), client.get(URL)]).await;
    assert!(began.elapsed() < PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_time_has_no_copy() {
    let backend = MemoryBackend::always(Answer::ok().after(ms(99)));
    let client = client(&backend, Hedge::after(PATIENCE), 20);
    let _ = client.request([URL; 50]).await;
    assert_eq!(backend.counts().begun, 50);
}

#[tokio::test(start_paused = true)]
async fn only_what_may_be_sent_twice_has_a_copy() {
    let once = || Body::one_shot(None, futures::stream::iter([Ok("once".into())]));
    let get = || RequestConfig::get(URL);
    for (request, copies) in [
        (get(), 1),
        (RequestConfig::put(URL).data("again"), 1),
        (RequestConfig::new(Method::DELETE, URL), 1),
        (RequestConfig::post(URL).data("x"), 0),
        (RequestConfig::patch(URL).data("x"), 0),
        (RequestConfig::put(URL).data(once()), 0),
        (get().retry(RetryPolicy::never()), 0),
        (get().resend(false), 0),
    ] {
        let backend = MemoryBackend::always(Answer::ok().after(3 * PATIENCE));
        let shown = format!("{request:?}");
        let client = client(&backend, Hedge::after(PATIENCE), 20);
        client.send(request).await.unwrap();
        assert_eq!(backend.counts().begun, 1 + copies, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_needs_a_place_at_once() {
    let slow = || Answer::ok().after(5 * PATIENCE);
    let backend = answers([slow(), slow(), slow()]);
    let client = client(&backend, Hedge::after(PATIENCE), 2);
    let began = Instant::now();
    join_all([client.get(URL), client.get(URL)]).await;
    assert_eq!(backend.counts().begun, 2);
    assert_eq!(began.elapsed(), 5 * PATIENCE);
    // And it never queues, not even when a place becomes free a little later.
    assert_eq!(backend.counts().max_in_flight, 2);
}

#[tokio::test(start_paused = true)]
async fn the_budget_bounds_the_copies() {
    let backend = MemoryBackend::always(Answer::ok().after(2 * PATIENCE));
    let budget = RetryBudget::percent(10.0).reserve(5);
    let client = client(&backend, Hedge::after(PATIENCE).budget(budget), 2_000);
    let _ = client.request((0..1_000).map(|_| URL)).await;
    let copies = backend.counts().begun - 1_000;
    assert!((90..=105).contains(&copies), "{copies}");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_not_good_leaves_the_other_running() {
    for first in [
        Answer::status(503).after(PATIENCE + ms(1)),
        Answer::status(429).after(PATIENCE + ms(1)),
        Answer::error(ErrorKind::Closed, "scripted").after(PATIENCE + ms(1)),
    ] {
        let backend = answers([first, Answer::ok().body("copy").after(ms(50))]);
        let client = client(&backend, Hedge::after(PATIENCE), 20);
        assert_eq!(client.get(URL).await.unwrap().text(), "copy");
    }
    // The copy may be the one that fails.
    let slow = Answer::ok().body("first").after(3 * PATIENCE);
    let backend = answers([slow, Answer::error(ErrorKind::Connect, "scripted")]);
    let client = client(&backend, Hedge::after(PATIENCE), 20);
    assert_eq!(client.get(URL).await.unwrap().text(), "first");
}

#[tokio::test(start_paused = true)]
async fn if_all_fail_the_reply_is_the_one_that_tells_most() {
    let late = PATIENCE + ms(10);
    let response = || Answer::status(503).after(late);
    let error = || Answer::error(ErrorKind::Connect, "scripted").after(late);
    for two in [[response(), error()], [error(), response()]] {
        let backend = answers(two);
        let client = client(&backend, Hedge::after(PATIENCE), 20);
        assert_eq!(client.get(URL).await.unwrap().status_code(), 503);
        assert_eq!(backend.counts().begun, 2);
    }
    // It never claims that less has happened than may have.
    let unknown = || Answer::error(ErrorKind::Closed, "scripted").after(late);
    for two in [[unknown(), error()], [error(), unknown()]] {
        let backend = answers(two);
        let client = client(&backend, Hedge::after(PATIENCE), 20);
        let error = client.get(URL).await.unwrap_err();
        assert!(error.may_have_been_processed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_its_time_is_the_retry_policys() {
    let backend = answers([Answer::status(503).after(ms(1))]);
    let client = client(&backend, Hedge::after(PATIENCE), 20);
    assert_eq!(client.get(URL).await.unwrap().status_code(), 503);
    assert_eq!(backend.counts().begun, 1);
}

#[tokio::test(start_paused = true)]
async fn several_copies_go_one_after_the_other() {
    let backend = MemoryBackend::always(Answer::ok().after(10 * PATIENCE));
    let client = client(&backend, Hedge::after(PATIENCE).max_hedges(3), 20);
    let began = Instant::now();
    client.get(URL).await.unwrap();
    assert_eq!(backend.counts().begun, 4);
    assert_eq!(began.elapsed(), 10 * PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_percentile_is_of_the_host_and_needs_samples() {
    // Every tenth hangs after the first hundred; one host takes ten times as long as the other.
    let backend = MemoryBackend::answering(|request| match request.uri.host() {
        Some("slow.example") => Answer::ok().after(ms(100)),
        _ if request.number >= 250 && request.number % 10 == 0 => Answer::hang(),
        _ => Answer::ok().after(ms(10)),
    });
    let hedge = Hedge::at_percentile(0.9).budget(RetryBudget::unlimited());
    let client = client(&backend, hedge, 1_000);
    let _ = client.request(["http://slow.example/"; 120]).await;
    let _ = client.request([URL; 120]).await;
    assert_eq!(
        backend.counts().begun,
        240,
        "no copy before there are samples"
    );
    // Nothing is slow for its host.
    let _ = client.request(["http://slow.example/"; 5]).await;
    assert_eq!(backend.counts().begun, 245);
    for _ in 0..40 {
        let began = Instant::now();
        client.get(URL).await.unwrap();
        assert!(began.elapsed() <= ms(25), "{:?}", began.elapsed());
    }
    assert!(backend.counts().dropped >= 3);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_request_drops_all_of_its_copies() {
    let backend = MemoryBackend::always(Answer::hang());
    let client = client(&backend, Hedge::after(PATIENCE).max_hedges(2), 20);
    let limit = 5 * PATIENCE;
    tokio::time::timeout(limit, client.get(URL))
        .await
        .unwrap_err();
    let counts = backend.counts();
    assert_eq!((counts.begun, counts.dropped), (3, 3));
}

#[test]
fn what_cannot_work_is_refused() {
    for (hedge, value) in [
        (Hedge::after(Duration::ZERO), "after 0ns"),
        (Hedge::at_percentile(0.0), "at_percentile 0"),
        (Hedge::at_percentile(1.0), "at_percentile 1"),
        (Hedge::at_percentile(f64::NAN), "at_percentile NaN"),
        (Hedge::after(PATIENCE).max_hedges(0), "max_hedges 0"),
        (Hedge::at_percentile(0.5).min_samples(0), "min_samples 0"),
        (
            Hedge::at_percentile(0.5).min_samples(1_001),
            "min_samples 1001",
        ),
        (
            Hedge::after(PATIENCE).budget(RetryBudget::percent(-1.0)),
            "-1",
        ),
    ] {
        let backend = Arc::new(MemoryBackend::always(Answer::ok()));
        let built = ParallelRequests::builder()
            .backend(backend)
            .hedge(hedge)
            .build();
        let error = built.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("hedge cannot be {value}")),
            "{error}"
        );
    }
}
