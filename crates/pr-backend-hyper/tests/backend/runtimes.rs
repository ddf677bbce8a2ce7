//! One backend on several runtimes, one after another and side by side.

use pr_backend_hyper::BackendExt;
use pr_testkit::Server;
use tokio::runtime::{Builder, Runtime};

use crate::support::backend;

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_connection_whose_runtime_is_gone_is_not_used_again() {
    let server = Server::start();
    let backend = backend();
    for _ in 0..3 {
        let response = current_thread()
            .block_on(backend.request(server.url("/bytes/1")))
            .unwrap();
        assert!(!response.connection().reused);
        assert_eq!(response.attempts(), 1);
    }
}

#[test]
fn a_connection_stays_with_its_runtime() {
    let server = Server::start();
    let backend = backend();
    let (one, two) = (current_thread(), current_thread());
    let request = || backend.request(server.url("/bytes/1"));
    let first = one.block_on(request()).unwrap().connection();
    // Nobody drives the first runtime, so a request over its connection would wait for ever.
    let second = two.block_on(request()).unwrap().connection();
    assert_ne!(first.id, second.id);
    assert_eq!(one.block_on(request()).unwrap().connection().id, first.id);
    assert_eq!(two.block_on(request()).unwrap().connection().id, second.id);
}
