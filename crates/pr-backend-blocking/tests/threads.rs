//! How many threads there are and when they end. Threads are counted by name in the whole process,
//! so these tests run one at a time, in a process of their own.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "tests state what they expect by unwrapping it"
)]

use std::{
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};

use futures::{StreamExt, executor::block_on, future::join_all};
use pr_backend_blocking::{Backend, BackendExt, BlockingBackend, RequestConfig, TransportConfig};
use pr_core::{ConnectionKey, ExchangeRequest, ProtocolChoice};
use pr_testkit::Server;
use tokio::runtime::Builder;
use url::Url;

/// How long a test waits for what is bound to happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The names of this process's threads that belong to a backend.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    // A thread may end between being listed and being looked at.
    tasks
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| name.starts_with("pr-blocking"))
        .collect()
}

/// The kernel lists a thread for a moment after it has been joined.
fn wait_for_threads(count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while threads().len() != count {
        assert!(Instant::now() < deadline, "{:?}", threads());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn bounded(max_threads: usize) -> BlockingBackend {
    BlockingBackend::with_config(TransportConfig::default().max_threads(max_threads)).unwrap()
}

fn get(url: &str) -> ExchangeRequest {
    let url = Url::parse(url).unwrap();
    let key = ConnectionKey::new(&url, None, true, ProtocolChoice::Negotiate).unwrap();
    let uri = url.as_str().parse().unwrap();
    ExchangeRequest::new(http::Method::GET, uri, key)
}

#[test]
fn there_are_never_more_threads_than_allowed() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let backend = bounded(4);
    assert_eq!(
        threads().len(),
        0,
        "threads are started when they are needed"
    );
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let requests = (0..40).map(|_| backend.request(server.url("/delay/0.01")));
            for response in join_all(requests).await {
                assert_eq!(response.unwrap().status_code(), 200);
            }
            let counts = server.ledger().counts();
            assert_eq!(counts.requests_answered, 40);
            assert_eq!(counts.max_requests_in_flight, 4);
            assert_eq!(counts.connections_accepted, 4);
            let mut names = threads();
            names.sort();
            assert_eq!(
                names,
                [
                    "pr-blocking-1",
                    "pr-blocking-2",
                    "pr-blocking-3",
                    "pr-blocking-4"
                ]
            );

            backend.close().await;
        });
    wait_for_threads(0);
}

#[test]
fn a_name_is_looked_up_on_a_thread_of_its_own_that_ends_with_the_others() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let backend = bounded(8);
    block_on(async {
        let request = get(&server.url_with_host("localhost", "/status/204"));
        assert_eq!(backend.exchange(request).await.unwrap().status, 204);
        let mut names = threads();
        names.sort();
        // The kernel keeps fifteen bytes of a name.
        assert_eq!(names, ["pr-blocking-1", "pr-blocking-dns"]);
        backend.close().await;
    });
    wait_for_threads(0);
}

#[test]
fn one_request_after_another_takes_one_thread() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let backend = bounded(64);
    Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            for path in ["/bytes/10", "/bytes/300000"].repeat(50) {
                backend.request(server.url(path)).await.unwrap();
            }
        });
    assert_eq!(threads(), ["pr-blocking-1"]);
    drop(backend);
    wait_for_threads(0);
}

#[test]
fn a_task_that_makes_one_request_after_another_takes_one_thread() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let backend = Arc::new(bounded(64));
    let (ended, end) = mpsc::channel();
    let task = {
        let (backend, url) = (Arc::clone(&backend), server.url("/bytes/10"));
        async move {
            for _ in 0..50 {
                let response = backend.exchange(get(&url)).await.unwrap();
                assert_eq!(response.status, 200);
            }
            ended.send(()).unwrap();
        }
    };
    assert!(backend.spawn(Box::pin(task)).is_ok());
    end.recv_timeout(PATIENCE).unwrap();
    assert_eq!(threads(), ["pr-blocking-1"]);
    block_on(backend.close());
    wait_for_threads(0);
}

#[test]
fn a_spare_thread_polls_tasks_when_all_others_are_blocked_and_ends_with_them() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let backend = Arc::new(bounded(1));
    let hanging = {
        let (backend, url) = (Arc::clone(&backend), server.url("/hang"));
        async move { drop(backend.exchange(get(&url)).await) }
    };
    assert!(backend.spawn(Box::pin(hanging)).is_ok());
    let begun = |seen: &pr_testkit::Counts| seen.requests_in_flight() == 1;
    server
        .ledger()
        .wait_until_blocking(begun, PATIENCE)
        .unwrap();
    assert_eq!(threads(), ["pr-blocking-1"]);

    let (polled, poll) = mpsc::channel();
    let task = async move { polled.send(()).unwrap() };
    assert!(backend.spawn(Box::pin(task)).is_ok());
    poll.recv_timeout(PATIENCE).unwrap();
    let mut names = threads();
    names.sort();
    // The kernel keeps fifteen bytes of a name.
    assert_eq!(names, ["pr-blocking-1", "pr-blocking-spa"]);
    block_on(backend.close());
    wait_for_threads(0);
}

#[test]
fn closing_waits_for_the_threads_and_dropping_does_not() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    for close in [true, false] {
        let backend = bounded(8);
        let body = runtime.block_on(async {
            let hanging = backend.request(server.url("/hang"));
            let streaming = backend.stream(server.url("/bytes/50000000"));
            let mut hanging = Box::pin(hanging);
            assert!(futures::poll!(&mut hanging).is_pending());
            let mut body = streaming.await.unwrap();
            body.next().await.unwrap().unwrap();
            assert_eq!(threads().len(), 2);
            if close {
                backend.close().await;
                hanging.await.unwrap_err();
            }
            body
        });
        drop(backend);
        // The body is still there, and nobody reads it.
        wait_for_threads(0);
        drop(body);
    }
}

#[test]
fn no_runtime_is_needed_to_carry_out_an_exchange() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let backend = bounded(8);
    let request = get(&server.url("/bytes/300000"));
    block_on(async {
        let response = backend.exchange(request).await.unwrap();
        let frames = response.body.map(|frame| match frame.unwrap() {
            pr_core::Frame::Data(piece) => piece.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            frames.collect::<Vec<_>>().await.iter().sum::<usize>(),
            300_000
        );
        backend.close().await;
    });
    wait_for_threads(0);
}

#[test]
fn the_runtimes_threads_for_blocking_work_are_left_alone() {
    let _turn = one_at_a_time();
    let server = Server::start();
    let backend = bounded(8);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (release, released) = mpsc::channel::<()>();
    // The only such thread is taken.
    let taken = runtime.spawn_blocking(move || released.recv());
    runtime.block_on(async {
        let requests = (0..16).map(|_| {
            let request = RequestConfig::get(server.url("/bytes/300000"));
            backend.request(request.timeout(PATIENCE))
        });
        for response in join_all(requests).await {
            assert_eq!(response.unwrap().content().len(), 300_000);
        }
        release.send(()).unwrap();
        taken.await.unwrap().unwrap();
        backend.close().await;
    });
}

#[test]
fn a_backend_that_was_never_used_closes_too() {
    let _turn = one_at_a_time();
    let backend = bounded(8);
    block_on(async {
        backend.close().await;
        backend.close().await;
    });
    wait_for_threads(0);
}
