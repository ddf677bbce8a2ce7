//! Exchanges seen from outside while they happen, and the connection of those that fail.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::StatusCode;
use pr_core::{
    BackendError, BackendExt, ConnectionInfo, DialTimings, ErrorKind, ExchangeObserver,
    ExchangeResponse, Progress, RequestConfig, Stage,
};

use crate::support::{Scripted, ok, redirect};

const URL: &str = "http://h.example/";

/// Writes down what it is told.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn told(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl ExchangeObserver for Log {
    fn reached(&self, stage: Stage) {
        self.add(format!("{stage:?}"));
    }

    fn dialed(&self, timings: &DialTimings) {
        self.add(format!("dialed {:?}", timings.total()));
    }

    fn connected(&self, connection: ConnectionInfo) {
        self.add(format!("on {}", connection.id));
    }
}

fn watched() -> (Arc<Log>, RequestConfig) {
    let log = Arc::new(Log::default());
    let request = RequestConfig::get(URL).observe_exchange(log.clone());
    (log, request)
}

fn on(id: u64) -> ConnectionInfo {
    ConnectionInfo::new(id, id > 1, None)
}

#[tokio::test]
async fn every_exchange_of_a_request_is_seen() {
    let backend = Scripted::new(|number, _, progress| {
        if number == 0 {
            let mut timings = DialTimings::default();
            timings.tcp = Some(Duration::from_secs(5));
            progress.reach(Stage::Connecting);
            progress.dialed(timings);
            progress.connected(on(1));
            progress.reach(Stage::Sending);
            progress.reach(Stage::AwaitingHead);
            return Box::pin(async { Ok(redirect(302, "/again")) });
        }
        // One that says nothing before the head is there.
        let mut response = ok();
        response.connection = on(2);
        Box::pin(async { Ok(response) })
    });
    let (log, request) = watched();
    backend.request(request).await.unwrap();
    let told = [
        "Queued",
        "Connecting",
        "dialed 5s",
        "on 1",
        "Sending",
        "AwaitingHead",
        "ReadingBody",
        "Queued",
        "on 2",
        "ReadingBody",
    ];
    assert_eq!(log.told(), told);
}

/// What a backend does with an exchange, and how it ends it, if it does.
type Play = fn(&Progress) -> Option<ErrorKind>;

#[tokio::test(start_paused = true)]
async fn an_error_names_the_connection_that_the_exchange_was_on() {
    let second = Duration::from_secs(1);
    let cases: [(&str, Play, Option<u64>); 5] = [
        ("none yet", |_| Some(ErrorKind::Connect), None),
        (
            "failed",
            |progress| {
                progress.connected(on(1));
                progress.reach(Stage::Sending);
                Some(ErrorKind::Protocol)
            },
            Some(1),
        ),
        (
            "timed out",
            |progress| {
                progress.connected(on(2));
                progress.reach(Stage::AwaitingHead);
                None
            },
            Some(2),
        ),
        (
            "moved on",
            |progress| {
                progress.connected(on(1));
                progress.reach(Stage::Sending);
                progress.reach(Stage::Connecting);
                progress.connected(on(3));
                Some(ErrorKind::Protocol)
            },
            Some(3),
        ),
        (
            "moved on to nowhere",
            |progress| {
                progress.connected(on(1));
                progress.reach(Stage::Sending);
                progress.reach(Stage::Connecting);
                Some(ErrorKind::Connect)
            },
            None,
        ),
    ];
    for (what, play, expected) in cases {
        let backend = Scripted::new(move |_, _, progress| match play(&progress) {
            Some(kind) => Box::pin(async move { Err(BackendError::new(kind, "failed")) }),
            None => Box::pin(pending()),
        });
        let request = RequestConfig::get(URL).timeout(second);
        let error = backend.request(request).await.unwrap_err();
        let connection = error.connection();
        assert_eq!(connection.map(|on| on.id), expected, "{what}: {error:?}");
        let reused = connection.is_some_and(|on| on.reused);
        assert_eq!(error.was_on_reused_connection(), reused, "{what}");
    }
}

#[tokio::test]
async fn an_error_of_the_body_names_the_connection_too() {
    let backend = Scripted::at_once(|_, _| {
        let mut response = ExchangeResponse::new(StatusCode::OK).with_body("too much");
        response.connection = on(4);
        Ok(response)
    });
    let get = || RequestConfig::get(URL).max_body_size(3);
    let whole = backend.request(get()).await.unwrap_err();
    let streamed = backend.stream(get()).await.unwrap().into_whole().await;
    for error in [whole, streamed.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert_eq!(error.connection(), Some(on(4)));
    }
}

#[tokio::test]
async fn what_was_sent_again_names_the_last_connection() {
    let backend = Scripted::new(|number, _, progress| {
        progress.connected(on(number as u64 + 1));
        let error = BackendError::new(ErrorKind::Closed, "stale").on_reused_connection(number == 0);
        Box::pin(async { Err(error) })
    });
    let (log, request) = watched();
    let error = backend.request(request).await.unwrap_err();
    assert_eq!(error.connection().unwrap().id, 2);
    assert_eq!(log.told(), ["Queued", "on 1", "Queued", "on 2"]);
}

#[tokio::test]
async fn an_observer_that_panics_is_told_no_more_and_does_no_harm() {
    struct Fragile(Log);

    impl ExchangeObserver for Fragile {
        fn reached(&self, stage: Stage) {
            self.0.reached(stage);
            assert_ne!(stage, Stage::Sending, "the observer cannot stand this");
        }
    }

    let backend = Scripted::new(|_, _, progress| {
        progress.reach(Stage::Sending);
        progress.reach(Stage::AwaitingHead);
        Box::pin(async { Ok(ok()) })
    });
    let fragile = Arc::new(Fragile(Log::default()));
    let request = RequestConfig::get(URL).observe_exchange(fragile.clone());
    let response = backend.request(request).await.unwrap();
    assert_eq!(response.text(), "done");
    assert_eq!(fragile.0.told(), ["Queued", "Sending"]);
}
