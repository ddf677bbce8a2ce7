//! What is sent again, how often and when.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use parallel_requests::{
    Body, ErrorKind, ParallelRequests, PolicyOverrides, RequestConfig, RetryBudget, RetryDecision,
    RetryPolicy, TimeoutPhase,
    http::{Method, StatusCode},
};
use pr_core::Delivery;
use pr_testkit::{Answer, MemoryBackend};
use proptest::prelude::*;
use tokio::time::Instant;

const URL: &str = "http://h.example/";

fn client(backend: &MemoryBackend, policy: RetryPolicy) -> ParallelRequests {
    ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .retry(policy)
        .retry_budget(RetryBudget::unlimited())
        .build()
        .unwrap()
}

/// Runs this on a paused clock.
fn paused<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

/// When a reply is followed by another attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Again {
    No,
    /// Only with a method that may be repeated.
    IfIdempotent,
    /// The peer has not processed it.
    Yes,
}

use Again::{IfIdempotent, No, Yes};

fn replies() -> Vec<(String, Answer, Again)> {
    let mut replies = Vec::new();
    for status in 200..600 {
        // These are followed by pr-core, or are none.
        if (300..400).contains(&status) {
            continue;
        }
        let again = match status {
            408 | 429 | 500 | 502 | 503 | 504 => IfIdempotent,
            425 => Yes,
            _ => No,
        };
        replies.push((status.to_string(), Answer::status(status), again));
    }
    for kind in ErrorKind::ALL {
        let again = match kind {
            ErrorKind::Connect | ErrorKind::Proxy => Yes,
            ErrorKind::Closed | ErrorKind::Truncated | ErrorKind::Body | ErrorKind::Timeout => {
                IfIdempotent
            }
            // A failure to resolve that is not said to be transient is taken to last.
            _ => No,
        };
        let name = format!("{kind}");
        replies.push((name, Answer::error(*kind, "scripted"), again));
        for delivery in [Delivery::NotSent, Delivery::NotProcessed] {
            // pr-core itself sends these again: see `never.rs`.
            if *kind == ErrorKind::Closed {
                continue;
            }
            let again = if again == No { No } else { Yes };
            let answer = Answer::error(*kind, "scripted").delivery(delivery);
            replies.push((format!("{kind}, {delivery}"), answer, again));
        }
    }
    for phase in TimeoutPhase::ALL {
        let again = match phase {
            TimeoutPhase::Queue | TimeoutPhase::Batch => No,
            TimeoutPhase::Connect => Yes,
            _ => IfIdempotent,
        };
        let name = format!("timeout, {phase}");
        replies.push((name, Answer::timeout(*phase), again));
    }
    let cut = Answer::ok()
        .pieces(["half"])
        .then_error(ErrorKind::Truncated, "scripted");
    replies.push(("truncated body".to_owned(), cut, IfIdempotent));
    let corrupt = Answer::ok()
        .header("content-encoding", "gzip")
        .body("this is none");
    replies.push(("corrupt body".to_owned(), corrupt, No));
    replies
}

/// Those that a request can have, and whether they may be repeated (RFC 9110, section 9.2.2).
const METHODS: [(Method, bool); 7] = [
    (Method::GET, true),
    (Method::HEAD, true),
    (Method::OPTIONS, true),
    (Method::PUT, true),
    (Method::DELETE, true),
    (Method::POST, false),
    (Method::PATCH, false),
];

