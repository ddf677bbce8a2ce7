//! Outcomes in the order of the input, and what that costs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use pr_testkit::{Answer, MemoryBackend};
use proptest::prelude::*;

use crate::client;

/// Takes as many milliseconds as its path says.
fn as_long_as_asked() -> MemoryBackend {
    MemoryBackend::answering(|request| {
        let milliseconds = request.uri.path()[1..].parse().unwrap();
        Answer::ok().after(Duration::from_millis(milliseconds))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn however_long_each_takes_each_comes_in_its_turn(
        durations in prop::collection::vec(0_u64..50, 0..200),
        concurrency in 1_usize..20,
        window in 0_usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let indexes = runtime.block_on(async {
            let urls = durations.clone().into_iter().map(|time| format!("http://h.example/{time}"));
            let client = client(&as_long_as_asked(), concurrency);
            let mut outcomes = client.batch(urls).reorder_window(window).stream();
            let mut indexes = Vec::new();
            while let Some(outcome) = outcomes.next().await {
                assert!(outcome.is_ok());
                indexes.push(outcome.index);
            }
            indexes
        });
        prop_assert_eq!(indexes, (0..durations.len()).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_request_lets_no_more_than_the_window_run_ahead() {
    const CONCURRENCY: usize = 5;
    const WINDOW: usize = 30;
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = pulled.clone();
    let urls = (0..1_000).map(move |number| {
        count.fetch_add(1, Ordering::SeqCst);
        let time = if number == 0 { 25_000 } else { 1 };
        format!("http://h.example/{time}")
    });
    let client = client(&as_long_as_asked(), CONCURRENCY);
    let mut outcomes = client.batch(urls).reorder_window(WINDOW).stream();
    let early = tokio::time::timeout(Duration::from_secs(20), outcomes.next()).await;
    assert!(early.is_err(), "the first one is not done");
    let ahead = pulled.load(Ordering::SeqCst);
    assert!(
        (WINDOW..=WINDOW + 2 * CONCURRENCY).contains(&ahead),
        "{ahead}"
    );
    assert_eq!(outcomes.next().await.unwrap().index, 0);
    let mut next = 1;
    while let Some(outcome) = outcomes.next().await {
        assert_eq!(outcome.index, next);
        next += 1;
    }
    assert_eq!(next, 1_000);
}
