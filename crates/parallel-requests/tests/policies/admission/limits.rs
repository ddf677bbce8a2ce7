//! How many are in flight, how fast they go, and who is next.

use std::time::Duration;

use futures::future::join_all;
use parallel_requests::{RateLimit, RateLimiter, RetryPolicy};
use proptest::prelude::*;

use super::support::client;

/// What is in flight, in all and to each host, is never more than may be, and no less than can be.
#[tokio::test(start_paused = true)]
async fn no_limit_is_exceeded_and_all_are_used() {
    // In all, for each host, for the first host, and what comes of it to the first and to the others.
    for (all, each, first, most_first, most_other) in [
        (7, None, None, 7, 7),
        (100, Some(3), None, 3, 3),
        (100, Some(3), Some(5), 5, 3),
        (100, None, Some(2), 2, 20),
        (4, Some(3), Some(9), 4, 3),
    ] {
        let (client, backend, watch) = client(|mut builder| {
            builder = builder.concurrency(all);
            if let Some(each) = each {
                builder = builder.concurrency_per_host(each);
            }
            match first {
                Some(first) => builder.concurrency_for_host("http://h0.example/any", first),
                None => builder,
            }
        });
        let requests = (0..100).map(|n| format!("http://h{}.example/{}", n % 5, 10 + n % 7));
        let calls = requests.map(|url| client.get(url)).collect::<Vec<_>>();
        assert!(join_all(calls).await.iter().all(Result::is_ok));
        let most = usize::try_from(backend.counts().max_in_flight).unwrap();
        assert!(most <= all);
        assert!(watch.most("h0.example") <= most_first);
        for other in 1..5 {
            assert!(watch.most(&format!("h{other}.example")) <= most_other);
        }
        let possible = most_first.min(20) + 4 * most_other.min(20);
        assert_eq!(most, all.min(possible), "{all} {each:?} {first:?}");
        // A batch goes by the same limits.
        let batch = (0..100).map(|n| format!("http://h{}.example/{}", n % 5, 10 + n % 7));
        assert_eq!(client.request(batch).await.successes().count(), 100);
        assert!(watch.most("h1.example") <= most_other);
        assert!(backend.counts().max_in_flight <= all as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_take_turns_whoever_has_more_in_line() {
    let (client, _, watch) = client(|builder| builder.concurrency(1));
    let line = ["a"; 50].into_iter().chain(["b", "c", "b"]);
    let calls = line.map(|host| client.get(format!("http://{host}/10")));
    join_all(calls).await;
    assert_eq!(watch.hosts()[..7], ["a", "a", "b", "c", "a", "b", "a"]);
}

/// Within a host, first come, first served.
#[tokio::test(start_paused = true)]
async fn nobody_overtakes_in_a_queue() {
    let (client, _, watch) = client(|builder| builder.concurrency_per_host(2));
    let urls: Vec<_> = (0..30)
        .map(|n| format!("http://h/{}?{n}", 5 + n % 3))
        .collect();
    join_all(urls.iter().map(|url| client.get(url))).await;
    let paths = watch.paths("h");
    let paths: Vec<_> = paths.iter().map(|path| format!("http://h{path}")).collect();
    assert_eq!(paths, urls);
}

/// A host that is full, or slow, holds no places.
#[tokio::test(start_paused = true)]
async fn a_slow_host_does_not_hold_up_the_others() {
    let (client, _, watch) = client(|builder| builder.concurrency(4).concurrency_per_host(2));
    let slow = (0..20).map(|_| "http://slow/60000".to_owned());
    let fast = (0..20).map(|_| "http://fast/10".to_owned());
    let calls = slow.chain(fast).map(|url| client.get(url));
    let calls = join_all(calls);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), calls)
            .await
            .is_err()
    );
    assert_eq!(watch.began("fast").len(), 20);
    assert_eq!(watch.began("slow").len(), 2);
}

/// In any second no more go than the rate and a burst.
fn assert_paced(times: &[Duration], rate: usize, burst: usize) {
    for (number, from) in times.iter().enumerate() {
        let until = *from + Duration::from_secs(1);
        let within = times[number..].iter().take_while(|time| **time < until);
        assert!(within.count() <= rate + burst);
    }
}

