//! Time: every wait ends, and its error says what was waited for. All on a paused clock.

use std::{future::pending, time::Duration};

use futures::{StreamExt, stream};
use http::StatusCode;
use pr_core::{
    BackendExt, Delivery, ErrorKind, ExchangeResponse, Frame, IncomingBody, RequestConfig, Stage,
    TimeoutPhase,
};

use crate::support::{Scripted, ok, redirect};
use tokio::time::Instant;

const URL: &str = "http://h.example/";

#[tokio::test(start_paused = true)]
async fn the_error_names_what_was_waited_for() {
    for (stage, phase, delivery) in [
        (Stage::Queued, TimeoutPhase::Queue, Delivery::NotSent),
        (Stage::Connecting, TimeoutPhase::Connect, Delivery::NotSent),
        (Stage::Sending, TimeoutPhase::Write, Delivery::Unknown),
        (Stage::AwaitingHead, TimeoutPhase::Head, Delivery::Unknown),
    ] {
        let backend = Scripted::new(move |_, _, progress| {
            progress.reach(stage);
            Box::pin(pending())
        });
        let started = Instant::now();
        let request = RequestConfig::get(URL).timeout(Duration::from_secs(2));
        let error = backend.request(request).await.unwrap_err();
        assert_eq!(started.elapsed().as_secs(), 2);
        assert_eq!(
            (error.kind(), error.timeout_phase()),
            (ErrorKind::Timeout, Some(phase))
        );
        assert_eq!(error.delivery(), delivery);
        assert!(error.to_string().contains("2s"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn redirects_do_not_renew_the_time() {
    let backend = Scripted::new(|_, _, _| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(redirect(302, "/again"))
        })
    });
    let started = Instant::now();
    let request = RequestConfig::get(URL).timeout(Duration::from_secs(1));
    assert!(backend.request(request).await.unwrap_err().is_timeout());
    assert_eq!(started.elapsed(), Duration::from_secs(1));
}

/// A body whose pieces take a second each, and which stalls after `pieces`.
fn slow_body(pieces: usize) -> ExchangeResponse {
    let frames = stream::iter(0..pieces)
        .then(|_| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(Frame::Data("piece".into()))
        })
        .chain(stream::pending());
    let mut response = ExchangeResponse::new(StatusCode::OK);
    response.body = IncomingBody::streaming(frames, None);
    response
}

#[tokio::test(start_paused = true)]
async fn a_whole_body_counts_towards_the_limit() {
    let backend = Scripted::at_once(|_, _| Ok(slow_body(100)));
    let started = Instant::now();
    let error = backend.request(URL).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Read));
    assert_eq!(started.elapsed().as_secs(), 30, "the documented default");
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_may_take_long_but_not_stall() {
    let backend = Scripted::at_once(|_, _| Ok(slow_body(100)));
    let mut response = backend.stream(URL).await.unwrap();
    for _ in 0..100 {
        response.next().await.unwrap().unwrap();
        // The consumer's own slowness does not count.
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let started = Instant::now();
    let error = response.next().await.unwrap().unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Read));
    assert_eq!(started.elapsed().as_secs(), 30);
    assert!(
        response.next().await.is_none(),
        "after an error the stream ends"
    );
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_was_set_holds_for_a_streamed_body() {
    let backend = Scripted::at_once(|_, _| Ok(slow_body(100)));
    let request = RequestConfig::get(URL).timeout(Duration::from_millis(2500));
    let pieces: Vec<_> = backend.stream(request).await.unwrap().collect().await;
    assert_eq!(pieces.len(), 3);
    assert!(pieces[1].is_ok());
    assert!(pieces[2].as_ref().unwrap_err().is_timeout());
}

#[tokio::test(start_paused = true)]
async fn the_longest_duration_is_no_limit_and_no_overflow() {
    let backend = Scripted::new(|_, _, _| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(ok())
        })
    });
    let request = RequestConfig::get(URL).timeout(Duration::MAX);
    assert_eq!(backend.request(request).await.unwrap().text(), "done");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_always_ready_ends_when_its_time_is_up() {
    let backend = Scripted::at_once(|_, _| {
        let mut response = ExchangeResponse::new(StatusCode::OK);
        let endless = stream::repeat_with(|| Ok(Frame::Data("piece".into())));
        response.body = IncomingBody::streaming(endless, None);
        Ok(response)
    });
    let request = RequestConfig::get(URL).timeout(Duration::from_secs(2));
    let mut response = backend.stream(request).await.unwrap();
    response.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(response.next().await.unwrap().unwrap_err().is_timeout());
    assert!(response.next().await.is_none());
}
