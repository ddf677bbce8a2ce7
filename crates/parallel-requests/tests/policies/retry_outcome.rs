//! What a request comes to after several attempts, and what they count for.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::join_all;
use parallel_requests::{
    CircuitBreaker, ClientBuilder, ErrorKind, ParallelRequests, PolicyOverrides, Proxy, ProxyPool,
    RateLimit, RequestConfig, RetryBudget, RetryDecision, RetryPolicy, TimeoutPhase,
    http::StatusCode,
};
use pr_core::Delivery;
use pr_testkit::{Answer, MemoryBackend, ProxyServer};
use tokio::time::Instant;

const URL: &str = "http://h.example/";

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn over(backend: &MemoryBackend) -> ClientBuilder {
    ParallelRequests::builder().backend(Arc::new(backend.clone()))
}

/// An error says of the request's fate what is true of all attempts at it.
#[tokio::test(start_paused = true)]
async fn the_delivery_is_that_of_all_attempts() {
    let refused = || Answer::error(ErrorKind::Connect, "refused");
    let half = Answer::ok().body("half");
    let unprocessed = refused().delivery(Delivery::NotProcessed);
    for (first, expected) in [
        (refused(), Delivery::NotSent),
        (unprocessed, Delivery::NotProcessed),
        (Answer::status(503), Delivery::Unknown),
        // By which the server says that it has not.
        (Answer::status(425), Delivery::NotProcessed),
        (Answer::timeout(TimeoutPhase::Head), Delivery::Unknown),
        (
            half.then_error(ErrorKind::Truncated, "cut"),
            Delivery::Unknown,
        ),
    ] {
        for others in [1, 2] {
            let shown = format!("{first:?}");
            let mut answers = vec![first.clone()];
            answers.extend((0..others).map(|_| refused()));
            let backend = MemoryBackend::queue(answers);
            let client = over(&backend).max_retries(others).build().unwrap();
            let request = RequestConfig::put(URL).data("x");
            let error = client.send(request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Connect);
            assert_eq!(error.earlier_attempts().len(), others as usize);
            assert_eq!(error.delivery(), expected, "{shown}");
        }
    }
}

