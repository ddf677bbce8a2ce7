//! The gate between threads and runtimes, on the real clock.

use std::{sync::Arc, time::Duration};

use futures::{future::join_all, poll};
use parallel_requests::{ParallelRequests, RateLimit, RetryPolicy};
use pr_testkit::{Answer, MemoryBackend};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Batches on the client's own threads, single requests on several runtimes, some of them dropped.
#[test]
fn everybody_gets_its_turn_whatever_thread_it_is_on() {
    let backend = MemoryBackend::answering(|request| match request.number % 16 {
        0 => Answer::ok().after(Duration::from_millis(1)),
        _ => Answer::ok(),
    });
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .retry(RetryPolicy::never())
        .concurrency(6)
        .concurrency_per_host(2)
        .rate_limit(RateLimit::per_second(20_000))
        .threads(2)
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let client = client.clone();
            scope.spawn(move || {
                current_thread().block_on(async {
                    let calls = (0..500_u64).map(async |number| {
                        let call = client.get(format!("http://h{}/", number % 5));
                        if (number + thread) % 3 == 0 {
                            let _ = timeout(Duration::from_micros(number * 7), call).await;
                        } else {
                            call.await.unwrap();
                        }
                    });
                    timeout(PATIENCE, join_all(calls))
                        .await
                        .expect("a lost wake-up");
                });
            });
        }
        scope.spawn(|| {
            let urls = (0..2_000).map(|number| format!("http://h{}/", number % 5));
            let batch = pollster::block_on(client.request(urls));
            assert_eq!(batch.successes().count(), 2_000);
        });
    });
    assert!(backend.counts().max_in_flight <= 6);
    assert_eq!(backend.counts().in_flight(), 0);
}

/// A client whose one token has just been taken: the next is due after a while.
fn without_a_token(runtime: &Runtime) -> ParallelRequests {
    let client = ParallelRequests::builder()
        .backend(Arc::new(MemoryBackend::always(Answer::ok())))
        .retry(RetryPolicy::never())
        .rate_limit(RateLimit::every(Duration::from_millis(250)).burst(1))
        .build()
        .unwrap();
    runtime.block_on(client.get("http://h/")).unwrap();
    client
}

/// The first in line keeps the timer, on its own runtime. If that is gone, another's does.
#[test]
fn a_runtime_that_ends_takes_nobody_elses_timer_with_it() {
    // On a machine that is slow enough the token is there before anybody had to wait for it.
    let waited = (0..20).any(|_| {
        let (short, long) = (current_thread(), current_thread());
        let client = without_a_token(&long);
        let first = client.clone();
        let first = short.spawn(async move { first.get("http://h/").await });
        short.block_on(tokio::task::yield_now());
        let mut second = Box::pin(client.get("http://h/"));
        let second_waits = long.block_on(async { poll!(&mut second).is_pending() });
        if first.is_finished() || !second_waits {
            return false;
        }
        // The task that is first in line, and its timer, end with it.
        drop(short);
        let done = long.block_on(async { timeout(PATIENCE, second).await });
        done.expect("its timer was taken over").unwrap();
        true
    });
    assert!(waited);
}

/// A future that moves to another runtime has its timer there.
#[test]
fn who_waits_can_move_to_another_runtime() {
    let waited = (0..20).any(|_| {
        let (short, long) = (current_thread(), current_thread());
        let client = without_a_token(&long);
        let mut waiting = Box::pin(client.get("http://h/"));
        if short.block_on(async { poll!(&mut waiting).is_ready() }) {
            return false;
        }
        drop(short);
        let done = long.block_on(async { timeout(PATIENCE, waiting).await });
        done.expect("its timer moved with it").unwrap();
        true
    });
    assert!(waited);
}
