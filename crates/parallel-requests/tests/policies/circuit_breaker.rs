//! Hosts that fail all the time are left alone for a while.

use std::{sync::Arc, time::Duration};

use parallel_requests::{
    CircuitBreaker, CircuitState, ErrorKind, ParallelRequests, RateLimit, RequestConfig,
    RetryPolicy, TimeoutPhase,
};
use pr_core::Delivery;
use pr_testkit::{Answer, MemoryBackend};
use tokio::time::advance;

const BAD: &str = "http://bad.example/";
const GOOD: &str = "http://good.example/";
const OPEN_FOR: Duration = Duration::from_secs(5);

fn breaker() -> CircuitBreaker {
    CircuitBreaker::default()
        .min_requests(4)
        .window(8)
        .open_for(OPEN_FOR)
}

fn client(backend: &MemoryBackend, breaker: &CircuitBreaker) -> ParallelRequests {
    ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .circuit_breaker(breaker.clone())
        .retry(RetryPolicy::never())
        .build()
        .unwrap()
}

/// Answers 503 at one host and 200 at all others.
fn one_bad_host() -> MemoryBackend {
    MemoryBackend::answering(|request| match request.uri.host() {
        Some("bad.example") => Answer::status(503),
        _ => Answer::ok(),
    })
}

#[tokio::test(start_paused = true)]
async fn a_host_that_fails_is_left_alone_and_others_are_not() {
    let (backend, breaker) = (one_bad_host(), breaker());
    let client = client(&backend, &breaker);
    for _ in 0..4 {
        assert_eq!(breaker.state(BAD), CircuitState::Closed);
        assert_eq!(client.get(BAD).await.unwrap().status_code(), 503);
    }
    assert_eq!(breaker.state(BAD), CircuitState::Open { left: OPEN_FOR });
    assert_eq!(
        breaker.troubled(),
        [(
            "http://bad.example".to_owned(),
            CircuitState::Open { left: OPEN_FOR }
        )]
    );

    let secret = "http://user:secret@bad.example/path?token=secret";
    let error = client.get(secret).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert_eq!(error.url(), Some("http://bad.example/path?…"));
    let message = error.to_string();
    assert!(message.contains("http://bad.example is open"), "{message}");
    assert!(message.contains("tried again in 5.0s"), "{message}");
    assert!(!message.contains("secret"), "{message}");

    assert_eq!(client.get(GOOD).await.unwrap().status_code(), 200);
    // The same host on another port is another origin.
    client.get("http://bad.example:81/").await.unwrap();
    assert_eq!(backend.counts().begun, 6);
}

#[tokio::test(start_paused = true)]
async fn a_probe_closes_it_or_opens_it_for_twice_as_long() {
    let backend = MemoryBackend::answering(|request| match request.number {
        0..5 => Answer::error(ErrorKind::Connect, "refused"),
        _ => Answer::ok(),
    });
    let breaker = breaker();
    let client = client(&backend, &breaker);
    for _ in 0..4 {
        client.get(BAD).await.unwrap_err();
    }
    advance(OPEN_FOR).await;
    assert_eq!(breaker.state(BAD), CircuitState::HalfOpen);
    client.get(BAD).await.unwrap_err();
    assert_eq!(
        breaker.state(BAD),
        CircuitState::Open { left: 2 * OPEN_FOR }
    );
    advance(2 * OPEN_FOR).await;
    client.get(BAD).await.unwrap();
    assert_eq!(breaker.state(BAD), CircuitState::Closed);
    assert_eq!(backend.counts().begun, 6);
}

