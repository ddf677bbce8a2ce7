//! Tasks that the backend's threads poll: what they may count on, and how they end.

use std::{
    collections::BTreeSet,
    future::{pending, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    thread,
    time::Duration,
};

use futures::channel::oneshot;
use pr_backend_blocking::{
    Backend, BackendExt, BlockingBackend, ErrorKind, RequestConfig, TransportConfig,
};
use pr_core::Task;
use pr_testkit::{Latch, Server};
use tokio::runtime::Handle;

use crate::support::{PATIENCE, get, single, wait_for_open};

/// A future that finds the timers of the test's runtime wherever it is polled.
struct Within {
    runtime: Handle,
    future: Task,
}

impl Future for Within {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { runtime, future } = &mut *self;
        let _context = runtime.enter();
        future.as_mut().poll(cx)
    }
}

fn spawn(backend: &BlockingBackend, future: impl Future<Output = ()> + Send + 'static) {
    let runtime = Handle::current();
    let future = Box::pin(future);
    let spawned = backend.spawn(Box::pin(Within { runtime, future }));
    assert!(spawned.is_ok());
}

fn bounded(max_threads: usize) -> Arc<BlockingBackend> {
    let config = TransportConfig::default().max_threads(max_threads);
    Arc::new(BlockingBackend::with_config(config).unwrap())
}

/// Opens a latch when it is dropped.
struct Opens(Latch);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Takes the backend's only thread for good: an exchange with a peer that does not answer.
async fn occupy(backend: &Arc<BlockingBackend>, server: &Server) {
    let (task, url) = (Arc::clone(backend), server.url("/hang"));
    spawn(backend, async move {
        let _ = get(&task, url).await;
    });
    let begun = server
        .ledger()
        .wait_until(|seen| seen.requests_in_flight() == 1, PATIENCE);
    begun.await.unwrap();
}

#[tokio::test]
async fn a_task_makes_its_exchanges_on_the_thread_that_polls_it() {
    let server = Server::start();
    let backend = bounded(16);
    let polled_on = Arc::new(Mutex::new(BTreeSet::new()));
    let (ended, end) = oneshot::channel();
    spawn(&backend, {
        let (backend, polled_on) = (Arc::clone(&backend), Arc::clone(&polled_on));
        let url = server.url("/bytes/100");
        async move {
            for _ in 0..50 {
                let response = backend.request(&*url).await.unwrap();
                assert_eq!(response.content().len(), 100);
                let name = thread::current().name().map(str::to_owned);
                polled_on.lock().unwrap().extend(name);
            }
            ended.send(()).unwrap();
        }
    });
    end.await.unwrap();
    let names: Vec<_> = polled_on.lock().unwrap().iter().cloned().collect();
    assert_eq!(names, ["pr-blocking-1"]);
    assert_eq!(server.ledger().counts().connections_accepted, 1);
}

#[tokio::test]
async fn a_task_that_was_woken_does_not_wait_for_blocked_threads() {
    let server = Server::start();
    let backend = Arc::new(single());
    let (wake, woken) = oneshot::channel::<()>();
    let polled = Latch::new();
    spawn(&backend, {
        let polled = polled.clone();
        async move {
            woken.await.unwrap();
            polled.open();
        }
    });
    occupy(&backend, &server).await;
    wake.send(()).unwrap();
    assert!(polled.wait(PATIENCE).await);
    // Nor does a new one.
    let polled = Latch::new();
    spawn(&backend, {
        let polled = polled.clone();
        async move { polled.open() }
    });
    assert!(polled.wait(PATIENCE).await);
}

#[tokio::test]
async fn a_timeout_is_on_time_although_every_thread_is_blocked() {
    let server = Server::start();
    let backend = bounded(2);
    let timeout = Duration::from_millis(100);
    let (outcomes, mut ended) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..4 {
        let (task, outcomes) = (Arc::clone(&backend), outcomes.clone());
        let request = RequestConfig::get(server.url("/hang")).timeout(timeout);
        spawn(&backend, async move {
            let begun = std::time::Instant::now();
            let error = task.request(request).await.unwrap_err();
            outcomes.send((error.kind(), begun.elapsed())).unwrap();
        });
    }
    for _ in 0..4 {
        let (kind, took) = ended.recv().await.unwrap();
        assert_eq!(kind, ErrorKind::Timeout);
        // The peer would be silent for longer than this test has patience.
        assert!(took < PATIENCE / 2, "{took:?}");
    }
    // The sockets were shut down, so that the threads are free.
    wait_for_open(&server, 0).await;
    let next = backend.request(server.url("/status/200")).await.unwrap();
    assert_eq!(next.status_code(), 200);
}

#[tokio::test]
async fn a_task_reads_a_body_that_its_only_thread_delivers() {
    let server = Server::start();
    let backend = Arc::new(single());
    let (ended, end) = oneshot::channel();
    spawn(&backend, {
        let (backend, url) = (Arc::clone(&backend), server.url("/bytes/5000000"));
        async move {
            let response = backend.request(url).await.unwrap();
            ended.send(response.content().len()).unwrap();
        }
    });
    assert_eq!(end.await.unwrap(), 5_000_000);
}