#[tokio::test(start_paused = true)]
async fn rates_are_kept_and_reached() {
    let (client, _, watch) = client(|builder| {
        builder
            .concurrency(1_000)
            .rate_limit(RateLimit::per_second(100).burst(10))
            .rate_limit_per_host(RateLimit::per_second(40).burst(5))
            .rate_limit_for_host("http://slow", RateLimit::per_second(2).burst(1))
    });
    let line = ["a"; 900]
        .into_iter()
        .chain(["b"; 900])
        .chain(["slow"; 900]);
    let calls = join_all(line.map(|host| client.get(format!("http://{host}/5"))));
    assert!(
        tokio::time::timeout(Duration::from_secs(10), calls)
            .await
            .is_err()
    );
    for (host, rate, burst) in [("a", 40, 5), ("b", 40, 5), ("slow", 2, 1)] {
        let times = watch.began(host);
        assert_paced(&times, rate, burst);
        let expected = rate * 10 + burst;
        assert!(
            times.len().abs_diff(expected) <= 1 + expected / 100,
            "{host}: {}",
            times.len()
        );
    }
    let mut all: Vec<_> = ["a", "b", "slow"]
        .iter()
        .flat_map(|h| watch.began(h))
        .collect();
    all.sort();
    assert_paced(&all, 100, 10);
}

#[tokio::test(start_paused = true)]
async fn a_rate_for_all_gives_each_host_its_turn() {
    let limit = RateLimit::per_second(10).burst(1);
    let (client, _, watch) = client(|builder| builder.concurrency(500).rate_limit(limit));
    let line = ["a"; 300].into_iter().chain(["b"; 5]);
    let calls = join_all(line.map(|host| client.get(format!("http://{host}/5"))));
    assert!(
        tokio::time::timeout(Duration::from_secs(2), calls)
            .await
            .is_err()
    );
    assert_eq!(watch.began("b").len(), 5);
    assert!(watch.hosts().len().abs_diff(21) <= 1);
}

#[tokio::test(start_paused = true)]
async fn clients_can_share_a_rate() {
    let limiter = RateLimiter::new(RateLimit::per_second(10).burst(1));
    let (first, _, one) = client(|builder| builder.rate_limit(limiter.clone()));
    let (second, _, other) = client(|builder| builder.rate_limit(limiter));
    let calls = (0..100).flat_map(|_| [first.get("http://h/0"), second.get("http://h/0")]);
    let calls = join_all(calls);
    assert!(
        tokio::time::timeout(Duration::from_secs(5), calls)
            .await
            .is_err()
    );
    let all = one.hosts().len() + other.hosts().len();
    assert!(all.abs_diff(51) <= 1, "{all}");
}

#[tokio::test(start_paused = true)]
async fn retries_take_tokens() {
    let retry = RetryPolicy::new()
        .max_retries(2)
        .base(Duration::from_millis(1))
        .cap(Duration::from_millis(2));
    let (client, _, watch) = client(|builder| {
        builder
            .retry(retry)
            .rate_limit(RateLimit::per_second(1).burst(1))
    });
    let response = client.get("http://h/0/500/0").await.unwrap();
    assert_eq!(response.status_code(), 500);
    let seconds: Vec<_> = watch.began("h").iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_requests_clock_starts_when_it_goes() {
    let (client, _, _) = client(|builder| builder.concurrency(1).timeout(Duration::from_secs(3)));
    let calls = (0..10).map(|_| client.get("http://h/2000"));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_url_waits_for_nobody() {
    let (client, _, _) = client(|builder| builder.concurrency(1).concurrency_per_host(1));
    let busy = client.get("http://h/60000");
    let broken = client.get("no url");
    tokio::select! {
        biased;
        _ = busy => panic!("it takes a minute"),
        result = broken => assert!(result.unwrap_err().is_input()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the requests, the limits and who is dropped when: all others are done, and no limit is
    /// exceeded.
    #[test]
    fn limits_hold_for_any_mix(
        requests in prop::collection::vec((0..4_u8, 0..50_u16, prop::option::weighted(0.2, 0..100_u64)), 1..80),
        all in 1..8_usize,
        each in prop::option::of(1..4_usize),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (client, backend, watch) = client(|builder| {
                let builder = builder.concurrency(all);
                match each {
                    Some(each) => builder.concurrency_per_host(each),
                    None => builder,
                }
            });
            let calls = requests.iter().map(async |(host, time, dropped)| {
                let call = client.get(format!("http://h{host}/{time}"));
                match dropped {
                    Some(after) => {
                        let _ = tokio::time::timeout(Duration::from_millis(*after), call).await;
                    }
                    None => assert!(call.await.is_ok()),
                }
            });
            join_all(calls).await;
            assert!(backend.counts().max_in_flight <= all as u64);
            assert_eq!(backend.counts().in_flight(), 0);
            for host in 0..4 {
                assert!(watch.most(&format!("h{host}")) <= each.unwrap_or(all));
            }
        });
    }
}
