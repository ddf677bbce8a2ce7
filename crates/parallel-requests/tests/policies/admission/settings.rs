//! Limits that cannot work are refused when the client is made.

use std::{sync::Arc, time::Duration};

use parallel_requests::{ClientBuilder, ParallelRequests, RateLimit};
use pr_testkit::{Answer, MemoryBackend};

type Setting = fn(ClientBuilder) -> ClientBuilder;

fn build(setting: Setting) -> Result<ParallelRequests, String> {
    let backend = Arc::new(MemoryBackend::always(Answer::ok()));
    let builder = setting(ParallelRequests::builder().backend(backend));
    builder.build().map_err(|error| error.to_string())
}

#[test]
fn what_cannot_work_is_refused() {
    let cases: [(Setting, &str); 8] = [
        (|b| b.concurrency(0), "concurrency cannot be 0: "),
        (
            |b| b.concurrency_per_host(0),
            "concurrency_per_host cannot be 0: ",
        ),
        (
            |b| b.concurrency_per_host(1_000_001),
            "concurrency_per_host cannot be 1000001: ",
        ),
        (
            |b| b.concurrency_for_host("h", 0),
            "concurrency_for_host cannot be 0: ",
        ),
        (
            |b| b.concurrency_for_host("ftp://user:secret@h", 1),
            "concurrency_for_host cannot be the given host: ",
        ),
        (
            |b| b.rate_limit_for_host("", RateLimit::per_second(1)),
            "rate_limit_for_host cannot be the given host: ",
        ),
        (
            |b| b.rate_limit_for_host("h", RateLimit::per_second(0)),
            "rate_limit_for_host cannot be ",
        ),
        (
            |b| b.queue_timeout(Duration::ZERO),
            "queue_timeout cannot be 0: ",
        ),
    ];
    for (setting, why) in cases {
        let error = build(setting).unwrap_err();
        assert!(error.starts_with(why), "{error}");
        assert!(!error.contains("secret"));
    }
}

#[test]
fn the_ends_of_the_ranges_work() {
    let cases: [Setting; 4] = [
        |b| b.concurrency_per_host(1).concurrency(1),
        |b| b.concurrency_per_host(1_000_000),
        |b| b.queue_timeout(Duration::MAX),
        |b| b.concurrency_for_host("H.example:8080", 1),
    ];
    for setting in cases {
        build(setting).unwrap();
    }
}
