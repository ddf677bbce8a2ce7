//! File descriptors that run out: requests wait until there are some, and none fails.
#![cfg(unix)]

use std::{sync::Arc, thread, time::Duration};

use pr_backend_hyper::HyperBackend;
use pr_core::{Backend, BackendExt, ErrorKind, TransportConfig};
use pr_testkit::starved::{self, Burst, Hog};
use tokio::runtime::Builder;

/// How many descriptors the processes of these tests have.
const FEW: u32 = 64;
/// How long others have them all.
const A_WHILE: Duration = Duration::from_millis(500);

fn backend(settings: TransportConfig) -> Arc<dyn Backend> {
    Arc::new(HyperBackend::with_config(settings).expect("the settings are good"))
}

/// The server's URL in the process that has few; in the other one, where it runs, nothing.
fn again(test: &str) -> Option<String> {
    starved::rerun(test, FEW, "/get")
}

fn run(test: impl Future<Output = ()>) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("it is made before the descriptors are gone");
    runtime.block_on(test);
}

#[test]
fn few_are_enough_for_many_requests() {
    let Some(url) = again("few_are_enough_for_many_requests") else {
        return;
    };
    for origins in [1, 30] {
        let burst = Burst::to(&url, origins);
        run(async {
            let backend = backend(burst.settings());
            burst.run(&backend, 500).await;
            backend.close().await;
        });
    }
}

#[test]
fn those_that_somebody_else_has_are_waited_for() {
    let Some(url) = again("those_that_somebody_else_has_are_waited_for") else {
        return;
    };
    let burst = Burst::to(&url, 30);
    run(async {
        // It has more in mind than there is.
        let backend = backend(burst.settings().max_connections(1_000));
        for _ in 0..2 {
            let hog = Hog::takes_all();
            let freeing = thread::spawn(move || {
                thread::sleep(A_WHILE);
                hog.lets_go();
            });
            burst.run(&backend, 500).await;
            freeing.join().unwrap();
        }
        backend.close().await;
    });
}

#[test]
fn that_there_are_none_is_said_in_the_end() {
    let Some(url) = again("that_there_are_none_is_said_in_the_end") else {
        return;
    };
    let burst = Burst::to(&url, 1);
    run(async {
        let backend = backend(burst.settings().connect_timeout(A_WHILE));
        let hog = Hog::takes_all();
        let error = backend.request("http://h0.example/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.message().contains("ulimit"), "{error}");
        assert!(error.chain().contains("os error 24"), "{}", error.chain());
        assert!(!error.may_have_been_processed());
        hog.lets_go();
        burst.run(&backend, 10).await;
    });
}
