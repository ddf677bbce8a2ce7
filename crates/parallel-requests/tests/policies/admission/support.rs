//! A backend that watches who is in flight where, and since when.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use parallel_requests::{ClientBuilder, ParallelRequests, RetryPolicy};
use pr_core::{ExchangeResponse, IncomingBody};
use pr_testkit::MemoryBackend;
use tokio::time::{Instant, sleep};

/// What the backend has seen.
#[derive(Clone, Debug)]
pub(super) struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    start: Instant,
    /// The path and query of each exchange by the order in which they began, with the host, and when.
    began: Vec<(String, String, Duration)>,
    in_flight: HashMap<String, usize>,
    most: HashMap<String, usize>,
}

impl Watch {
    /// A backend that answers `/<milliseconds>` after so long, and `/<milliseconds>/<status>/<seconds>`
    /// with that status and a `retry-after`.
    pub(super) fn backend() -> (MemoryBackend, Self) {
        let watch = Self(Arc::new(Mutex::new(Seen {
            start: Instant::now(),
            began: Vec::new(),
            in_flight: HashMap::new(),
            most: HashMap::new(),
        })));
        let seen = watch.clone();
        let backend = MemoryBackend::handling(move |request| {
            let host = request.uri.host().unwrap().to_owned();
            let path = request.uri.path_and_query().unwrap().to_string();
            let flight = seen.begin(host, path.clone());
            async move {
                let path = path.split('?').next().unwrap_or_default();
                let mut parts = path.split('/').skip(1).map(str::parse::<u16>);
                let mut part = || parts.next().and_then(Result::ok);
                sleep(Duration::from_millis(part().unwrap_or(0).into())).await;
                let mut response = ExchangeResponse::new(http::StatusCode::OK);
                if let (Some(status), Some(pause)) = (part(), part()) {
                    response.status = http::StatusCode::from_u16(status).unwrap();
                    response.headers.insert("retry-after", pause.into());
                }
                response.body = IncomingBody::empty();
                drop(flight);
                Ok(response)
            }
        });
        (backend, watch)
    }

    fn begin(&self, host: String, path: String) -> Flight {
        let mut seen = self.seen();
        let since = seen.start.elapsed();
        seen.began.push((host.clone(), path, since));
        let in_flight = seen.in_flight.entry(host.clone()).or_default();
        *in_flight += 1;
        let in_flight = *in_flight;
        let most = seen.most.entry(host.clone()).or_default();
        *most = in_flight.max(*most);
        Flight {
            watch: self.clone(),
            host,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }

    /// The most that were in flight to this host at a time.
    pub(super) fn most(&self, host: &str) -> usize {
        self.seen().most.get(host).copied().unwrap_or(0)
    }

    /// When the exchanges with this host began, from the beginning of the test on.
    pub(super) fn began(&self, host: &str) -> Vec<Duration> {
        let seen = self.seen();
        let began = seen.began.iter().filter(|(h, ..)| h == host);
        began.map(|(_, _, when)| *when).collect()
    }

    /// The hosts in the order in which they were asked.
    pub(super) fn hosts(&self) -> Vec<String> {
        let seen = self.seen();
        seen.began.iter().map(|(host, ..)| host.clone()).collect()
    }

    /// What this host was asked for, in order.
    pub(super) fn paths(&self, host: &str) -> Vec<String> {
        let seen = self.seen();
        let began = seen.began.iter().filter(|(h, ..)| h == host);
        began.map(|(_, path, _)| path.clone()).collect()
    }
}

/// One exchange, until it ends or is dropped.
struct Flight {
    watch: Watch,
    host: String,
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(in_flight) = self.watch.seen().in_flight.get_mut(&self.host) {
            *in_flight -= 1;
        }
    }
}

/// A client without retries over such a backend.
pub(super) fn client(
    settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> (ParallelRequests, MemoryBackend, Watch) {
    let (backend, watch) = Watch::backend();
    let builder = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .retry(RetryPolicy::never());
    (settings(builder).build().unwrap(), backend, watch)
}

/// Within half a second of each other.
pub(super) fn is_about(time: Duration, expected: Duration) -> bool {
    time.abs_diff(expected) < Duration::from_millis(500)
}