#[test]
fn every_method_with_every_reply_is_sent_as_often_as_the_table_says() {
    paused(async {
        for (name, answer, again) in replies() {
            for (method, is_idempotent) in METHODS {
                if method == Method::HEAD && name.ends_with("body") {
                    continue;
                }
                for any_method in [false, true] {
                    let mut policy = RetryPolicy::default();
                    if any_method {
                        policy = policy.any_method();
                    }
                    let backend = MemoryBackend::always(answer.clone());
                    let request = RequestConfig::new(method.clone(), URL);
                    let _ = client(&backend, policy).send(request).await;
                    let expected = match again {
                        Yes => 4,
                        IfIdempotent if is_idempotent || any_method => 4,
                        IfIdempotent | No => 1,
                    };
                    let begun = backend.counts().begun;
                    assert_eq!(
                        begun, expected,
                        "{method}, {name}, any method: {any_method}"
                    );
                }
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_again_only_if_the_failure_is_transient() {
    for (failure, expected) in [
        (pr_core::DnsFailure::Transient, 4),
        (pr_core::DnsFailure::NotFound, 1),
        (pr_core::DnsFailure::Other, 1),
    ] {
        let backend =
            MemoryBackend::handling(
                move |_| async move { Err(pr_core::BackendError::dns(failure)) },
            );
        let reply = client(&backend, RetryPolicy::default())
            .send(RequestConfig::post(URL))
            .await;
        assert!(reply.unwrap_err().is_dns());
        assert_eq!(backend.counts().begun, expected, "{failure:?}");
    }
}

/// What [`Again`] says, worked out from the policy.
#[derive(Clone, Debug)]
struct Case {
    method: Method,
    /// The statuses of the answers; the last one is repeated.
    statuses: Vec<u16>,
    max_retries: u32,
    retried: Vec<u16>,
    unprocessed: Vec<u16>,
    methods: Vec<Method>,
}

impl Case {
    fn exchanges(&self) -> u64 {
        let idempotent = [Method::GET, Method::PUT, Method::DELETE];
        let mut exchanges = 1;
        for status in self.statuses.iter().chain(std::iter::repeat(self.last())) {
            let is_safe = idempotent.contains(&self.method)
                || self.methods.contains(&self.method)
                || self.unprocessed.contains(status);
            let has_retry = exchanges <= u64::from(self.max_retries);
            if !self.retried.contains(status) || !is_safe || !has_retry {
                break;
            }
            exchanges += 1;
        }
        exchanges
    }

    fn last(&self) -> &u16 {
        self.statuses.last().unwrap()
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let method =
        || prop::sample::select(vec![Method::GET, Method::PUT, Method::POST, Method::PATCH]);
    let status = || prop::sample::select(vec![200, 404, 425, 429, 500, 503]);
    let some = |most| prop::collection::vec(status(), 0..most);
    (
        method(),
        prop::collection::vec(status(), 1..8),
        0..6_u32,
        some(5),
        some(3),
        prop::collection::vec(method(), 0..2),
    )
        .prop_map(
            |(method, statuses, max_retries, retried, unprocessed, methods)| Case {
                method,
                statuses,
                max_retries,
                retried,
                unprocessed,
                methods,
            },
        )
}

fn codes(statuses: &[u16]) -> Vec<StatusCode> {
    statuses
        .iter()
        .map(|status| StatusCode::from_u16(*status).unwrap())
        .collect()
}

proptest! {
    #[test]
    fn the_exchanges_are_those_that_the_policy_asks_for(case in cases()) {
        let policy = RetryPolicy::default()
            .max_retries(case.max_retries)
            .statuses(codes(&case.retried))
            .unprocessed_statuses(codes(&case.unprocessed))
            .retry_methods(case.methods.clone());
        let script = case.clone();
        let backend = MemoryBackend::answering(move |request| {
            let index = usize::try_from(request.number).unwrap();
            Answer::status(*script.statuses.get(index).unwrap_or(script.last()))
        });
        let response = paused(async {
            let request = RequestConfig::new(case.method.clone(), URL);
            client(&backend, policy).send(request).await.unwrap()
        });
        prop_assert_eq!(backend.counts().begun, case.exchanges());
        prop_assert_eq!(response.earlier_attempts().len() as u64, case.exchanges() - 1);
    }

    #[test]
    fn every_pause_is_within_its_bounds(base in 0..5_000_u64, cap in 0..5_000_u64) {
        let (base, cap) = (Duration::from_millis(base), Duration::from_millis(base + cap));
        let backend = MemoryBackend::always(Answer::status(500));
        let policy = RetryPolicy::default().max_retries(6).base(base).cap(cap);
        let (attempts, took) = paused(async {
            let began = Instant::now();
            let response = client(&backend, policy).get(URL).await.unwrap();
            (response.earlier_attempts().to_vec(), began.elapsed())
        });
        let mut waited = Duration::ZERO;
        for (retry, attempt) in (0..).zip(&attempts) {
            let backoff = attempt.backoff.unwrap();
            prop_assert!(backoff <= cap.min(base * 2_u32.pow(retry)));
            prop_assert!(attempt.started >= waited);
            waited += backoff;
        }
        // Tokio's timers are precise to a millisecond.
        prop_assert!(took >= waited && took <= waited + Duration::from_millis(12));
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_backoff_is_no_overflow() {
    let backend = MemoryBackend::always(Answer::status(500));
    let policy = RetryPolicy::default()
        .base(Duration::MAX)
        .cap(Duration::MAX)
        .max_elapsed(Duration::from_secs(60));
    let response = client(&backend, policy).get(URL).await.unwrap();
    assert_eq!(response.status_code(), 500);
    assert_eq!(backend.counts().begun, 1);
}

#[tokio::test(start_paused = true)]
async fn the_outcome_lists_the_attempts_before_it() {
    let slow = Duration::from_millis(300);
    let backend = MemoryBackend::queue([
        Answer::status(503).after(slow),
        Answer::error(ErrorKind::Closed, "the peer hung up"),
        Answer::ok().body("at last"),
    ]);
    let response = client(&backend, RetryPolicy::default())
        .get(URL)
        .await
        .unwrap();
    assert_eq!(response.text(), "at last");
    let [first, second] = response.earlier_attempts() else {
        panic!("{:?}", response.earlier_attempts());
    };
    assert_eq!(first.started, Duration::ZERO);
    assert_eq!(first.elapsed, slow);
    assert_eq!(first.result.as_ref().unwrap(), &503);
    assert!(second.started >= slow + first.backoff.unwrap());
    let error = second.result.as_ref().unwrap_err();
    assert_eq!(
        (error.kind, &error.message[..]),
        (ErrorKind::Closed, "the peer hung up")
    );
    assert!(second.backoff.is_some());

    let backend = MemoryBackend::always(Answer::error(ErrorKind::Connect, "refused"));
    let error = client(&backend, RetryPolicy::default())
        .get(URL)
        .await
        .unwrap_err();
    assert!(error.is_connect());
    assert_eq!(error.earlier_attempts().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_the_timeout_anew() {
    let timeout = Duration::from_secs(2);
    let backend = MemoryBackend::queue([
        Answer::hang(),
        Answer::ok().pieces(["half"]).then_hang(),
        Answer::ok().after(Duration::from_millis(1_999)),
    ]);
    let request = RequestConfig::get(URL).timeout(timeout);
    let response = client(&backend, RetryPolicy::default())
        .send(request)
        .await
        .unwrap();
    let elapsed: Vec<_> = response
        .earlier_attempts()
        .iter()
        .map(|attempt| attempt.elapsed)
        .collect();
    assert!(
        elapsed
            .iter()
            .all(|elapsed| (*elapsed).abs_diff(timeout) < Duration::from_millis(5)),
        "{elapsed:?}"
    );
    assert_eq!(elapsed.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_retry_begins_after_the_time_for_all_of_them() {
    let backend = MemoryBackend::always(Answer::status(500).after(Duration::from_secs(1)));
    let limit = Duration::from_secs(5);
    let policy = RetryPolicy::default()
        .max_retries(1_000)
        .base(Duration::from_millis(100))
        .cap(Duration::from_millis(100))
        .max_elapsed(limit);
    let began = Instant::now();
    let response = client(&backend, policy).get(URL).await.unwrap();
    assert!(
        response
            .earlier_attempts()
            .iter()
            .all(|attempt| attempt.started <= limit)
    );
    assert!(backend.counts().begun >= 4);
    // The last may take its time, but nobody waits for a retry that is not made.
    assert!(began.elapsed() <= limit + Duration::from_millis(1_010));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_can_be_sent_once_is_sent_once() {
    let backend = MemoryBackend::always(Answer::error(ErrorKind::Connect, "refused"));
    let client = client(&backend, RetryPolicy::default().any_method());
    let body = Body::one_shot(None, futures::stream::iter([Ok("once".into())]));
    let error = client
        .send(RequestConfig::put(URL).data(body))
        .await
        .unwrap_err();
    assert!(error.is_connect());
    assert_eq!(backend.counts().begun, 1);

    let body = Body::factory(None, || {
        Box::pin(futures::stream::iter([Ok("again".into())]))
    });
    client
        .send(RequestConfig::put(URL).data(body))
        .await
        .unwrap_err();
    assert_eq!(backend.counts().begun, 5);
}

#[tokio::test(start_paused = true)]
async fn a_predicate_adds_and_vetoes() {
    let backend = MemoryBackend::answering(|request| match request.uri.path() {
        "/late" if request.number < 2 => Answer::ok().body("please wait"),
        "/late" => Answer::ok().body("done"),
        _ => Answer::status(503),
    });
    let policy = RetryPolicy::default().retry_if(|attempt| match attempt.reply() {
        Ok(response) if response.text() == "please wait" => {
            assert_eq!(attempt.request().method_ref(), Method::POST);
            RetryDecision::Retry
        }
        Ok(response) if response.status_code() == 503 && attempt.number() == 2 => {
            RetryDecision::Stop
        }
        _ => RetryDecision::ByTheRules,
    });
    let client = client(&backend, policy);
    let late = RequestConfig::post("http://h.example/late");
    assert_eq!(client.send(late).await.unwrap().text(), "done");
    assert_eq!(backend.counts().begun, 3);

    assert_eq!(client.get(URL).await.unwrap().status_code(), 503);
    assert_eq!(backend.counts().begun, 3 + 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_can_have_a_policy_of_its_own() {
    let backend = MemoryBackend::always(Answer::status(503));
    let client = client(&backend, RetryPolicy::default().max_retries(1));
    for (own, expected) in [
        (None, 2),
        (Some(RetryPolicy::never()), 1),
        (Some(RetryPolicy::default().max_retries(4)), 5),
    ] {
        let before = backend.counts().begun;
        let mut request = RequestConfig::get(URL);
        if let Some(policy) = own {
            request = request.retry(policy);
        }
        client.send(request).await.unwrap();
        assert_eq!(backend.counts().begun - before, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_retry_holds_no_place() {
    let backend = MemoryBackend::answering(|request| match (request.uri.path(), request.number) {
        ("/failing", 0) => Answer::status(503),
        _ => Answer::ok().after(Duration::from_millis(1)),
    });
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .concurrency(1)
        .build()
        .unwrap();
    let failing = client.get("http://h.example/failing");
    let others = async {
        tokio::time::sleep(Duration::from_micros(1)).await;
        let began = Instant::now();
        join_all((0..5).map(|_| client.get(URL))).await;
        began.elapsed()
    };
    let (failed, others) = tokio::join!(failing, others);
    let backoff = failed.unwrap().earlier_attempts()[0].backoff.unwrap();
    // At most the retry itself came in between.
    assert!(
        others <= Duration::from_millis(8),
        "{others:?}, {backoff:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_backoff_and_the_pause_of_the_host_run_at_the_same_time() {
    let backend = MemoryBackend::answering(|request| match request.number {
        0..10 => Answer::status(503).header("retry-after", "4"),
        _ => Answer::ok(),
    });
    let (base, cap) = (Duration::from_secs(4), Duration::from_secs(4));
    let client = client(&backend, RetryPolicy::default().base(base).cap(cap));
    let urls = (0..10).map(|host| format!("http://{host}.example/"));
    let began = Instant::now();
    let batch = client.request(urls).await;
    assert_eq!(batch.successes().count(), 10);
    // A pause is a little longer than asked for, so that not all come at once; one after the other the
    // two would take up to eight seconds.
    let elapsed = began.elapsed();
    assert!(elapsed >= Duration::from_secs(4), "{elapsed:?}");
    assert!(elapsed <= Duration::from_millis(4_500), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_storm_is_held_off_by_the_budget() {
    const REQUESTS: u64 = 10_000;
    let backend = MemoryBackend::always(Answer::status(503));
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .concurrency(1_000)
        .build()
        .unwrap();
    let batch = client.request((0..REQUESTS).map(|_| URL)).await;
    assert_eq!(batch.len() as u64, REQUESTS);
    let begun = backend.counts().begun;
    assert!(begun <= REQUESTS * 12 / 10 + 100, "{begun}");
    assert!(
        begun >= REQUESTS * 11 / 10,
        "{begun}: it allows what it should"
    );
}

#[tokio::test(start_paused = true)]
async fn a_budget_can_be_shared_and_what_it_refuses_has_its_reply() {
    let budget = RetryBudget::percent(0.0).reserve(4);
    let backend = MemoryBackend::always(Answer::status(503));
    let of_both = [(); 2].map(|()| {
        ParallelRequests::builder()
            .backend(Arc::new(backend.clone()))
            .retry_budget(budget.clone())
            .build()
            .unwrap()
    });
    for (client, earlier) in of_both.iter().zip([3, 1]) {
        let response = client.get(URL).await.unwrap();
        assert_eq!(response.status_code(), 503);
        assert_eq!(response.earlier_attempts().len(), earlier);
    }
    assert_eq!(budget.left(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_does_not_retry() {
    let backend = MemoryBackend::always(Answer::ok());
    let client = client(&backend, RetryPolicy::default());
    client.close().await;
    let began = Instant::now();
    let error = client.get(URL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.earlier_attempts().is_empty());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_request_in_its_backoff_ends_it() {
    let backend = MemoryBackend::always(Answer::status(503));
    let policy = RetryPolicy::default()
        .base(Duration::from_secs(3_600))
        .cap(Duration::MAX);
    let client = client(&backend, policy);
    let limit = Duration::from_millis(1);
    tokio::time::timeout(limit, client.get(URL))
        .await
        .unwrap_err();
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    assert_eq!(backend.counts().begun, 1);
}

#[test]
fn what_cannot_work_is_refused() {
    let second = Duration::from_secs(1);
    let builder = ParallelRequests::builder;
    for (builder, message) in [
        (
            builder().retry(RetryPolicy::default().base(2 * second).cap(second)),
            "retry cannot be 2s up to 1s",
        ),
        (
            builder().retry_budget(RetryBudget::percent(-1.0)),
            "retry_budget cannot be -1",
        ),
    ] {
        let backend = Arc::new(MemoryBackend::always(Answer::ok()));
        let error = builder.backend(backend).build().unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}
