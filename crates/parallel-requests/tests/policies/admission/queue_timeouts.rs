//! Whoever waits too long for its turn is told what it waited for.

use std::time::Duration;

use futures::{future::join, poll};
use parallel_requests::{
    ClientBuilder, Delivery, ErrorKind, PolicyOverrides, RateLimit, RequestConfig, TimeoutPhase,
};
use tokio::time::Instant;

use super::support::{client, is_about};

const LIMIT: Duration = Duration::from_secs(5);

type Setting = fn(ClientBuilder) -> ClientBuilder;

#[tokio::test(start_paused = true)]
async fn the_error_says_what_was_waited_for() {
    let cases: [(&str, Setting, &str); 5] = [
        (
            "http://h/60000",
            |builder| builder.concurrency(1),
            "as many requests are in flight as may be: 1; wait longer, or raise the concurrency",
        ),
        (
            "http://h/60000",
            |builder| builder.concurrency_per_host(1),
            "its host has as many requests in flight as it may have: 1; wait longer, or raise the \
             host's limit",
        ),
        (
            "http://h/0",
            |builder| builder.rate_limit(RateLimit::every(Duration::from_secs(60)).burst(1)),
            "the rate for all hosts allows the next request in 55.0 s; wait longer, or raise the rate",
        ),
        (
            "http://h/0",
            |builder| {
                builder.rate_limit_per_host(RateLimit::every(Duration::from_secs(60)).burst(1))
            },
            "its host's rate allows the next request in 55.0 s; wait longer, or raise the host's rate",
        ),
        (
            "http://h/0/429/60",
            |builder| builder,
            "its host asked to be left alone for another ",
        ),
    ];
    for (first, setting, why) in cases {
        let (client, backend, _) = client(|builder| setting(builder.queue_timeout(LIMIT)));
        let mut first = Box::pin(client.get(first));
        let _ = poll!(&mut first);
        let began = Instant::now();
        let error = client.get("http://h/0?secret").await.unwrap_err();
        assert!(is_about(began.elapsed(), LIMIT));
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Queue));
        assert_eq!(error.delivery(), Delivery::NotSent);
        assert_eq!(error.url(), Some("http://h/0?…"));
        let start = "the request waited 5.0 s for its turn and did not get it: ";
        let message = error.message();
        assert!(message.starts_with(&format!("{start}{why}")), "{message}");
        assert_eq!(backend.counts().begun, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_may_have_a_limit_of_its_own() {
    let (client, _, _) = client(|builder| builder.concurrency(1).queue_timeout(LIMIT));
    for (own, ends) in [
        (Duration::ZERO, Some(Duration::ZERO)),
        (Duration::from_millis(30), Some(Duration::from_millis(30))),
        (Duration::from_secs(20), Some(Duration::from_secs(20))),
        // As long as it takes.
        (Duration::MAX, None),
    ] {
        let busy = client.get("http://h/30000");
        let waiting = async {
            let began = Instant::now();
            let request = RequestConfig::get("http://h/0").queue_timeout(own);
            (client.get(request).await.is_err(), began.elapsed())
        };
        let (_, (failed, waited)) = join(busy, waiting).await;
        assert_eq!(failed, ends.is_some());
        let expected = ends.unwrap_or(Duration::from_secs(30));
        assert!(
            is_about(waited, expected),
            "{waited:?} and not {expected:?}"
        );
    }
}

/// A pause that is over at the same instant as the time to wait lets the request go.
#[tokio::test(start_paused = true)]
async fn whoever_gets_its_turn_in_time_is_not_refused() {
    let (client, _, _) = client(|builder| builder.concurrency(1).queue_timeout(LIMIT));
    let busy = client.get("http://h/5000");
    let (_, waited) = join(busy, client.get("http://h/0")).await;
    assert!(waited.is_ok() || waited.unwrap_err().timeout_phase() == Some(TimeoutPhase::Queue));
    let busy = client.get("http://h/4990");
    let (_, waited) = join(busy, client.get("http://h/0")).await;
    assert!(waited.is_ok());
}
