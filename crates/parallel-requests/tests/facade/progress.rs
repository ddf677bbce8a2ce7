//! How far a batch says that it is.

use std::time::Duration;

use futures::StreamExt;
use parallel_requests::ErrorKind;
use pr_testkit::{Answer, MemoryBackend};

use crate::client;

fn url(number: usize) -> String {
    format!("http://h.example/{number}")
}

#[tokio::test(start_paused = true)]
async fn the_counts_are_those_of_the_batch_at_any_time() {
    const CONCURRENCY: usize = 10;
    let backend = MemoryBackend::answering(|request| {
        let number: u64 = request.uri.path()[1..].parse().unwrap();
        let answer = if number % 4 == 3 {
            Answer::error(ErrorKind::Connect, "refused")
        } else {
            Answer::ok().body("12345")
        };
        answer.after(Duration::from_secs(1))
    });
    let batch = client(&backend, CONCURRENCY).batch((0..100).map(url));
    let progress = batch.progress();
    let before = progress.snapshot();
    assert_eq!(
        (before.total, before.pulled, before.is_over),
        (Some(100), 0, false)
    );
    assert!(before.elapsed.is_zero());

    let watched = async {
        let mut events = Box::pin(progress.events(Duration::from_millis(2_900)));
        let mut seen = Vec::new();
        while let Some(now) = events.next().await {
            assert!(now.pulled <= now.finished() + 2 * CONCURRENCY);
            assert_eq!(
                now.pulled,
                now.queued + now.in_flight + now.held_up + now.unread + now.finished()
            );
            seen.push((now.finished(), now.in_flight, now.is_over));
        }
        seen
    };
    let (batch, seen) = futures::join!(batch.collect(), watched);
    // Ten a second: at 2.9 s, 5.8 s and 8.7 s, and at the end.
    assert_eq!(seen.len(), 5);
    assert_eq!(seen[1], (20, CONCURRENCY, false));
    assert_eq!(seen[3], (80, CONCURRENCY, false));
    assert_eq!(seen[4], (100, 0, true));
    let end = progress.snapshot();
    assert_eq!((end.succeeded, end.failed), (75, 25));
    assert_eq!(end.succeeded, batch.successes().count());
    assert_eq!((end.bytes_received, end.retried), (75 * 5, 0));
    assert_eq!((end.elapsed, end.rate()), (Duration::from_secs(10), 10.0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_host_is_told_apart() {
    let backend = MemoryBackend::answering(|request| match request.uri.path() {
        "/0" => Answer::status(429).header("retry-after", "30"),
        _ => Answer::ok(),
    });
    let mut outcomes = client(&backend, 2).batch((0..50).map(url)).stream();
    let progress = outcomes.progress();
    let first = outcomes.next().await.unwrap();
    assert_eq!(first.response().unwrap().status_code(), 429);
    let second = tokio::time::timeout(Duration::from_secs(1), async {
        // At most one more was in flight by then.
        outcomes.next().await;
        outcomes.next().await
    });
    assert!(second.await.is_err());
    let now = progress.snapshot();
    assert_eq!((now.paused_hosts, now.in_flight), (1, 0));
    assert!(now.held_up > 40, "{now:?}");
    while outcomes.next().await.is_some() {}
    let end = progress.snapshot();
    assert_eq!((end.paused_hosts, end.held_up, end.succeeded), (0, 0, 50));
}

#[tokio::test(start_paused = true)]
async fn the_events_end_with_the_batch_however_that_ends() {
    let client = client(&MemoryBackend::always(Answer::hang()), 2);
    let every = Duration::from_secs(1);
    let batch = client.batch([url(0)]);
    let never_sent = batch.progress();
    drop(batch);
    assert_eq!(never_sent.events(every).count().await, 1);

    let mut outcomes = client.batch([url(0)]).stream();
    let progress = outcomes.progress();
    let dropped = async {
        let _ = tokio::time::timeout(Duration::from_millis(2_500), outcomes.next()).await;
        drop(outcomes);
    };
    let (events, ()) = futures::join!(progress.events(every).collect::<Vec<_>>(), dropped);
    assert_eq!(events.len(), 4);
    let last = events[3];
    assert!(last.is_over);
    assert_eq!((last.queued, last.in_flight, last.finished()), (0, 0, 0));
}
