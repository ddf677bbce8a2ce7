//! Second copies of requests that take long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use futures::future::join_all;
use parallel_requests::{
    Body, CircuitBreaker, ErrorKind, Hedge, ParallelRequests, PolicyOverrides, RequestConfig,
    RetryBudget, RetryPolicy, http::Method,
};
use pr_core::{Delivery, ExchangeObserver, Stage};
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
        (RequestConfig::new(Method::HEAD, URL), 1),
        (RequestConfig::put(URL).data("again"), 0),
        (RequestConfig::new(Method::DELETE, URL), 0),
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
async fn what_is_idempotent_but_not_safe_has_a_copy_if_that_is_said() {
    let once = || Body::one_shot(None, futures::stream::iter([Ok("once".into())]));
    for (request, copies) in [
        (RequestConfig::get(URL), 1),
        (RequestConfig::put(URL).data("again"), 1),
        (RequestConfig::new(Method::DELETE, URL), 1),
        (RequestConfig::post(URL).data("x"), 0),
        (RequestConfig::put(URL).data(once()), 0),
    ] {
        let backend = MemoryBackend::always(Answer::ok().after(3 * PATIENCE));
        let shown = format!("{request:?}");
        let hedge = Hedge::after(PATIENCE).idempotent_methods(true);
        client(&backend, hedge, 20).send(request).await.unwrap();
        assert_eq!(backend.counts().begun, 1 + copies, "{shown}");
    }
}

/// The gate hears of each reply when it is there, and once, whether it wins or not.
#[tokio::test(start_paused = true)]
async fn a_pause_that_either_is_asked_for_begins_with_its_reply() {
    let pause = |status: u16| Answer::status(status).header("retry-after", "10");
    for (name, first, copy, expected, until) in [
        (
            "the first loses",
            pause(429).after(ms(150)),
            Answer::ok().after(ms(200)),
            200,
            10_150,
        ),
        (
            "the copy loses",
            Answer::ok().after(ms(300)),
            pause(503).after(ms(50)),
            200,
            10_150,
        ),
        (
            "the copy is what is left",
            Answer::error(ErrorKind::Protocol, "scripted").after(ms(5_000)),
            pause(503),
            503,
            10_100,
        ),
        (
            "the first is what is left",
            pause(429).after(ms(150)),
            Answer::error(ErrorKind::Protocol, "scripted").after(ms(5_000)),
            429,
            10_150,
        ),
        (
            "there is no copy",
            pause(429).after(ms(50)),
            Answer::ok(),
            429,
            10_050,
        ),
    ] {
        let backend = answers([first, copy]);
        let client = client(&backend, Hedge::after(PATIENCE), 20);
        let began = Instant::now();
        assert_eq!(
            client.get(URL).await.unwrap().status_code(),
            expected,
            "{name}"
        );
        client.get(URL).await.unwrap();
        assert_eq!(
            backend.counts().begun,
            if name == "there is no copy" { 2 } else { 3 }
        );
        let took = began.elapsed();
        // Up to a tenth is added by chance.
        let range = ms(until)..ms(until + 1_005);
        assert!(range.contains(&took), "{name}: {took:?}");
    }
}

/// The pause is there for others while the copy is still under way.
#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_first_counts_while_its_copy_is_under_way() {
    let refusal = Answer::status(429)
        .header("retry-after", "5")
        .after(ms(150));
    let backend = answers([refusal, Answer::ok().after(ms(20_000))]);
    let client = client(&backend, Hedge::after(PATIENCE), 20);
    let other = async {
        tokio::time::sleep(ms(1_000)).await;
        client.get(URL).await.unwrap();
        Instant::now()
    };
    let began = Instant::now();
    let (first, other) = tokio::join!(client.get(URL), other);
    assert_eq!(first.unwrap().status_code(), 200);
    let other = other - began;
    assert!((ms(5_150)..ms(5_655)).contains(&other), "{other:?}");
}

