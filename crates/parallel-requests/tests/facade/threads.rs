//! On which threads requests run: the caller's, or those of the client.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    thread::{self, ThreadId},
    time::Duration,
};

use futures::FutureExt;
use parallel_requests::{ErrorKind, ParallelRequests, blocking};
use pr_testkit::{Answer, MemoryBackend};

type Seen = Arc<Mutex<Vec<(String, ThreadId)>>>;

/// A backend that notes on which thread it is asked for which host.
fn watched() -> (Arc<MemoryBackend>, Seen) {
    let seen = Seen::default();
    let notes = seen.clone();
    let backend = MemoryBackend::answering(move |request| {
        let host = request.uri.host().unwrap().to_owned();
        notes.lock().unwrap().push((host, thread::current().id()));
        Answer::ok()
    });
    (Arc::new(backend), seen)
}

fn urls(hosts: usize, count: usize) -> impl Iterator<Item = String> + Send {
    (0..count).map(move |number| format!("http://host-{}.example/{number}", number % hosts))
}

fn threads(seen: &Seen) -> HashSet<ThreadId> {
    seen.lock().unwrap().iter().map(|(_, id)| *id).collect()
}

#[tokio::test]
async fn on_a_current_thread_runtime_everything_stays_there() {
    let (backend, seen) = watched();
    let client = ParallelRequests::builder()
        .backend(backend)
        .build()
        .unwrap();
    let _ = client.request(urls(5, 50)).await;
    client.get("http://one.example/").await.unwrap();
    assert_eq!(threads(&seen), HashSet::from([thread::current().id()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn elsewhere_the_requests_to_a_host_are_on_one_thread_of_the_client() {
    let (backend, seen) = watched();
    let client = ParallelRequests::builder()
        .backend(backend)
        .threads(3)
        .build()
        .unwrap();
    // Several batches from several tasks at a time.
    let tasks = (0..6).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let batch = client.request(urls(20, 200)).await;
            assert_eq!(batch.successes().count(), 200);
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let seen = seen.lock().unwrap();
    let by_host: HashSet<_> = seen.iter().collect();
    assert_eq!(by_host.len(), 20, "one thread to a host");
    let used: HashSet<_> = seen.iter().map(|(_, thread)| thread).collect();
    assert!((2..=3).contains(&used.len()), "{}", used.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_threads_requests_run_on_the_callers_runtime() {
    let (backend, seen) = watched();
    let client = ParallelRequests::builder()
        .backend(backend)
        .threads(0)
        .build()
        .unwrap();
    let task = tokio::spawn(async move {
        client.get("http://one.example/").await.unwrap();
        client
    });
    let client = task.await.unwrap();
    let _ = client.request(urls(3, 30)).await;
    for (_, thread) in seen.lock().unwrap().iter() {
        assert_ne!(*thread, thread::current().id());
    }
    assert_eq!(seen.lock().unwrap().len(), 31);
}

#[test]
fn without_a_runtime_and_without_threads_each_request_says_so() {
    let (backend, _) = watched();
    let client = ParallelRequests::builder()
        .backend(backend)
        .threads(0)
        .build()
        .unwrap();
    let batch = pollster::block_on(client.request(urls(3, 30)));
    assert_eq!(batch.len(), 30);
    for outcome in &batch {
        let error = outcome.error().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains("there is no Tokio runtime here"));
    }
    let refused = blocking::ParallelRequests::from_builder(ParallelRequests::builder().threads(0));
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .starts_with("threads cannot be 0")
    );
}

#[test]
fn any_executor_will_do() {
    let (backend, _) = watched();
    let client = ParallelRequests::builder()
        .backend(backend)
        .build()
        .unwrap();
    pollster::block_on(async {
        let batch = client.request(urls(3, 300)).await;
        assert_eq!(batch.successes().count(), 300);
        client.get("http://one.example/").await.unwrap();
    });
}

#[test]
fn closing_ends_the_threads_and_what_runs_on_them() {
    let backend = MemoryBackend::always(Answer::hang());
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend))
        .threads(2)
        .concurrency(10)
        .build()
        .unwrap();
    pollster::block_on(async {
        let mut outcomes = client.stream(urls(9, 100));
        let mut others = client.stream(urls(9, 5));
        let closed = async {
            // By now the first requests are in flight.
            client.close().await;
        };
        let (first, (), second) = futures::join!(outcomes.next(), closed, others.next());
        assert_eq!(first.unwrap().error().unwrap().kind(), ErrorKind::Closed);
        assert_eq!(second.unwrap().error().unwrap().kind(), ErrorKind::Closed);
        let mut rest = 1;
        while let Some(outcome) = outcomes.next().await {
            assert_eq!(outcome.error().unwrap().kind(), ErrorKind::Closed);
            rest += 1;
        }
        assert_eq!(rest, 100);
        let error = client.get("http://one.example/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        // It is closed already, so this has nothing to wait for.
        client.close().await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_requests_stay_on_the_runtime_that_they_are_sent_from() {
    let (backend, seen) = watched();
    let client = ParallelRequests::builder()
        .backend(backend)
        .build()
        .unwrap();
    // The thread that drives this function is none of the workers, and nobody else's either.
    client.get("http://one.example/").await.unwrap();
    client.open("http://two.example/").await.unwrap();
    assert_eq!(threads(&seen), HashSet::from([thread::current().id()]));
}

#[test]
fn a_single_request_that_is_dropped_is_cancelled_on_its_thread() {
    let backend = MemoryBackend::always(Answer::hang());
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .build()
        .unwrap();
    let wait_until = |condition: fn(&MemoryBackend) -> bool| {
        while !condition(&backend) {
            thread::sleep(Duration::from_millis(1));
        }
    };
    let mut request = Box::pin(client.get("http://one.example/"));
    assert!(request.as_mut().now_or_never().is_none());
    wait_until(|backend| backend.counts().begun == 1);
    drop(request);
    wait_until(|backend| backend.counts().dropped == 1);
}

#[test]
fn a_clients_threads_start_when_needed_and_end_with_it() {
    let (backend, seen) = watched();
    let client = ParallelRequests::builder()
        .backend(backend.clone())
        .threads(2)
        .build()
        .unwrap();
    assert!(seen.lock().unwrap().is_empty());
    let _ = pollster::block_on(client.request(urls(40, 100)));
    assert_eq!(threads(&seen).len(), 2);
    drop(client);
    // The threads let go of the backend when they end.
    while Arc::strong_count(&backend) > 1 {
        thread::sleep(Duration::from_millis(1));
    }
}
