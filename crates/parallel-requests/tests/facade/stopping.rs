//! Batches that end before their time: deadlines, cancellations, too many failures.

use std::time::Duration;

use parallel_requests::{
    BackendError, Batch, Cancellation, Delivery, ErrorKind, ParallelRequests, RequestConfig,
    RetryPolicy, TimeoutPhase, TransportConfig,
};
use pr_testkit::{Answer, MemoryBackend, Server};
use tokio::time::Instant;

use crate::client;

const CONCURRENCY: usize = 10;

fn url(path: impl std::fmt::Display) -> String {
    format!("http://h.example/{path}")
}

/// Even numbers are answered, odd ones never.
fn half() -> MemoryBackend {
    MemoryBackend::answering(|request| {
        let number: u64 = request.uri.path()[1..].parse().unwrap();
        if number.is_multiple_of(2) {
            Answer::ok()
        } else {
            Answer::hang()
        }
    })
}

/// How many there are of each kind, and that nothing is amiss otherwise.
fn tally(batch: &Batch, kind: ErrorKind) -> (usize, usize, usize) {
    let (mut done, mut begun, mut not_sent) = (0, 0, 0);
    for (index, outcome) in batch.iter().enumerate() {
        assert_eq!(outcome.index, index, "one for each, in order");
        let Some(error) = outcome.error() else {
            done += 1;
            assert!(outcome.request().is_none());
            continue;
        };
        assert_eq!(error.kind(), kind);
        assert_eq!(error.url(), Some(&*url(index)));
        assert_eq!(outcome.request().unwrap().display_url(), url(index));
        if error.delivery() == Delivery::NotSent {
            not_sent += 1;
            assert!(outcome.attempts().is_empty());
        } else {
            begun += 1;
            assert_eq!(outcome.attempts().len(), 1);
        }
    }
    (done, begun, not_sent)
}

