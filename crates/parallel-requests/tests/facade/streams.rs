//! Outcomes as they complete, over an input that is pulled and not collected.

use std::{
    collections::HashSet,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use parallel_requests::{ErrorKind, ParallelRequests, RequestConfig};
use pr_testkit::{Answer, MemoryBackend};
use tokio::time::sleep;

use crate::client;

/// Endless requests, and how many have been pulled.
fn endless() -> (impl Iterator<Item = String> + Send, Arc<AtomicUsize>) {
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = pulled.clone();
    let requests = (0..).map(move |number: u64| {
        count.fetch_add(1, Ordering::SeqCst);
        format!("http://h.example/{number}")
    });
    (requests, pulled)
}

#[tokio::test(start_paused = true)]
async fn outcomes_come_as_they_complete() {
    let backend = MemoryBackend::answering(|request| {
        let number: u64 = request.uri.path()[1..].parse().unwrap();
        Answer::ok().after(Duration::from_secs(10 - number))
    });
    let mut outcomes = client(&backend, 20).stream((0..5).map(|n| format!("http://h.example/{n}")));
    let mut order = Vec::new();
    while let Some(outcome) = outcomes.next().await {
        order.push(outcome.index);
    }
    assert_eq!(order, [4, 3, 2, 1, 0]);
    assert!(outcomes.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_input_is_pulled_no_further_than_the_window() {
    let backend = MemoryBackend::always(Answer::ok());
    let (requests, pulled) = endless();
    let mut outcomes = client(&backend, 7).stream(requests);
    assert_eq!(
        pulled.load(Ordering::SeqCst),
        0,
        "nothing happens before the first poll"
    );
    for received in 1..=20 {
        outcomes.next().await.unwrap();
        // Whoever wants to run ahead has all the time for it.
        sleep(Duration::from_secs(1)).await;
        assert!(pulled.load(Ordering::SeqCst) <= received + 2 * 7);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_move_on_while_the_receiver_is_slow() {
    let backend = MemoryBackend::always(Answer::ok().after(Duration::from_secs(1)));
    let requests = (0..6).map(|number| {
        RequestConfig::get(format!("http://h.example/{number}")).timeout(Duration::from_secs(2))
    });
    let mut outcomes = client(&backend, 3).stream(requests);
    let mut seen = HashSet::new();
    while let Some(outcome) = outcomes.next().await {
        assert!(outcome.is_ok(), "{:?}", outcome.error());
        seen.insert(outcome.index);
        // Far longer than any request's timeout.
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(seen.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_cancels_and_frees_the_places() {
    let backend = MemoryBackend::answering(|request| {
        if request.uri.path() == "/end" {
            Answer::ok()
        } else {
            Answer::hang()
        }
    });
    let client = client(&backend, 5);
    let (requests, pulled) = endless();
    let mut outcomes = client.stream(requests);
    let waited = tokio::time::timeout(Duration::from_secs(1), outcomes.next()).await;
    assert!(waited.is_err());
    drop(outcomes);
    // The places are free again, so this gets through.
    client.get("http://h.example/end").await.unwrap();
    assert_eq!(pulled.load(Ordering::SeqCst), 2 * 5);
    assert_eq!(backend.counts().dropped, 5);
}

#[tokio::test]
async fn what_was_pulled_before_a_panic_of_the_input_has_its_outcomes() {
    let backend = MemoryBackend::always(Answer::ok());
    let mut outcomes = client(&backend, 5).stream((0..5).map(|number| {
        assert!(number < 3, "the input broke");
        format!("http://h.example/{number}")
    }));
    let first = AssertUnwindSafe(outcomes.next()).catch_unwind().await;
    assert!(first.is_err());
    let mut indexes = Vec::new();
    while let Some(outcome) = outcomes.next().await {
        assert!(outcome.is_ok());
        indexes.push(outcome.index);
    }
    indexes.sort_unstable();
    assert_eq!(indexes, [0, 1, 2]);
}

#[tokio::test]
async fn a_panic_of_the_input_reaches_the_caller() {
    let backend = MemoryBackend::always(Answer::ok());
    let mut outcomes = client(&backend, 5).stream((0..3).map(|number| {
        assert!(number < 2, "the input broke");
        format!("http://h.example/{number}")
    }));
    let task = tokio::spawn(async move { while outcomes.next().await.is_some() {} });
    assert!(task.await.unwrap_err().is_panic());
}

fn multi_threaded() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn requests_of_a_runtime_that_ends_have_their_outcomes_in_another() {
    let backend = MemoryBackend::always(Answer::hang());
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend))
        .threads(0)
        .concurrency(5)
        .build()
        .unwrap();
    let mut outcomes = client.stream(endless().0.take(12));
    let first = multi_threaded();
    first.block_on(async {
        let waited = tokio::time::timeout(Duration::from_millis(20), outcomes.next()).await;
        assert!(waited.is_err());
    });
    drop(first);
    let mut indexes = multi_threaded().block_on(async {
        let mut indexes = Vec::new();
        while let Some(outcome) = outcomes.next().await {
            assert_eq!(outcome.error().unwrap().kind(), ErrorKind::Closed);
            indexes.push(outcome.index);
        }
        indexes
    });
    indexes.sort_unstable();
    assert_eq!(indexes, (0..12).collect::<Vec<_>>());
}