#[tokio::test]
async fn there_are_never_more_exchanges_than_threads_allowed() {
    let server = Server::start();
    let backend = bounded(3);
    let (done, mut lanes) = tokio::sync::mpsc::channel::<()>(1);
    for _ in 0..12 {
        let (task, done) = (Arc::clone(&backend), done.clone());
        let url = server.url("/delay/0.005");
        spawn(&backend, async move {
            for _ in 0..8 {
                // Woken by a timer, most of the time while every thread is blocked.
                tokio::time::sleep(Duration::from_millis(1)).await;
                assert_eq!(task.request(&*url).await.unwrap().status_code(), 200);
            }
            drop(done);
        });
    }
    drop(done);
    assert!(lanes.recv().await.is_none());
    let counts = server.ledger().counts();
    assert_eq!(counts.requests_answered, 96);
    assert_eq!(counts.max_requests_in_flight, 3);
}

#[tokio::test]
async fn tasks_that_wake_themselves_keep_no_exchange_waiting() {
    let server = Server::start();
    let backend = Arc::new(single());
    // As many as there are threads to poll them, and one more, so that one is always ready.
    for _ in 0..3 {
        let begun = Latch::new();
        let opens = begun.clone();
        let restless = poll_fn(move |cx| {
            opens.open();
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        spawn(&backend, restless);
        assert!(begun.wait(PATIENCE).await);
    }
    for _ in 0..3 {
        let response = get(&backend, server.url("/status/200")).await.unwrap();
        assert_eq!(response.status, 200);
    }
    backend.close().await;
}

#[tokio::test]
async fn a_task_that_panics_harms_nobody() {
    let server = Server::start();
    let backend = Arc::new(single());
    let dropped = Latch::new();
    let opens = Opens(dropped.clone());
    spawn(&backend, async move {
        let _opens = opens;
        panic!("this panic is part of a test");
    });
    assert!(dropped.wait(PATIENCE).await);
    let polled = Latch::new();
    spawn(&backend, {
        let (backend, url) = (Arc::clone(&backend), server.url("/status/200"));
        let polled = polled.clone();
        async move {
            get(&backend, url).await.unwrap();
            polled.open();
        }
    });
    assert!(polled.wait(PATIENCE).await);
    backend.close().await;
}

#[tokio::test]
async fn closing_drops_the_tasks_that_have_not_ended() {
    let server = Server::start();
    let backend = Arc::new(single());
    let ends: Vec<_> = (0..3).map(|_| Latch::new()).collect();
    let [idle, busy, queued] = [0, 1, 2].map(|index| Opens(ends[index].clone()));
    spawn(&backend, async move {
        let _idle = idle;
        pending::<()>().await;
    });
    spawn(&backend, PanicsWhenDropped);
    // The first of these gets the thread, the other waits in the queue.
    for held in [busy, queued] {
        let (task, url) = (Arc::clone(&backend), server.url("/hang"));
        spawn(&backend, async move {
            let _held = held;
            let _ = get(&task, url).await;
            pending::<()>().await;
        });
    }
    let begun = server
        .ledger()
        .wait_until(|seen| seen.requests_in_flight() == 1, PATIENCE);
    begun.await.unwrap();
    assert!(!ends.iter().any(Latch::is_open));
    backend.close().await;
    assert!(ends.iter().all(Latch::is_open));
    wait_for_open(&server, 0).await;
    assert_eq!(Arc::strong_count(&backend), 1);
}

/// Never ready, and no pleasure to get rid of.
struct PanicsWhenDropped;

impl Future for PanicsWhenDropped {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("this panic is part of a test");
    }
}

#[tokio::test]
async fn dropping_the_backend_drops_its_tasks_too() {
    let backend = single();
    let (idle, last) = (Latch::new(), Latch::new());
    let (polled, opens) = (Latch::new(), Opens(idle.clone()));
    spawn(&backend, {
        let polled = polled.clone();
        async move {
            let _opens = opens;
            polled.open();
            pending::<()>().await;
        }
    });
    assert!(polled.wait(PATIENCE).await);
    // This one may not have been polled yet.
    let opens = Opens(last.clone());
    spawn(&backend, async move {
        let _opens = opens;
        pending::<()>().await;
    });
    assert!(!idle.is_open());
    drop(backend);
    assert!(idle.wait(PATIENCE).await);
    assert!(last.wait(PATIENCE).await);
}

#[tokio::test]
async fn a_task_may_close_its_own_backend() {
    let backend = Arc::new(single());
    let dropped = Latch::new();
    let opens = Opens(dropped.clone());
    let task = Arc::clone(&backend);
    spawn(&backend, async move {
        let _opens = opens;
        task.close().await;
        pending::<()>().await;
    });
    assert!(dropped.wait(PATIENCE).await);
    backend.close().await;
}

#[tokio::test]
async fn a_backend_that_is_closed_gives_tasks_back() {
    let backend = single();
    backend.close().await;
    let polled = Latch::new();
    let opened = polled.clone();
    let task: Task = Box::pin(async move { opened.open() });
    let given_back = backend.spawn(task).unwrap_err();
    assert!(!polled.is_open());
    given_back.await;
    assert!(polled.is_open());
}

#[tokio::test]
async fn waking_a_task_that_was_dropped_does_nothing() {
    let backend = single();
    let (wake, woken) = oneshot::channel::<()>();
    let polled = Latch::new();
    spawn(&backend, {
        let polled = polled.clone();
        async move {
            polled.open();
            // Whoever is dropped need not be told.
            let _ = woken.await;
            pending::<()>().await;
        }
    });
    assert!(polled.wait(PATIENCE).await);
    backend.close().await;
    assert!(wake.send(()).is_err());
}