#[tokio::test(start_paused = true)]
async fn at_its_deadline_a_batch_ends_and_every_request_has_its_outcome() {
    let backend = half();
    let client = client(&backend, CONCURRENCY);
    let started = Instant::now();
    let batch = client
        .batch((0..1_000).map(url))
        .deadline(Duration::from_secs(5))
        .collect()
        .await;
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    let (done, begun, not_sent) = tally(&batch, ErrorKind::Timeout);
    assert_eq!((begun, done + begun + not_sent), (CONCURRENCY, 1_000));
    assert!(done > 0);
    let phase = batch
        .failures()
        .next()
        .and_then(|outcome| outcome.error()?.timeout_phase());
    assert_eq!(phase, Some(TimeoutPhase::Batch));
    // What was in flight is gone, and its places are free.
    assert_eq!(backend.counts().in_flight(), 0);
    let after = client.request((0..100).map(|number| url(number * 2))).await;
    assert_eq!(after.successes().count(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_kept_though_nobody_asks_for_outcomes() {
    let backend = MemoryBackend::always(Answer::hang());
    let client = client(&backend, CONCURRENCY);
    let mut outcomes = client
        .batch((0..100).map(url))
        .deadline(Duration::from_secs(5))
        .stream();
    let none = tokio::time::timeout(Duration::from_secs(1), outcomes.next()).await;
    assert!(none.is_err());
    assert_eq!(backend.counts().in_flight(), CONCURRENCY as u64);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(backend.counts().in_flight(), 0);
    let mut rest = 0;
    while let Some(outcome) = outcomes.next().await {
        assert_eq!(outcome.error().unwrap().kind(), ErrorKind::Timeout);
        rest += 1;
    }
    assert_eq!(rest, 100);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_done_in_time_does_not_hear_of_its_deadline() {
    let client = client(&MemoryBackend::always(Answer::ok()), CONCURRENCY);
    for limit in [Duration::from_secs(1), Duration::MAX] {
        let batch = client
            .batch((0..100).map(url))
            .deadline(limit)
            .collect()
            .await;
        assert_eq!(batch.successes().count(), 100);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_ends_a_batch_and_its_clones_end_others() {
    let backend = half();
    let client = client(&backend, CONCURRENCY);
    let stop = Cancellation::new();
    let batch = |stop: &Cancellation| {
        client
            .batch((0..500).map(url))
            .cancellation(stop.clone())
            .collect()
    };
    let cancelled = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        stop.cancel();
    };
    let (one, other, ()) = futures::join!(batch(&stop), batch(&stop), cancelled);
    let (one, other) = (
        tally(&one, ErrorKind::Cancelled),
        tally(&other, ErrorKind::Cancelled),
    );
    assert_eq!(one.0 + one.1 + one.2 + other.0 + other.1 + other.2, 1_000);
    assert!(one.1 + other.1 >= CONCURRENCY);
    assert_eq!(backend.counts().in_flight(), 0);

    let before = backend.counts().begun;
    let none = batch(&stop).await;
    assert_eq!(tally(&none, ErrorKind::Cancelled), (0, 0, 500));
    assert_eq!(backend.counts().begun, before, "nothing is sent");
}

#[tokio::test]
async fn a_batch_stops_when_more_have_failed_than_may() {
    for most in [0, 3, 17] {
        let backend = MemoryBackend::answering(|request| match request.uri.path() {
            "/dead" => Answer::error(ErrorKind::Connect, "refused"),
            _ => Answer::ok(),
        });
        let urls = (0..1_000).map(|number| {
            if number % 10 == 9 {
                url("dead")
            } else {
                url("fine")
            }
        });
        let batch = client(&backend, 1)
            .batch(urls)
            .max_failures(most)
            .collect()
            .await;
        assert_eq!(batch.len(), 1_000);
        let kinds: Vec<_> = batch
            .iter()
            .filter_map(|outcome| outcome.error())
            .map(BackendError::kind)
            .collect();
        let failed = kinds
            .iter()
            .filter(|&&kind| kind == ErrorKind::Connect)
            .count();
        // What was done by the time that the last failure was received is what it is.
        assert!(
            (most + 1..=most + 3).contains(&failed),
            "{failed} of {most}"
        );
        assert!(
            kinds[failed..]
                .iter()
                .all(|&kind| kind == ErrorKind::Cancelled)
        );
        assert!(backend.counts().begun < 300);
    }
}

#[tokio::test]
async fn fail_fast_counts_what_the_batch_calls_a_failure() {
    let client = client(&MemoryBackend::always(Answer::status(500).body("{}")), 1);
    let urls = || (0..100).map(url);
    let fine = client.batch(urls()).fail_fast().collect().await;
    assert_eq!(fine.successes().count(), 100);
    let strict = client
        .batch(urls())
        .error_for_status()
        .fail_fast()
        .collect()
        .await;
    let kind = |index| {
        strict
            .get(index)
            .and_then(|outcome| outcome.error())
            .map(BackendError::kind)
    };
    assert_eq!(
        (kind(0), kind(99)),
        (Some(ErrorKind::Status), Some(ErrorKind::Cancelled))
    );
    assert_eq!(strict.len(), 100);
    let parsed = client
        .batch(urls())
        .map(|_| Err::<(), _>(BackendError::new(ErrorKind::Decode, "not to my liking")))
        .fail_fast()
        .collect()
        .await;
    assert_eq!(
        parsed.get(99).unwrap().error().unwrap().kind(),
        ErrorKind::Cancelled
    );
}

#[tokio::test]
async fn the_rest_of_a_long_input_lets_others_have_their_turn() {
    let stop = Cancellation::new();
    stop.cancel();
    let client = client(&MemoryBackend::always(Answer::ok()), 1);
    let turns = async {
        let mut turns = 0;
        // The other half of `select` ends it.
        loop {
            tokio::task::yield_now().await;
            turns += 1;
            if turns == 10 {
                return;
            }
        }
    };
    let batch = client.batch((0..).map(url)).cancellation(stop).stream();
    let endless = async {
        let mut batch = batch;
        while batch.next().await.is_some() {}
    };
    tokio::select! {
        biased;
        () = endless => panic!("it has no end"),
        () = turns => {}
    }
}

/// Over real transports, on threads of the client, in its caller's runtime and on those of a backend.
#[test]
fn over_real_transports_what_is_in_flight_ends_at_once() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let server = Server::start();
    for backend in parallel_requests::available_backends() {
        for on_own_threads in [true, false] {
            let transport = TransportConfig::default().http2_prior_knowledge(backend == "h2");
            let client = ParallelRequests::builder()
                .backend(backend)
                .concurrency(CONCURRENCY)
                .transport(transport)
                .retry(RetryPolicy::never())
                .build()
                .unwrap();
            let work = async {
                let slow = (0..50).map(|_| server.url("/delay/60"));
                let started = std::time::Instant::now();
                let batch = client
                    .batch(slow)
                    .deadline(Duration::from_millis(200))
                    .collect()
                    .await;
                let in_flight = batch
                    .iter()
                    .filter(|outcome| outcome.error().unwrap().delivery() == Delivery::Unknown)
                    .count();
                assert_eq!((batch.len(), in_flight), (50, CONCURRENCY), "{backend}");
                // All places are free.
                let quick = (0..20).map(|_| RequestConfig::get(server.url("/bytes/7")));
                let batch = client.request(quick).await;
                assert_eq!(batch.successes().count(), 20, "{backend}");
                assert!(started.elapsed() < Duration::from_secs(20));
            };
            if on_own_threads {
                pollster::block_on(work);
            } else {
                runtime().block_on(work);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_its_host_was_not_sent() {
    let backend = MemoryBackend::always(Answer::hang());
    let client = ParallelRequests::builder()
        .backend(std::sync::Arc::new(backend))
        .concurrency(CONCURRENCY)
        .concurrency_per_host(1)
        .build()
        .unwrap();
    let posts = (0..50).map(|number| RequestConfig::post(url(number)));
    let limit = Duration::from_secs(5);
    let batch = client.batch(posts).deadline(limit).collect().await;
    assert_eq!(tally(&batch, ErrorKind::Timeout), (0, 1, 49));
}

#[tokio::test(start_paused = true)]
async fn what_was_being_retried_keeps_its_attempts() {
    // In flight when it is cut off, or between two attempts.
    for is_in_flight in [true, false] {
        let backend = MemoryBackend::answering(move |request| {
            if is_in_flight && request.uri.path() == "/0" {
                Answer::status(503).after(Duration::from_secs(4))
            } else {
                Answer::status(503)
            }
        });
        let client = ParallelRequests::builder()
            .backend(std::sync::Arc::new(backend.clone()))
            .retry(
                RetryPolicy::default()
                    .max_retries(1_000)
                    .base(Duration::from_secs(1))
                    .cap(Duration::from_secs(1)),
            )
            .build()
            .unwrap();
        let stop = Cancellation::new();
        let batch = client.batch([url(0)]).cancellation(stop.clone());
        let progress = batch.progress();
        let cancel = async {
            let begun = || usize::try_from(backend.counts().begun).unwrap();
            let answered = || usize::try_from(backend.counts().answered).unwrap();
            while begun() < 4 || (answered() < begun()) != is_in_flight {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            stop.cancel();
            begun()
        };
        let (batch, begun) = futures::join!(batch.collect(), cancel);
        let outcome = batch.get(0).unwrap();
        let error = outcome.error().unwrap();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(error.delivery(), Delivery::Unknown, "it was answered");
        assert_eq!(outcome.attempts().len(), begun);
        assert_eq!(progress.snapshot().retried, begun as u64 - 1);
        assert_eq!(
            outcome
                .attempts()
                .iter()
                .filter(|attempt| attempt.result.is_ok())
                .count(),
            begun - usize::from(is_in_flight),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn behind_a_layer_of_the_users_nobody_knows_whether_it_was_sent() {
    let client = ParallelRequests::builder()
        .backend(std::sync::Arc::new(MemoryBackend::always(Answer::hang())))
        .concurrency_per_host(1)
        .layer(tower::layer::util::Identity::new())
        .build()
        .unwrap();
    let limit = Duration::from_secs(5);
    let batch = client
        .batch((0..10).map(url))
        .deadline(limit)
        .collect()
        .await;
    assert_eq!(tally(&batch, ErrorKind::Timeout), (0, 10, 0));
}
