//! Futures that are dropped, wherever they are, give back what they have.

use std::{pin::Pin, time::Duration};

use futures::{future::join_all, poll};
use parallel_requests::{ClientBuilder, RateLimit};
use tokio::time::{sleep, timeout};

use super::support::client;

/// A small generator of numbers, the same in every run.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_dropped_at_random_leave_the_full_capacity() {
    let settings: [fn(ClientBuilder) -> ClientBuilder; 3] = [
        |builder| builder,
        |builder| builder.concurrency_per_host(4),
        |builder| {
            builder
                .concurrency_per_host(4)
                .rate_limit(RateLimit::per_second(50_000))
                .rate_limit_per_host(RateLimit::per_second(10_000))
        },
    ];
    for setting in settings {
        let (client, backend, watch) = client(|builder| setting(builder.concurrency(10)));
        let mut random = numbers();
        let mut pending: Vec<Pin<Box<_>>> = Vec::new();
        for number in 0..100_000 {
            let url = format!("http://h{}/{}", random(7), random(20));
            let mut call = Box::pin(client.get(url));
            // Some are dropped before they are polled at all.
            if random(8) > 0 && poll!(&mut call).is_pending() {
                pending.push(call);
            }
            // Some have been granted a place by others' leaving and do not know it.
            while pending.len() > 30 || (!pending.is_empty() && random(4) == 0) {
                let which = random(pending.len());
                drop(pending.swap_remove(which));
            }
            if !pending.is_empty() && random(3) == 0 {
                let which = random(pending.len());
                if poll!(&mut pending[which]).is_ready() {
                    drop(pending.swap_remove(which));
                }
            }
            if number % 50 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        pending.clear();
        assert_eq!(backend.counts().in_flight(), 0);
        // As many as ever at a time, and each host as many as it may have.
        let before = backend.counts().begun;
        let calls = (0..70).map(|n| client.get(format!("http://h{}/1000", n % 7)));
        let calls = timeout(Duration::from_secs(60), join_all(calls));
        assert!(
            calls
                .await
                .expect("nothing is stuck")
                .iter()
                .all(Result::is_ok)
        );
        assert_eq!(backend.counts().begun - before, 70);
        assert_eq!(backend.counts().max_in_flight, 10);
        assert!(watch.most("h0") <= 10);
        let at_once = (0..10).map(|n| client.get(format!("http://h{}/1000", n % 7)));
        let at_once = timeout(Duration::from_millis(1_100), join_all(at_once));
        assert!(at_once.await.is_ok(), "the capacity is not all there");
    }
}

/// Whoever is given a place and dropped before it hears of it passes it on.
#[tokio::test(start_paused = true)]
async fn a_place_that_nobody_takes_is_passed_on() {
    let (client, _, watch) = client(|builder| builder.concurrency(1));
    let mut busy = Box::pin(client.get("http://a/1000"));
    let mut granted = Box::pin(client.get("http://b/0"));
    let mut next = Box::pin(client.get("http://c/0"));
    for call in [&mut busy, &mut granted, &mut next] {
        assert!(poll!(call).is_pending());
    }
    // It has the place now.
    drop(busy);
    assert!(poll!(&mut next).is_pending());
    drop(granted);
    timeout(Duration::from_secs(1), next)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(watch.hosts(), ["a", "c"]);
}

/// A stream that is dropped with requests in line leaves none of them there.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_leaves_the_full_capacity() {
    let (client, backend, _) = client(|builder| builder.concurrency(5).concurrency_per_host(2));
    let mut outcomes = client.stream((0..1_000).map(|n| format!("http://h{}/100", n % 3)));
    for _ in 0..20 {
        assert!(outcomes.next().await.unwrap().is_ok());
    }
    drop(outcomes);
    let calls = (0..5).map(|n| client.get(format!("http://h{}/1000", n % 3)));
    let calls = timeout(Duration::from_millis(1_100), join_all(calls));
    assert!(calls.await.is_ok());
    assert_eq!(backend.counts().max_in_flight, 5);
}
