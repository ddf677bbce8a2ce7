//! What a retry policy did before: kept with whatever came in the end.

use std::time::Duration;

use http::StatusCode;
use pr_core::{
    Attempt, BackendError, BackendExt, ConnectionInfo, Delivery, ErrorKind, ExchangeResponse,
    NormalizedResponse, TimeoutPhase,
};

use crate::support::Scripted;

const URL: &str = "http://h.example/";

async fn response(status: u16, connection: u64) -> NormalizedResponse {
    let backend = Scripted::at_once(move |_, _| {
        let status = StatusCode::from_u16(status).unwrap();
        let mut response = ExchangeResponse::new(status).with_body("no JSON");
        response.connection = ConnectionInfo::new(connection, true, None);
        Ok(response)
    });
    backend.request(URL).await.unwrap()
}

fn attempts() -> Vec<Attempt> {
    let error = BackendError::timeout(TimeoutPhase::Connect, "too slow")
        .with_url(&"http://user:hush@h.example/?hush".parse().unwrap());
    let mut attempt = Attempt::of(Duration::from_secs(1), Duration::from_secs(2), &Err(error));
    attempt.backoff = Some(Duration::from_secs(3));
    vec![attempt]
}

#[tokio::test]
async fn an_attempt_says_what_came_of_it() {
    let (started, elapsed) = (Duration::from_secs(1), Duration::from_secs(2));
    let attempt = Attempt::of(started, elapsed, &Ok(response(503, 7).await));
    assert_eq!((attempt.started, attempt.elapsed), (started, elapsed));
    assert_eq!(attempt.result, Ok(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(attempt.connection.unwrap().id, 7);
    assert_eq!(attempt.backoff, None);
    let unknown = Attempt::of(started, elapsed, &Ok(response(200, 0).await));
    assert_eq!(unknown.connection, None);

    let info = ConnectionInfo::new(9, false, None);
    let error = BackendError::timeout(TimeoutPhase::Head, "too slow").on_connection(info);
    let attempt = Attempt::of(started, elapsed, &Err(error));
    let error = attempt.result.unwrap_err();
    assert_eq!(
        (error.kind, error.phase, error.delivery),
        (
            ErrorKind::Timeout,
            Some(TimeoutPhase::Head),
            Delivery::Unknown
        )
    );
    assert_eq!(error.to_string(), "timeout error (head): too slow");
    assert_eq!(attempt.connection, Some(info));
}

#[tokio::test]
async fn earlier_attempts_stay_with_a_response_and_with_the_errors_made_of_it() {
    let response = response(404, 7).await;
    assert!(response.earlier_attempts().is_empty());
    let response = response.with_earlier_attempts(attempts());
    assert_eq!(response.earlier_attempts().len(), 1);
    assert_eq!(response.attempts(), 1);
    assert_eq!(response.clone().earlier_attempts().len(), 1);
    let no_json = response.json::<u8>().unwrap_err();
    let status = response.error_for_status().unwrap_err();
    for error in [no_json.without_source(), no_json, status] {
        let attempt = &error.earlier_attempts()[0];
        assert_eq!(attempt.backoff, Some(Duration::from_secs(3)));
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        assert_eq!(error.connection().unwrap().id, 7, "{error:?}");
    }

    let error = BackendError::new(ErrorKind::Closed, "closed");
    assert!(error.earlier_attempts().is_empty());
    let error = error.with_earlier_attempts(attempts());
    assert_eq!(error.earlier_attempts().len(), 1);
}

#[test]
fn a_refusal_by_a_circuit_breaker_was_not_sent() {
    let error = BackendError::new(ErrorKind::CircuitOpen, "the circuit of h.example is open");
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.to_string().starts_with("circuit-open error: "));
    // Of a batch's time nobody knows that but the batch.
    let error = BackendError::timeout(TimeoutPhase::Batch, "the batch's time is over");
    assert_eq!(error.delivery(), Delivery::Unknown);
    assert!(error.to_string().starts_with("timeout error (batch): "));
}
