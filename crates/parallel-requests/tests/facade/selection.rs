//! Which backend a client gets, why, and what is said when there is none.

use std::{sync::Arc, time::Duration};

use parallel_requests::{ParallelRequests, Warning, available_backends};
use pr_testkit::{Answer, MemoryBackend};

/// The backends that this test is compiled with, in detection order.
fn compiled_in() -> Vec<&'static str> {
    [
        cfg!(feature = "h2").then_some("h2"),
        cfg!(feature = "hyper").then_some("hyper"),
        cfg!(feature = "blocking").then_some("blocking"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn refusal(name: &str) -> String {
    ParallelRequests::builder()
        .backend(name)
        .build()
        .unwrap_err()
        .to_string()
}

#[test]
fn the_registry_is_in_detection_order() {
    assert_eq!(available_backends().collect::<Vec<_>>(), compiled_in());
}

#[test]
fn the_automatic_choice_is_the_first_and_says_why() {
    let choice = ParallelRequests::builder().backend("auto").build();
    match compiled_in().first() {
        Some(first) => {
            let client = choice.unwrap();
            assert_eq!(client.selection().backend(), *first);
            assert_eq!(client.backend().name(), *first);
            assert_eq!(
                client.selection().reason(),
                format!(
                    "the first in detection order (h2, hyper, blocking) of those compiled in ({})",
                    compiled_in().join(", ")
                )
            );
        }
        None => assert_eq!(
            choice.unwrap_err().to_string(),
            "no suitable backend found, because none is compiled in: enable a feature of \
             parallel-requests, `h2` (HTTP/2, the recommended default), `hyper` (HTTP/1.1, async), \
             `blocking` (HTTP/1.1 on threads); `all` brings all three"
        ),
    }
}

#[test]
fn a_name_means_that_backend_or_an_error_that_names_what_is_there() {
    let there = if compiled_in().is_empty() {
        "none".to_owned()
    } else {
        compiled_in().join(", ")
    };
    for name in ["h2", "hyper", "blocking"] {
        if compiled_in().contains(&name) {
            let client = ParallelRequests::builder().backend(name).build().unwrap();
            assert_eq!(
                client.selection().to_string(),
                format!("{name}: named by the caller")
            );
        } else {
            assert_eq!(
                refusal(name),
                format!(
                    "the backend \"{name}\" is not compiled in; compiled in: {there}. \
                     Enable the feature `{name}` of parallel-requests"
                )
            );
        }
    }
    assert_eq!(
        refusal("niquests"),
        format!(
            "there is no backend named \"niquests\"; compiled in: {there}. \
             One of your own is given by value, as an Arc<dyn Backend>"
        )
    );
}

#[tokio::test]
async fn a_backend_can_be_given_by_value() {
    let backend = Arc::new(MemoryBackend::always(Answer::ok()).named("homemade"));
    let client = ParallelRequests::builder()
        .backend(backend)
        .build()
        .unwrap();
    assert_eq!(
        client.selection().to_string(),
        "homemade: given by the caller"
    );
    assert_eq!(
        client.get("http://h.example/").await.unwrap().backend(),
        "homemade"
    );
}

#[test]
fn http2_from_a_backend_without_it_is_a_warning_that_can_be_read() {
    let build = |http2| {
        let backend = Arc::new(MemoryBackend::always(Answer::ok()));
        ParallelRequests::builder()
            .backend(backend)
            .http2(http2)
            .build()
            .unwrap()
            .warnings()
    };
    assert_eq!(
        build(true),
        [Warning::Http2Unsupported { backend: "memory" }]
    );
    assert_eq!(build(false), []);
}

#[test]
fn settings_that_cannot_work_are_refused_with_advice() {
    let build = |concurrency| {
        let backend = Arc::new(MemoryBackend::always(Answer::ok()));
        ParallelRequests::builder()
            .backend(backend)
            .concurrency(concurrency)
    };
    for wrong in [0, 1_000_001, usize::MAX] {
        let error = build(wrong).build().unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "concurrency cannot be {wrong}: it is the number of requests in flight, \
                 from 1 to 1,000,000"
            )
        );
    }
    for builder in [
        build(1).header("a b", "c"),
        build(1).header("a", "c\n"),
        build(1).user_agent("\n"),
    ] {
        assert!(
            builder
                .build()
                .unwrap_err()
                .to_string()
                .contains("cannot be the given value")
        );
    }
    assert!(build(1_000_000).build().is_ok());

    let error = build(1)
        .timeout(Duration::ZERO)
        .build()
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("timeout cannot be"), "{error}");
    let error = build(1)
        .header("connection", "close")
        .build()
        .unwrap_err()
        .to_string();
    assert!(error.contains("connection is not yours to set"), "{error}");
    let error = build(1)
        .idle_timeout(Duration::from_secs(1))
        .build()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("idle_timeout") && error.contains("own transport settings"),
        "{error}"
    );
}
