//! Inputs that are streams.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, SinkExt, StreamExt, channel::mpsc, stream};
use parallel_requests::{Cancellation, ErrorKind};
use pr_testkit::{Answer, MemoryBackend};

use crate::client;

fn url(number: usize) -> (usize, String) {
    (number, format!("http://h.example/{number}"))
}

#[tokio::test(start_paused = true)]
async fn outcomes_are_given_out_while_more_requests_are_waited_for() {
    let backend = MemoryBackend::always(Answer::ok().after(Duration::from_millis(5)));
    let (mut requests, receiver) = mpsc::channel(1);
    let mut outcomes = client(&backend, 3).batch_from_stream(receiver).stream();
    for number in 0..20 {
        assert!(outcomes.next().now_or_never().is_none());
        requests.send(url(number)).await.unwrap();
        assert_eq!(outcomes.next().await.unwrap().key, number);
    }
    assert!(
        outcomes.next().now_or_never().is_none(),
        "there may be more"
    );
    drop(requests);
    assert!(outcomes.next().await.is_none());
    assert!(outcomes.next().await.is_none());
}

#[tokio::test]
async fn a_task_can_feed_a_batch_by_and_by() {
    let (mut requests, receiver) = mpsc::channel(4);
    let client = client(&MemoryBackend::always(Answer::ok()), 3);
    let fed = tokio::spawn(async move {
        for number in 0..1_000 {
            requests.send(url(number)).await.unwrap();
        }
    });
    let batch = client.batch_from_stream(receiver).collect().await;
    fed.await.unwrap();
    assert_eq!(batch.successes().count(), 1_000);
    assert!(batch.iter().all(|outcome| outcome.key == outcome.index));
}

#[tokio::test(start_paused = true)]
async fn no_more_is_taken_from_a_stream_than_there_is_room_for() {
    let backend = MemoryBackend::always(Answer::ok());
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = pulled.clone();
    let requests = stream::iter(0..)
        .inspect(move |_| _ = count.fetch_add(1, Ordering::SeqCst))
        .map(url);
    let mut outcomes = client(&backend, 7).batch_from_stream(requests).stream();
    assert_eq!(pulled.load(Ordering::SeqCst), 0);
    for received in 1..=20 {
        outcomes.next().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(pulled.load(Ordering::SeqCst) <= received + 2 * 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_batch_takes_what_a_stream_has_ready_and_ends() {
    const READY: usize = 1_000;
    let backend = MemoryBackend::always(Answer::hang());
    // Tokio's channel holds back what it has from a task that had its turn.
    let (sender, mut receiver) = tokio::sync::mpsc::channel(READY);
    let requests = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    for number in 0..READY {
        sender.send(url(number)).await.unwrap();
    }
    let stop = Cancellation::new();
    let batch = client(&backend, 4)
        .batch_from_stream(requests)
        .cancellation(stop.clone())
        .collect();
    let cancelled = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.cancel();
    };
    let (batch, ()) = futures::join!(batch, cancelled);
    assert_eq!(batch.len(), READY);
    for outcome in &batch {
        assert_eq!(outcome.key, outcome.index);
        assert_eq!(outcome.error().unwrap().kind(), ErrorKind::Cancelled);
    }
    assert_eq!(backend.counts().begun, 4);
    assert!(sender.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_waits_for_its_input_is_stopped_too() {
    let (_requests, receiver) = mpsc::channel::<(usize, String)>(1);
    let client = client(&MemoryBackend::always(Answer::ok()), 4);
    let batch = client
        .batch_from_stream(receiver)
        .deadline(Duration::from_secs(1))
        .collect()
        .await;
    assert!(batch.is_empty());
}
