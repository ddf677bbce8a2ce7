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
async fn it_is_tried_once_more_and_no_more() {
    let backend = Scripted::at_once(|_, _| Err(stale(Delivery::NotSent)));
    assert_eq!(
        backend
            .request("http://h.example/")
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Closed
    );
    assert_eq!(backend.seen().len(), 2);
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
