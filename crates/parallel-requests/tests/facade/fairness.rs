//! A host that is paused keeps no other waiting, however many requests for it come first.

use std::{
    iter,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parallel_requests::{
    Capabilities, Capability, ParallelRequests, RetryAfter, RetryPolicy, TransportConfig,
    http::StatusCode,
};
use pr_testkit::{Answer, MemoryBackend, Server};
use tokio::time::Instant;

use crate::client;

const PAUSED: usize = 100_000;
const OTHERS: usize = 1_000;

type Requests = Box<dyn Iterator<Item = (bool, String)> + Send>;

fn paused(number: usize) -> (bool, String) {
    (true, format!("http://paused.example/{number}"))
}

fn other(number: usize) -> (bool, String) {
    (
        false,
        format!("http://other-{}.example/{number}", number % 7),
    )
}

fn all_first() -> Requests {
    Box::new((0..PAUSED).map(paused).chain((0..OTHERS).map(other)))
}

fn interleaved() -> Requests {
    let each = PAUSED / OTHERS;
    Box::new((0..OTHERS).flat_map(move |number| {
        let paused = (0..each).map(move |one| paused(number * each + one));
        paused.chain(iter::once(other(number)))
    }))
}

/// Says of one host that it is not to be asked for so many seconds.
fn backend(seconds: u64) -> MemoryBackend {
    MemoryBackend::answering(move |request| {
        if request.uri.host() == Some("paused.example") {
            Answer::status(429).header("retry-after", &seconds.to_string())
        } else {
            Answer::ok().after(Duration::from_millis(1))
        }
    })
}

/// All others are done; what the paused host was asked meanwhile.
async fn others_finish(client: &ParallelRequests, requests: Requests) -> usize {
    client.get(paused(0).1).await.unwrap();
    // Before the pause ends, so that a failure of this does not take for ever.
    let before_it_ends = Duration::from_secs(50);
    let mut outcomes = client.batch(requests).deadline(before_it_ends).stream();
    let (mut others, mut asked) = (0, 0);
    while others < OTHERS {
        let outcome = outcomes.next().await.unwrap();
        if outcome.key {
            asked += 1;
        } else {
            assert!(outcome.is_ok());
            others += 1;
        }
    }
    asked
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_requests_for_a_paused_host_keep_no_other_waiting() {
    for requests in [all_first, interleaved] {
        let backend = backend(60);
        let client = client(&backend, 20);
        let started = Instant::now();
        let asked = others_finish(&client, requests()).await;
        assert_eq!(asked, 0, "it is paused");
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "{:?}",
            started.elapsed()
        );
        assert_eq!(backend.counts().begun, 1 + OTHERS as u64);
    }
}

#[test]
fn nor_do_they_on_the_clients_own_threads() {
    for requests in [all_first, interleaved] {
        let client = ParallelRequests::builder()
            .backend(Arc::new(backend(60)))
            .threads(3)
            .retry(RetryPolicy::never())
            .build()
            .unwrap();
        let started = Instant::now();
        let asked = pollster::block_on(others_finish(&client, requests()));
        assert_eq!(asked, 0, "it is paused");
        assert!(started.elapsed() < Duration::from_secs(50));
    }
}

#[tokio::test(start_paused = true)]
async fn nor_do_they_use_up_the_lanes_of_a_backend_that_blocks() {
    let backend = backend(60).with_capabilities(Capabilities::of(&[Capability::Http1]));
    let client = client(&backend, 4);
    client.get(paused(0).1).await.unwrap();
    let requests = (0..500).map(paused).chain((0..500).map(other));
    let mut outcomes = client.batch(requests).stream();
    let started = Instant::now();
    for _ in 0..500 {
        assert!(!outcomes.next().await.unwrap().key);
    }
    // At full concurrency, though many times as many are held up.
    assert!(
        started.elapsed() <= Duration::from_millis(500 / 4 + 10),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(backend.counts().max_in_flight, 4);
}

#[tokio::test(start_paused = true)]
async fn no_further_is_looked_ahead_than_was_said() {
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = pulled.clone();
    let client = client(&backend(60), 10);
    client.get(paused(0).1).await.unwrap();
    let requests = all_first().inspect(move |_| _ = count.fetch_add(1, Ordering::SeqCst));
    let mut outcomes = client.batch(requests).look_ahead(300).stream();
    let none = tokio::time::timeout(Duration::from_secs(30), outcomes.next()).await;
    assert!(none.is_err());
    let pulled = pulled.load(Ordering::SeqCst);
    assert!((300..=300 + 2 * 10).contains(&pulled), "{pulled}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_begins_in_the_middle_keeps_nobody_waiting_either() {
    let asked = AtomicUsize::new(0);
    let backend = MemoryBackend::answering(move |request| {
        let is_limited = request.uri.host() == Some("paused.example");
        if is_limited && asked.fetch_add(1, Ordering::SeqCst) % 50 == 49 {
            return Answer::status(429).header("retry-after", "30");
        }
        Answer::ok().after(Duration::from_millis(1))
    });
    let client = client(&backend, 20);
    let requests = (0..1_000).flat_map(|number| [paused(number), paused(number), other(number)]);
    let started = Instant::now();
    let mut outcomes = client.batch(requests).stream();
    let (mut others, mut done) = (0, 0);
    while let Some(outcome) = outcomes.next().await {
        done += 1;
        others += usize::from(!outcome.key);
        if !outcome.key && others == 1_000 {
            assert!(
                started.elapsed() < Duration::from_secs(2),
                "{:?}",
                started.elapsed()
            );
        }
    }
    assert_eq!((done, others), (3_000, 1_000));
}

/// On each transport, from its own threads and from those of the client.
#[test]
fn nor_do_they_over_real_transports() {
    let (busy, quick) = (Server::start(), Server::start());
    // Any answer with the field will do.
    let pausing = RetryAfter::default().statuses([StatusCode::OK]);
    for backend in parallel_requests::available_backends() {
        let transport = TransportConfig::default().http2_prior_knowledge(backend == "h2");
        let client = ParallelRequests::builder()
            .backend(backend)
            .concurrency(4)
            .transport(transport)
            .retry(RetryPolicy::never())
            .retry_after(pausing.clone())
            .build()
            .unwrap();
        let asked = busy.ledger().counts().requests_begun;
        let paused = busy.url("/response-headers?retry-after=60");
        let requests = (0..500).map(|number| {
            let is_paused = number < 400;
            let url = if is_paused {
                paused.clone()
            } else {
                quick.url("/bytes/7")
            };
            (is_paused, url)
        });
        pollster::block_on(async {
            client.get(paused.clone()).await.unwrap();
            let mut outcomes = client.batch(requests.collect::<Vec<_>>()).stream();
            for _ in 0..100 {
                let outcome = outcomes.next().await.unwrap();
                assert!(!outcome.key && outcome.is_ok(), "{backend}");
            }
        });
        let asked = busy.ledger().counts().requests_begun - asked;
        assert_eq!(asked, 1, "{backend}");
    }
}