#[tokio::test(start_paused = true)]
async fn the_probe_of_a_half_open_circuit_has_no_copy() {
    let bad = || Answer::status(503);
    let slow = || Answer::ok().after(10 * PATIENCE);
    let backend = answers([bad(), bad(), slow(), slow()]);
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .circuit_breaker(CircuitBreaker::default().consecutive_failures(2))
        .hedge(Hedge::after(PATIENCE).max_hedges(3))
        .retry(RetryPolicy::default().statuses([]))
        .build()
        .unwrap();
    for _ in 0..2 {
        client.get(URL).await.unwrap();
    }
    tokio::time::sleep(ms(6_000)).await;
    client.get(URL).await.unwrap();
    assert_eq!(backend.counts().begun, 3);
    // And when the circuit is closed again there are copies as before.
    client.get(URL).await.unwrap();
    assert_eq!(backend.counts().begun, 5);
}

/// A copy of what waits for a connection would wait for one, too.
#[tokio::test(start_paused = true)]
async fn its_patience_begins_when_the_exchange_leaves_the_backends_queue() {
    use Stage::{AwaitingHead, Connecting, Queued};
    for (stages, copies) in [
        (&[(Queued, 5)][..], 0),
        (&[(Connecting, 5)], 1),
        (&[(AwaitingHead, 5)], 1),
        // There were connections enough; and then there was a place.
        (&[(Connecting, 0), (Queued, 5)], 0),
        (&[(Queued, 5), (Connecting, 5)], 1),
        (&[(Connecting, 0), (Queued, 5), (Connecting, 0)], 0),
        (&[(Connecting, 0), (Queued, 5), (AwaitingHead, 5)], 1),
        // It has been sent, and waits to follow a redirect.
        (&[(AwaitingHead, 0), (Queued, 5)], 1),
    ] {
        let backend = MemoryBackend::handling(move |request| async move {
            for (stage, patiences) in stages {
                request.progress.reach(*stage);
                tokio::time::sleep(*patiences * PATIENCE).await;
            }
            request.progress.reach(Stage::Sending);
            Err(pr_core::BackendError::new(ErrorKind::Protocol, "scripted"))
        });
        let seen = Arc::new(Seen::default());
        let request = RequestConfig::get(URL).observe_exchange(seen.clone());
        let client = client(&backend, Hedge::after(PATIENCE), 20);
        client.send(request).await.unwrap_err();
        assert_eq!(backend.counts().begun, 1 + copies, "{stages:?}");
        // Whoever watches the request still does.
        assert!(seen.0.load(SeqCst));
    }
}

#[derive(Default)]
struct Seen(AtomicBool);

impl ExchangeObserver for Seen {
    fn reached(&self, stage: Stage) {
        self.0.fetch_or(stage == Stage::Sending, SeqCst);
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
    let refused = || {
        Answer::error(ErrorKind::Protocol, "scripted")
            .delivery(Delivery::NotProcessed)
            .after(late)
    };
    for (one, other, expected) in [
        (unknown(), error(), Delivery::Unknown),
        (unknown(), refused(), Delivery::Unknown),
        (refused(), error(), Delivery::NotProcessed),
    ] {
        for two in [[one.clone(), other.clone()], [other, one]] {
            let backend = answers(two);
            let client = client(&backend, Hedge::after(PATIENCE), 20);
            let error = client.get(URL).await.unwrap_err();
            assert_eq!(error.delivery(), expected);
        }
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

#[cfg(feature = "cookies")]
#[tokio::test(start_paused = true)]
async fn the_jar_keeps_the_cookies_of_a_losers_head() {
    let loser = Answer::ok().header("set-cookie", "id=loser").body("half");
    let backend = answers([loser.then_hang(), Answer::ok()]).recording();
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .cookie_jar(parallel_requests::CookieJar::new())
        .hedge(Hedge::after(PATIENCE))
        .build()
        .unwrap();
    for _ in 0..2 {
        client.get(URL).await.unwrap();
    }
    assert_eq!(backend.requests()[2].headers["cookie"], "id=loser");
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
