//! Batches whose caller is slow, or never waits: what lies there unread is bounded, and others have
//! their turn.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use parallel_requests::{Cancellation, ParallelRequests, RetryBudget, RetryPolicy};
use pr_testkit::{Answer, MemoryBackend};

const CONCURRENCY: usize = 20;
const WINDOW: usize = 2 * CONCURRENCY;

fn url(number: usize) -> String {
    format!("http://h.example/{number}")
}

/// Its host asks for a pause of five seconds once, and has answers for all from then on.
fn paused_once() -> MemoryBackend {
    let is_first = AtomicBool::new(true);
    MemoryBackend::answering(move |_| {
        if is_first.swap(false, SeqCst) {
            Answer::status(429).header("retry-after", "5")
        } else {
            Answer::ok()
        }
    })
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_were_held_up_do_not_flood_a_slow_reader() {
    const COUNT: usize = 5_000;
    let client = crate::client(&paused_once(), CONCURRENCY);
    let mut outcomes = client.stream((0..COUNT).map(url));
    let mut seen = vec![false; COUNT];
    let mut count = 0;
    while let Some(outcome) = outcomes.next().await {
        assert!(!std::mem::replace(&mut seen[outcome.index], true));
        count += 1;
        if count > CONCURRENCY && count % 100 < 3 {
            pass(60).await;
        }
        let now = outcomes.progress().snapshot();
        assert!(now.unread <= WINDOW, "{now:?}");
        if count == 2 * CONCURRENCY {
            assert!(now.pulled > COUNT / 2, "{now:?}");
        }
    }
    assert!(seen.iter().all(|seen| *seen));
}

#[tokio::test(start_paused = true)]
async fn further_attempts_do_not_flood_a_slow_reader() {
    const COUNT: usize = 3_000;
    let calls = AtomicUsize::new(0);
    let backend = MemoryBackend::answering(move |_| {
        if calls.fetch_add(1, SeqCst) < COUNT {
            Answer::status(503)
        } else {
            Answer::ok()
        }
    });
    let retry = RetryPolicy::default()
        .max_retries(10)
        .base(Duration::from_secs(100))
        .cap(Duration::from_secs(100));
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend))
        .concurrency(CONCURRENCY)
        .retry(retry)
        .retry_budget(RetryBudget::unlimited())
        .build()
        .unwrap();
    let mut outcomes = client.stream((0..COUNT).map(url));
    let mut count = 0;
    while let Some(outcome) = outcomes.next().await {
        assert!(outcome.is_ok());
        if count % 200 == 0 {
            pass(600).await;
        }
        let unread = outcomes.progress().snapshot().unread;
        assert!(unread <= WINDOW, "{unread} after {count}");
        count += 1;
    }
    assert_eq!(count, COUNT);
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_for_a_reader_keep_no_other_batch_waiting() {
    let client = crate::client(&paused_once(), CONCURRENCY);
    let mut slow = client.stream((0..1_000).map(url));
    for _ in 0..30 {
        slow.next().await.unwrap();
    }
    pass(60).await;
    let now = slow.progress().snapshot();
    assert!(now.queued > 500 && now.in_flight == 0, "{now:?}");
    let other = client.request((0..1_000).map(url)).await;
    assert_eq!(other.successes().count(), 1_000);
    let mut rest = 0;
    while slow.next().await.is_some() {
        rest += 1;
    }
    assert_eq!(rest, 970);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_batch_ends_those_that_wait_for_its_reader() {
    let backend = paused_once();
    let client = crate::client(&backend, CONCURRENCY);
    let stop = Cancellation::new();
    let mut outcomes = client
        .batch((0..1_000).map(url))
        .cancellation(stop.clone())
        .stream();
    for _ in 0..30 {
        outcomes.next().await.unwrap();
    }
    pass(60).await;
    stop.cancel();
    let mut cancelled = 0;
    while let Some(outcome) = outcomes.next().await {
        cancelled += usize::from(!outcome.is_ok());
    }
    assert!(cancelled > 900, "{cancelled}");
    assert!(backend.counts().begun < 100);
    assert!(client.get(url(0)).await.is_ok());
}

#[test]
fn on_threads_nobody_is_forgotten() {
    for round in 0..20 {
        let client = ParallelRequests::builder()
            .backend(Arc::new(MemoryBackend::answering(|_| {
                Answer::ok().after(Duration::from_micros(100))
            })))
            .concurrency(4)
            .concurrency_per_host(1 + round % 3)
            .retry(RetryPolicy::never())
            .threads(2)
            .build()
            .unwrap();
        let urls = (0..500).map(|number| format!("http://h{}.example/", number % 3));
        let mut outcomes = client.stream(urls);
        let count = pollster::block_on(async {
            let mut count = 0;
            while outcomes.next().await.is_some() {
                count += 1;
            }
            count
        });
        assert_eq!(count, 500);
    }
}

#[test]
fn whoever_only_takes_lets_others_have_their_turn() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let client = ParallelRequests::builder()
        .backend(Arc::new(MemoryBackend::always(Answer::ok())))
        .threads(1)
        .concurrency(100)
        .build()
        .unwrap();
    let read = Arc::new(AtomicUsize::new(0));
    let count = read.clone();
    runtime.block_on(async {
        let work = async move {
            // The cancellation is in the same task as the batch, and is heeded only between turns.
            let batch = client.batch((0..100_000).map(url)).map(move |response| {
                count.fetch_add(1, SeqCst);
                std::thread::sleep(Duration::from_micros(500));
                Ok(response.status_code())
            });
            let limit = Duration::from_millis(100);
            tokio::time::timeout(limit, batch.collect()).await.is_err()
        };
        assert!(tokio::spawn(work).await.unwrap(), "it is cut off");
    });
    assert!(read.load(SeqCst) < 20_000);
}