#[tokio::test(start_paused = true)]
async fn one_probe_goes_at_a_time_and_is_given_back_if_dropped() {
    let backend = MemoryBackend::answering(|request| match request.number {
        0..4 => Answer::status(500),
        4 => Answer::hang(),
        _ => Answer::ok().after(Duration::from_secs(1)),
    });
    let breaker = breaker();
    let client = client(&backend, &breaker);
    for _ in 0..4 {
        client.get(BAD).await.unwrap();
    }
    advance(OPEN_FOR).await;
    let limit = Duration::from_millis(100);
    tokio::time::timeout(limit, client.get(BAD))
        .await
        .unwrap_err();
    assert_eq!(breaker.state(BAD), CircuitState::HalfOpen);

    let batch = client.request([BAD; 10]).await;
    let open = |outcome: &&parallel_requests::Outcome<()>| {
        outcome
            .error()
            .is_some_and(|error| error.kind() == ErrorKind::CircuitOpen)
    };
    assert_eq!(batch.iter().filter(open).count(), 9);
    assert_eq!(backend.counts().begun, 6);
    assert_eq!(breaker.state(BAD), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_turn_when_it_opens_is_not_sent() {
    let backend = MemoryBackend::always(
        Answer::error(ErrorKind::Connect, "refused").after(Duration::from_secs(1)),
    );
    let breaker = breaker();
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .concurrency(4)
        .circuit_breaker(breaker)
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    let began = tokio::time::Instant::now();
    let batch = client.request((0..1_000).map(|_| BAD)).await;
    assert_eq!(batch.failures().count(), 1_000);
    // Those that were under way when it opened, and none after that.
    assert_eq!(backend.counts().begun, 4);
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_turn_does_not_wait_for_it_to_be_refused() {
    let (backend, breaker) = (one_bad_host(), breaker());
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .concurrency(1_000)
        .rate_limit_per_host(RateLimit::per_second(1))
        .circuit_breaker(breaker)
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    let began = tokio::time::Instant::now();
    let requests = (0..100).flat_map(|_| [BAD, GOOD]);
    let mut outcomes = client.stream(requests);
    let mut refused = 0;
    while refused < 96 {
        let outcome = outcomes.next().await.unwrap();
        refused += u32::from(outcome.error().is_some());
    }
    // The fourth opens it.
    let elapsed = began.elapsed();
    assert!(elapsed >= Duration::from_millis(2_900), "{elapsed:?}");
    assert!(elapsed <= Duration::from_millis(3_100), "{elapsed:?}");
    // The others are none of its business.
    while outcomes.next().await.is_some() {}
    assert_eq!(backend.counts().begun, 104);
}

#[tokio::test(start_paused = true)]
async fn only_what_speaks_of_the_host_counts() {
    let error = |kind| Answer::error(kind, "scripted");
    for (answer, opens) in [
        (Answer::status(500), true),
        (Answer::status(599), true),
        (error(ErrorKind::Dns), true),
        (error(ErrorKind::Connect), true),
        (error(ErrorKind::Tls), true),
        (error(ErrorKind::Closed), true),
        (error(ErrorKind::Protocol), true),
        (
            Answer::ok()
                .pieces(["half"])
                .then_error(ErrorKind::Truncated, "scripted"),
            true,
        ),
        (Answer::timeout(TimeoutPhase::Connect), true),
        (Answer::timeout(TimeoutPhase::Head), true),
        (Answer::ok(), false),
        (Answer::status(404), false),
        (Answer::status(429), false),
        (Answer::timeout(TimeoutPhase::Queue), false),
        (error(ErrorKind::Proxy), false),
        (error(ErrorKind::Input), false),
        (error(ErrorKind::Unsupported), false),
        (error(ErrorKind::Limit), false),
        (error(ErrorKind::Cancelled), false),
        (error(ErrorKind::Body), false),
        (error(ErrorKind::Other), false),
    ] {
        let (backend, breaker) = (MemoryBackend::always(answer.clone()), breaker());
        let client = client(&backend, &breaker);
        for _ in 0..8 {
            let _ = client.get(BAD).await;
        }
        let is_open = breaker.state(BAD) != CircuitState::Closed;
        assert_eq!(is_open, opens, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_counts_as_nothing() {
    let (backend, breaker) = (MemoryBackend::always(Answer::hang()), breaker());
    let client = client(&backend, &breaker);
    for _ in 0..20 {
        let limit = Duration::from_millis(1);
        tokio::time::timeout(limit, client.get(BAD))
            .await
            .unwrap_err();
    }
    assert_eq!(breaker.state(BAD), CircuitState::Closed);
    assert_eq!(backend.counts().begun, 20);
}

#[tokio::test(start_paused = true)]
async fn a_failure_counts_where_it_happened() {
    let backend = MemoryBackend::answering(|request| match request.uri.host() {
        Some("bad.example") if request.number % 4 == 1 => Answer::status(503),
        Some("bad.example") => Answer::error(ErrorKind::Connect, "refused"),
        _ => Answer::status(302).header("location", BAD),
    });
    let breaker = breaker();
    let client = client(&backend, &breaker);
    for _ in 0..8 {
        let _ = client.get(GOOD).await;
    }
    assert_eq!(backend.counts().begun, 16);
    assert_eq!(breaker.troubled(), []);
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_not_retried() {
    let (backend, breaker) = (one_bad_host(), breaker());
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .circuit_breaker(breaker)
        .retry(RetryPolicy::default().max_retries(10))
        .build()
        .unwrap();
    // Its own attempts have opened the circuit; the reply to the last of them is what it has.
    let response = client.get(BAD).await.unwrap();
    assert_eq!(response.status_code(), 503);
    assert_eq!(response.earlier_attempts().len(), 3);
    let began = tokio::time::Instant::now();
    let error = client.send(RequestConfig::get(BAD)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.earlier_attempts().is_empty());
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(backend.counts().begun, 4);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_can_be_shared_and_its_state_is_bounded() {
    let (backend, breaker) = (one_bad_host(), breaker());
    let clients = [(); 2].map(|()| client(&backend, &breaker));
    for turn in 0..4 {
        clients[turn % 2].get(BAD).await.unwrap();
    }
    for client in &clients {
        client.get(BAD).await.unwrap_err();
    }
    // More hosts than are kept: the one that is open stays.
    let others = (0..12_000).map(|host| format!("http://{host}.example/"));
    let batch = clients[0].request(others).await;
    assert_eq!(batch.successes().count(), 12_000);
    assert!(matches!(breaker.state(BAD), CircuitState::Open { .. }));
}

#[test]
fn what_cannot_work_is_refused() {
    let new = CircuitBreaker::default;
    let second = Duration::from_secs(1);
    for (breaker, value) in [
        (new().failure_percent(0), "failure_percent 0"),
        (new().failure_percent(101), "failure_percent 101"),
        (new().window(0), "window 0"),
        (new().window(129), "window 129"),
        (new().min_requests(0), "min_requests 0"),
        (new().min_requests(21), "min_requests 21"),
        (new().consecutive_failures(0), "consecutive_failures 0"),
        (new().open_for(Duration::ZERO), "open_for 0ns up to 60s"),
        (new().max_open_for(second), "open_for 5s up to 1s"),
        (new().probes(0), "probes 0"),
    ] {
        let backend = Arc::new(MemoryBackend::always(Answer::ok()));
        let built = ParallelRequests::builder()
            .backend(backend)
            .circuit_breaker(breaker)
            .build();
        let error = built.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("circuit_breaker cannot be {value}")),
            "{error}"
        );
    }
}
