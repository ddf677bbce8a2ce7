//! A connection that went stale costs the user nothing where a second sending is safe, and nothing
//! is sent twice where it is not.

use futures::stream;
use http::Method;
use pr_core::{BackendError, BackendExt, Body, Delivery, ErrorKind, RequestConfig};

use crate::support::{Scripted, ok};

fn stale(delivery: Delivery) -> BackendError {
    BackendError::new(ErrorKind::Closed, "the peer closed the connection")
        .with_delivery(delivery)
        .on_reused_connection(true)
}

#[tokio::test]
async fn a_stale_connection_is_replaced_where_that_is_safe() {
    let table = [
        (Method::GET, Delivery::Unknown, 2),
        (Method::PUT, Delivery::Unknown, 2),
        (Method::POST, Delivery::Unknown, 1),
        (Method::PATCH, Delivery::Unknown, 1),
        (Method::POST, Delivery::NotSent, 2),
        (Method::POST, Delivery::NotProcessed, 2),
    ];
    for (method, delivery, exchanges) in table {
        let backend = Scripted::at_once(move |number, _| {
            if number == 0 {
                Err(stale(delivery))
            } else {
                Ok(ok())
            }
        });
        let request = RequestConfig::new(method.clone(), "http://h.example/").data("body");
        let outcome = backend.request(request).await;
        let seen = backend.seen();
        assert_eq!(seen.len(), exchanges, "{method} {delivery:?}");
        assert!(!seen[0].fresh_connection);
        match outcome {
            Ok(response) => {
                assert!(seen[1].fresh_connection);
                assert_eq!(seen[1].body, b"body");
                assert_eq!(seen[0].key, seen[1].key);
                assert_eq!(response.attempts(), 2);
            }
            Err(error) => assert_eq!((exchanges, error.kind()), (1, ErrorKind::Closed)),
        }
    }
}

#[tokio::test]
async fn the_error_of_a_resend_claims_no_less_than_has_happened_before() {
    for (before, after, claimed) in [
        (
            Delivery::NotProcessed,
            Delivery::NotSent,
            Delivery::NotProcessed,
        ),
        (
            Delivery::NotSent,
            Delivery::NotProcessed,
            Delivery::NotProcessed,
        ),
        (Delivery::NotSent, Delivery::NotSent, Delivery::NotSent),
        (Delivery::Unknown, Delivery::NotSent, Delivery::Unknown),
    ] {
        let backend = Scripted::at_once(move |number, _| {
            Err(match number {
                0 => stale(before),
                _ => BackendError::new(ErrorKind::Connect, "nobody listens").with_delivery(after),
            })
        });
        let error = backend.request("http://h.example/").await.unwrap_err();
        assert_eq!(backend.seen().len(), 2);
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert_eq!(error.delivery(), claimed, "{before:?}, then {after:?}");
    }
}

#[tokio::test]
async fn it_is_tried_a_few_times_more_and_no_more() {
    for delivery in [Delivery::NotSent, Delivery::NotProcessed] {
        let backend = Scripted::at_once(move |_, _| Err(stale(delivery)));
        let request = RequestConfig::post("http://h.example/").data("body");
        let error = backend.request(request).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Closed, delivery)
        );
        let seen = backend.seen();
        assert_eq!(seen.len(), 4, "{delivery:?}");
        let fresh: Vec<_> = seen.iter().map(|one| one.fresh_connection).collect();
        assert_eq!(fresh, [false, true, true, true]);
        assert!(seen.iter().all(|one| one.body == b"body"));
    }
}

#[tokio::test]
async fn the_third_resend_may_succeed() {
    let backend = Scripted::at_once(|number, _| match number {
        0..3 => Err(stale(Delivery::NotProcessed)),
        _ => Ok(ok()),
    });
    let response = backend
        .request(RequestConfig::post("http://h.example/"))
        .await
        .unwrap();
    assert_eq!(response.attempts(), 4);
}

#[tokio::test]
async fn what_may_have_been_processed_is_sent_again_only_once() {
    // What comes before, and is certain, does not count; what comes after is no second chance.
    let table: [(&[Delivery], usize); 3] = [
        (&[Delivery::Unknown; 4], 2),
        (
            &[Delivery::NotSent, Delivery::Unknown, Delivery::Unknown],
            3,
        ),
        (
            &[Delivery::Unknown, Delivery::NotProcessed, Delivery::Unknown],
            3,
        ),
    ];
    for (deliveries, exchanges) in table {
        let backend = Scripted::at_once(move |number, _| Err(stale(deliveries[number])));
        let error = backend.request("http://h.example/").await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::Unknown);
        assert_eq!(backend.seen().len(), exchanges, "{deliveries:?}");
    }
}

#[tokio::test]
async fn what_the_peer_did_not_process_is_sent_again_whatever_the_connection() {
    let backend = Scripted::at_once(|number, _| match number {
        0 => Err(
            BackendError::new(ErrorKind::Closed, "above the GOAWAY's last stream")
                .with_delivery(Delivery::NotProcessed),
        ),
        _ => Ok(ok()),
    });
    let response = backend
        .request(RequestConfig::post("http://h.example/"))
        .await
        .unwrap();
    assert_eq!(response.attempts(), 2);
}

#[tokio::test]
async fn a_second_failure_does_not_hide_that_the_first_was_sent() {
    let backend = Scripted::at_once(|number, _| match number {
        0 => Err(stale(Delivery::Unknown)),
        _ => Err(BackendError::new(ErrorKind::Connect, "refused")),
    });
    let request = RequestConfig::delete("http://h.example/");
    let error = backend.request(request).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Connect, Delivery::Unknown)
    );
}

#[tokio::test]
async fn nothing_else_is_sent_again() {
    let fresh = || BackendError::new(ErrorKind::Closed, "closed on the first request");
    let refused = || BackendError::new(ErrorKind::Connect, "refused").on_reused_connection(true);
    for error in [fresh as fn() -> BackendError, refused] {
        let backend = Scripted::at_once(move |_, _| Err(error()));
        backend.request("http://h.example/").await.unwrap_err();
        assert_eq!(backend.seen().len(), 1);
    }
    let backend = Scripted::at_once(|_, _| Err(stale(Delivery::NotSent)));
    let body = Body::one_shot(None, stream::iter([Ok("once".into())]));
    backend
        .request(RequestConfig::put("http://h.example/").data(body))
        .await
        .unwrap_err();
    assert_eq!(backend.seen().len(), 1, "a one-shot body is not replayed");
}
