//! `retry-after` pauses a host for everybody, and nobody else.

use std::{sync::Arc, time::Duration};

use futures::{future::join_all, poll};
use parallel_requests::{ParallelRequests, RateLimit, RetryAfter, RetryPolicy};
use pr_testkit::{Answer, MemoryBackend};
use tokio::time::{Instant, sleep, timeout};

use super::support::{client, is_about};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_pause_holds_those_that_wait_already_and_not_those_in_flight() {
    for status in [429, 503] {
        let (client, _, watch) = client(|builder| builder.concurrency(3));
        // Two are in flight, one of them for long; the others wait.
        let urls = [
            format!("http://h/1000/{status}/30"),
            "http://h/5000".to_owned(),
        ];
        let waiting = (0..20).map(|_| "http://h/4000".to_owned());
        let other = (0..20).map(|_| "http://other/100".to_owned());
        let calls = urls.into_iter().chain(waiting).chain(other);
        let done = join_all(calls.map(|url| client.get(url))).await;
        assert!(done.iter().all(Result::is_ok));
        let began = watch.began("h");
        // Three at once, and nobody while it is paused: from the second on, for thirty seconds and
        // up to a tenth longer.
        let (before, after): (Vec<Duration>, Vec<Duration>) =
            began.into_iter().partition(|time| *time < SECOND);
        assert_eq!(before.len(), 3);
        assert_eq!(after.len(), 19);
        assert!(after.iter().all(|time| *time >= 31 * SECOND), "{after:?}");
        assert!(after[0] <= 36 * SECOND);
        // The other host's did not wait for that.
        assert!(watch.began("other").iter().all(|time| *time < 10 * SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_made_longer_and_never_shorter() {
    let (client, _, watch) = client(|builder| builder.concurrency(10));
    // At 1 s until 11 s or a little longer, at 2 s until 42 s, at 3 s until 4 s.
    let urls = [
        "http://h/1000/429/10",
        "http://h/2000/503/40",
        "http://h/3000/429/1",
    ];
    let first = join_all(urls.map(|url| client.get(url)));
    let late = async {
        sleep(1_500 * SECOND / 1_000).await;
        client.get("http://h/0").await
    };
    let (_, late) = tokio::join!(first, late);
    late.unwrap();
    let last = *watch.began("h").last().unwrap();
    assert!(last >= 42 * SECOND && last <= 48 * SECOND, "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn pauses_can_be_ignored() {
    let (client, _, watch) = client(|builder| builder.retry_after(RetryAfter::ignore()));
    client.get("http://h/0/429/60").await.unwrap();
    client.get("http://h/0").await.unwrap();
    assert!(is_about(watch.began("h")[1], Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn another_scheme_or_port_is_another_host() {
    let (client, _, _) = client(|builder| builder);
    client.get("http://h/0/429/60").await.unwrap();
    for (url, waits) in [
        ("https://h/0", false),
        ("http://h:8080/0", false),
        ("http://h:80/0", true),
        ("http://H/0", true),
        ("http://user:secret@h/0", true),
    ] {
        let paused = timeout(SECOND, client.get(url)).await.is_err();
        assert_eq!(paused, waits, "{url}");
    }
}

/// Whoever is first in line keeps the timer for all. If it is dropped, another takes over; and if
/// nobody polls it, time goes on for the others all the same.
#[tokio::test(start_paused = true)]
async fn a_pause_ends_whatever_becomes_of_the_first_in_line() {
    for dropped in [false, true] {
        let (client, _, watch) = client(|builder| builder.concurrency(5));
        client.get("http://h/0/429/10").await.unwrap();
        let began = Instant::now();
        let mut first = Box::pin(client.get("http://h/0"));
        assert!(poll!(&mut first).is_pending());
        let others = tokio::spawn({
            let client = client.clone();
            async move { join_all((0..3).map(|_| client.get("http://h/0"))).await }
        });
        sleep(SECOND).await;
        if dropped {
            drop(first);
        } else {
            // Kept, and not polled.
            std::mem::forget(first);
        }
        let done = timeout(60 * SECOND, others)
            .await
            .expect("they were not forgotten");
        assert!(done.unwrap().iter().all(Result::is_ok));
        assert!(began.elapsed() < 13 * SECOND);
        assert_eq!(watch.began("h").len(), 4);
    }
}

/// A hundred thousand in line for a paused host, and a thousand for others.
#[tokio::test(start_paused = true)]
async fn a_long_line_for_a_paused_host_is_nobody_elses_business() {
    let (client, _, watch) = client(|builder| builder.concurrency(20));
    client.get("http://paused/0/503/3600").await.unwrap();
    let mut line = Vec::with_capacity(100_000);
    for _ in 0..100_000 {
        let mut call = Box::pin(client.get("http://paused/0"));
        assert!(poll!(&mut call).is_pending());
        line.push(call);
    }
    let others = (0..1_000).map(|n| client.get(format!("http://h{}/10", n % 10)));
    let done = timeout(60 * SECOND, join_all(others))
        .await
        .expect("they need not wait");
    assert!(done.iter().all(Result::is_ok));
    assert_eq!(watch.began("paused").len(), 1);
    drop(line);
    client.get("http://h0/10").await.unwrap();
}

/// The alarm of the one that waits comes at the same time as those of hosts that nobody waits for.
#[tokio::test(start_paused = true)]
async fn many_hosts_whose_time_comes_together_keep_nobody_waiting() {
    let backend = MemoryBackend::always(Answer::ok());
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend))
        .concurrency(1_000)
        .rate_limit_per_host(RateLimit::per_second(1).burst(1))
        .build()
        .unwrap();
    let pages = (0..200).map(|host| format!("http://h{host}/"));
    let last = ["http://last/1", "http://last/2"].map(str::to_owned);
    let batch = timeout(60 * SECOND, client.request(pages.chain(last))).await;
    assert_eq!(batch.expect("it ends").successes().count(), 202);
}

#[tokio::test(start_paused = true)]
async fn many_pauses_that_end_together_are_over_for_everybody() {
    let backend = MemoryBackend::answering(|request| match request.uri.path() {
        "/first" => Answer::status(429).header("retry-after", "5"),
        "/last" => Answer::ok(),
        _ => Answer::status(429).header("retry-after", "1"),
    });
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend))
        .retry(RetryPolicy::never())
        .concurrency(300)
        .build()
        .unwrap();
    let others = client.batch((0..200).map(|host| format!("http://h{host}/")));
    let progress = others.progress();
    let first = client.request(["http://one/first"]);
    let _ = futures::join!(others.collect(), first);
    let began = Instant::now();
    assert!(client.get("http://one/last").await.is_ok());
    assert!(began.elapsed() < 6 * SECOND);
    assert_eq!(progress.snapshot().paused_hosts, 0);
}