/// What was repeated on its user's word is not repeated by `retry_failed` as if it had not been sent.
#[tokio::test(start_paused = true)]
async fn a_post_that_may_have_been_processed_is_not_repeated_by_its_batch() {
    let backend = MemoryBackend::queue([
        Answer::timeout(TimeoutPhase::Head),
        Answer::error(ErrorKind::Connect, "refused"),
    ]);
    let client = over(&backend).build().unwrap();
    let policy = RetryPolicy::default()
        .max_retries(1)
        .retry_if(|_| RetryDecision::Retry);
    let post = RequestConfig::post(URL).data("order").retry(policy);
    let batch = client.request([post]).await;
    let error = batch.iter().next().unwrap().error().unwrap();
    assert_eq!(error.delivery(), Delivery::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_an_open_circuit_refuses_leaves_the_reply_in_hand() {
    let backend = MemoryBackend::always(Answer::status(503).body("why"));
    let breaker = CircuitBreaker::default().consecutive_failures(2);
    let client = over(&backend)
        .circuit_breaker(breaker.open_for(seconds(60)))
        .build()
        .unwrap();
    let began = Instant::now();
    let response = client.get(URL).await.unwrap();
    assert_eq!(
        (response.status_code(), &*response.text()),
        (StatusCode::SERVICE_UNAVAILABLE, "why")
    );
    let [first] = response.earlier_attempts() else {
        panic!("{:?}", response.earlier_attempts());
    };
    // Nobody waits for what would be refused: only the first had a backoff.
    let backoff = first.backoff.unwrap();
    assert!(began.elapsed() <= backoff + Duration::from_millis(5));
    assert_eq!(backend.counts().begun, 2);
}

/// It may open while the backoff lasts.
#[tokio::test(start_paused = true)]
async fn so_does_one_that_is_refused_after_its_backoff() {
    let slow = Duration::from_millis(10);
    let backend = MemoryBackend::always(Answer::status(503).body("why").after(slow));
    let budget = RetryBudget::percent(0.0).reserve(100);
    let breaker = CircuitBreaker::default()
        .consecutive_failures(20)
        .open_for(seconds(60));
    let client = over(&backend)
        .concurrency(40)
        .circuit_breaker(breaker)
        .retry_budget(budget.clone())
        .build()
        .unwrap();
    // All begin before the twentieth of them opens it.
    let replies = join_all((0..40).map(|_| client.get(URL))).await;
    for reply in replies {
        let response = reply.unwrap();
        assert_eq!(
            (response.status_code(), &*response.text()),
            (StatusCode::SERVICE_UNAVAILABLE, "why")
        );
        assert!(response.earlier_attempts().is_empty());
    }
    assert_eq!(backend.counts().begun, 40);
    // And what was taken out for those who were to try again is back.
    assert_eq!(budget.left(), Some(100));
}

#[tokio::test(start_paused = true)]
async fn so_does_one_whose_turn_does_not_come_in_time() {
    let refusal = Answer::status(503).header("retry-after", "100").body("why");
    let backend = MemoryBackend::queue([refusal, Answer::ok()]);
    let budget = RetryBudget::percent(0.0).reserve(1);
    let client = over(&backend)
        .retry_budget(budget.clone())
        .queue_timeout(seconds(5))
        .build()
        .unwrap();
    let response = client
        .send(RequestConfig::put(URL).data("x"))
        .await
        .unwrap();
    assert_eq!(
        (response.status_code(), &*response.text()),
        (StatusCode::SERVICE_UNAVAILABLE, "why")
    );
    assert!(response.earlier_attempts().is_empty());
    assert_eq!(budget.left(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_never_made_costs_the_budget_nothing() {
    // Dropped in its backoff.
    let backend = MemoryBackend::always(Answer::status(503));
    let budget = RetryBudget::percent(0.0).reserve(10);
    let slow = RetryPolicy::default().base(seconds(20)).cap(seconds(20));
    let client = over(&backend)
        .retry_budget(budget.clone())
        .retry(slow)
        .build()
        .unwrap();
    for _ in 0..10 {
        let limit = Duration::from_millis(1);
        tokio::time::timeout(limit, client.get(URL))
            .await
            .unwrap_err();
    }
    assert_eq!(budget.left(), Some(10));

    // Dropped in line, where its host's pause keeps it.
    let backend = MemoryBackend::always(Answer::status(503).header("retry-after", "60"));
    let quick = RetryPolicy::default().base(Duration::ZERO);
    let client = over(&backend)
        .retry_budget(budget.clone())
        .retry(quick.clone())
        .build()
        .unwrap();
    tokio::time::timeout(seconds(10), client.get(URL))
        .await
        .unwrap_err();
    assert_eq!((backend.counts().begun, budget.left()), (1, Some(10)));

    // Dropped when it has been sent: that counts.
    let backend = MemoryBackend::queue([Answer::status(503), Answer::hang()]);
    let client = over(&backend)
        .retry_budget(budget.clone())
        .retry(quick)
        .build()
        .unwrap();
    tokio::time::timeout(seconds(10), client.get(URL))
        .await
        .unwrap_err();
    assert_eq!((backend.counts().begun, budget.left()), (2, Some(9)));
}

/// In a batch with a rate, the last request waits for a minute before it is sent at all.
#[tokio::test(start_paused = true)]
async fn time_in_line_does_not_count_for_max_elapsed() {
    let seen = Mutex::new(HashSet::new());
    let backend = MemoryBackend::answering(move |request| {
        let is_new = seen.lock().unwrap().insert(request.uri.clone());
        Answer::status(if is_new { 503 } else { 200 })
    });
    let client = over(&backend)
        .rate_limit(RateLimit::per_second(1))
        .retry_budget(RetryBudget::unlimited())
        .retry(
            RetryPolicy::default()
                .max_retries(20)
                .max_elapsed(seconds(10)),
        )
        .build()
        .unwrap();
    let batch = client.request((0..60).map(|n| format!("{URL}{n}"))).await;
    for outcome in &batch {
        let response = outcome.response().unwrap();
        assert_eq!(
            response.status_code(),
            200,
            "{:?}",
            response.earlier_attempts()
        );
        assert!(!response.earlier_attempts().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_begins_when_its_turn_has_come() {
    let short = Duration::from_millis(10);
    let backend = MemoryBackend::answering(move |request| match request.number {
        0 => Answer::ok().after(seconds(10)),
        1 | 2 => Answer::status(503).after(short),
        _ => Answer::ok(),
    });
    let limited = RetryPolicy::default().max_elapsed(seconds(5));
    let client = over(&backend)
        .concurrency(1)
        .retry(limited)
        .build()
        .unwrap();
    let replies = join_all([client.get(URL), client.get(URL)]).await;
    let second = replies[1].as_ref().unwrap();
    assert_eq!(second.status_code(), 200);
    let [first, second] = second.earlier_attempts() else {
        panic!("{:?}", second.earlier_attempts());
    };
    // After it was handed over, it waited for ten seconds, and then took ten milliseconds.
    let about = |time: Duration, expected: Duration| {
        assert!(
            time.abs_diff(expected) < Duration::from_millis(5),
            "{time:?}"
        );
    };
    about(first.started, seconds(10));
    about(first.elapsed, short);
    about(second.started, seconds(10) + short + first.backoff.unwrap());
    about(second.elapsed, short);
}

/// To say wrong credentials again and again locks accounts.
#[test]
fn a_single_proxy_is_not_told_the_same_credentials_again() {
    if parallel_requests::available_backends().next().is_none() {
        return;
    }
    let proxy = ProxyServer::builder().credentials("a", "b").start();
    let url = format!("http://a:wrong@{}", proxy.authority());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let quick = RetryPolicy::default().base(Duration::from_millis(1));
    let client = ParallelRequests::builder()
        .proxy(Proxy::new(&url).unwrap())
        .retry(quick.clone())
        .build()
        .unwrap();
    let error = runtime.block_on(client.get("https://origin.example/"));
    assert_eq!(
        error.unwrap_err().proxy_status(),
        Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED)
    );
    assert_eq!(proxy.requests().len(), 1);

    // A pool has other proxies.
    let other = ProxyServer::builder().credentials("a", "b").start();
    let other_url = format!("http://a:wrong@{}", other.authority());
    let client = ParallelRequests::builder()
        .proxy_pool(ProxyPool::parse([url, other_url]).unwrap())
        .retry(quick)
        .build()
        .unwrap();
    runtime
        .block_on(client.get("https://origin.example/"))
        .unwrap_err();
    assert_eq!((proxy.requests().len(), other.requests().len()), (2, 1));
}
