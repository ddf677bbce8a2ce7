//! How long a host is left alone after it has asked for that.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use parallel_requests::{ParallelRequests, RetryAfter, RetryPolicy, http::StatusCode};
use pr_testkit::{Answer, MemoryBackend};
use tokio::time::Instant;

/// Arrivals at `busy.example` and at `other.example`, in milliseconds, when the first request to the
/// busy host is answered with this and it is retried once, then each host is sent three more.
async fn arrivals(first: Answer, policy: RetryAfter) -> (Vec<u128>, Vec<u128>) {
    let start = Instant::now();
    let seen: Arc<Mutex<[Vec<u128>; 2]>> = Arc::default();
    let backend = {
        let seen = seen.clone();
        MemoryBackend::answering(move |request| {
            let other = request.uri.host() == Some("other.example");
            let seen = &mut seen.lock().unwrap()[usize::from(other)];
            seen.push(start.elapsed().as_millis());
            let answer = if !other && seen.len() == 1 {
                first.clone()
            } else {
                Answer::ok()
            };
            answer.after(Duration::from_millis(1))
        })
    };
    let retry = RetryPolicy::default().max_retries(1);
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend))
        .concurrency(1)
        .retry_after(policy)
        .retry(retry)
        .build()
        .unwrap();
    let urls = ["busy", "other", "busy", "other", "busy", "other", "busy"];
    let batch = client
        .request(urls.map(|host| format!("http://{host}.example/")))
        .await;
    assert!(batch.iter().all(|outcome| outcome.result.is_ok()));
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let [busy, other] = seen;
    (busy, other)
}

#[tokio::test(start_paused = true)]
async fn pauses_the_host_for_everybody_and_nobody_else() {
    for status in [429, 503] {
        let answer = Answer::status(status).header("retry-after", "100");
        let (busy, other) = arrivals(answer, RetryAfter::default()).await;
        // The retry and the three behind it, when the pause is over: a tenth longer at most.
        assert_eq!(busy.len(), 5);
        for at in &busy[1..] {
            assert!((100_000..=111_000).contains(at), "{busy:?}");
        }
        assert!(other.iter().all(|at| *at < 100), "{other:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn follows_what_it_is_told_to_and_no_longer_than_that() {
    let huge = || Answer::status(429).header("retry-after", "1000000000");
    let in_a_minute = || {
        Answer::status(503)
            .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")
    };
    let past = Answer::status(503).header("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
    let minute = Duration::from_secs(60);
    let default = RetryAfter::default;
    let cases = [
        (huge(), default(), 270_000..=300_010),
        (huge(), default().max_pause(minute), 54_000..=60_010),
        (huge(), RetryAfter::ignore(), 1..=30_000),
        (
            huge(),
            default().statuses([StatusCode::FORBIDDEN]),
            1..=30_000,
        ),
        (in_a_minute(), default(), 60_000..=66_010),
        (past, default(), 1..=30_000),
        (
            Answer::status(429).header("retry-after", "soon"),
            default(),
            1..=30_000,
        ),
        (
            Answer::ok().header("retry-after", "100"),
            default(),
            1..=100,
        ),
    ];
    for (answer, policy, expected) in cases {
        let what = format!("{answer:?} {policy:?}");
        let (busy, _) = arrivals(answer, policy).await;
        assert!(expected.contains(busy.last().unwrap()), "{what}: {busy:?}");
    }
}
