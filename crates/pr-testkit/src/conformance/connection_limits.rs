//! No more connections are open than may be, and whoever waits for one gets it, or leaves no trace.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::Response;
use pr_core::{
    Backend, BackendExt, Capability, ErrorKind, RequestConfig, TimeoutPhase, TransportConfig,
};
use tokio::task::JoinHandle;

use super::subject::{PATIENCE, Subject, error_of};
use crate::{Counts, Server, ServerBuilder};

/// Shorter than any test may take, and longer than a request does that waits for nobody.
const LIMIT: Duration = Duration::from_millis(700);
/// How many names lead to the one server: each is an origin.
const ORIGINS: usize = 20;

/// One server under many names, so that one ledger sees all connections.
struct Town {
    label: &'static str,
    server: Server,
    backend: Arc<dyn Backend>,
}

impl Town {
    /// One for each version of HTTP that the backend speaks without TLS.
    fn all(
        subject: &Subject,
        serve: impl Fn(ServerBuilder) -> ServerBuilder,
        change: impl Fn(TransportConfig) -> TransportConfig,
    ) -> Vec<Self> {
        let mut towns = vec![Self::new(
            subject,
            "HTTP/1.1",
            serve(Server::builder()),
            &change,
        )];
        if subject.can(Capability::Http2PriorKnowledge) {
            let server = serve(Server::builder().http2_only());
            towns.push(Self::new(subject, "HTTP/2", server, |config| {
                change(config.http2_prior_knowledge(true))
            }));
        }
        towns
    }

    /// One whose connections carry one request at a time.
    fn http1(
        subject: &Subject,
        serve: impl Fn(ServerBuilder) -> ServerBuilder,
        change: impl Fn(TransportConfig) -> TransportConfig,
    ) -> Self {
        Self::new(subject, "HTTP/1.1", serve(Server::builder()), change)
    }

    fn new(
        subject: &Subject,
        label: &'static str,
        server: ServerBuilder,
        change: impl Fn(TransportConfig) -> TransportConfig,
    ) -> Self {
        let server = server.start();
        let addr = server.addr();
        let backend = subject.backend_with(|config| {
            let names = (0..ORIGINS).map(name);
            change(names.fold(config, |config, name| config.resolve(name, [addr])))
        });
        Self {
            label,
            server,
            backend,
        }
    }

    fn url(&self, origin: usize, path: &str) -> String {
        self.server.url_with_host(&name(origin), path)
    }

    async fn answer(&self, origin: usize, path: &str) -> pr_core::NormalizedResponse {
        let outcome = self.backend.request(self.url(origin, path)).await;
        outcome.unwrap_or_else(|error| panic!("{}: {}", self.label, error.chain()))
    }

    /// A request that is never answered.
    fn hang(&self, origin: usize) -> JoinHandle<()> {
        let (backend, url) = (self.backend.clone(), self.url(origin, "/hang"));
        tokio::spawn(async move { drop(backend.request(url).await) })
    }

    async fn seen(&self, what: &str, condition: impl FnMut(&Counts) -> bool) {
        let seen = self.server.ledger().wait_until(condition, PATIENCE).await;
        assert!(seen.is_ok(), "{}: {what}: {seen:?}", self.label);
    }

    /// That a request to this origin does not get beyond the queue.
    async fn assert_queued(&self, origin: usize) {
        let request = RequestConfig::get(self.url(origin, "/get")).timeout(LIMIT);
        let error = error_of(self.label, self.backend.request(request).await);
        assert_eq!(error.kind(), ErrorKind::Timeout, "{}", error.chain());
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Queue), "{error}");
        assert!(!error.may_have_been_processed(), "{error:?}");
    }
}

fn name(origin: usize) -> String {
    format!("h{origin}.example")
}

/// How many requests are being answered at a time, which for HTTP/1.1 is how many connections are
/// in use.
#[derive(Clone, Default)]
struct Gauge {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Gauge {
    fn serve(&self, server: ServerBuilder) -> ServerBuilder {
        let gauge = self.clone();
        server.handle("/gauge", move |_| {
            let gauge = gauge.clone();
            async move {
                let now = gauge.now.fetch_add(1, Ordering::SeqCst) + 1;
                gauge.most.fetch_max(now, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                gauge.now.fetch_sub(1, Ordering::SeqCst);
                Response::new(Bytes::from_static(b"done"))
            }
        })
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

pub(super) async fn connections_are_no_more_than_allowed(subject: Subject) {
    let gauge = Gauge::default();
    let towns = Town::all(
        &subject,
        |server| gauge.serve(server),
        |config| config.max_connections(4),
    );
    for town in towns {
        for round in 0..2 {
            let requests = (0..50).map(|index| town.answer(index % ORIGINS, "/gauge"));
            for response in join_all(requests).await {
                assert_eq!(response.status_code(), 200, "{} {round}", town.label);
            }
            let within = |seen: &Counts| seen.connections_open <= 4;
            town.seen("no more than 4 stay open", within).await;
        }
        if town.label == "HTTP/1.1" {
            assert!((2..=4).contains(&gauge.most()), "{}", gauge.most());
        }
    }
}

pub(super) async fn idle_connections_make_room_for_others(subject: Subject) {
    for town in Town::all(&subject, |it| it, |config| config.max_connections(3)) {
        for round in 1..=2 {
            for origin in 0..6 {
                assert_eq!(town.answer(origin, "/get").await.status_code(), 200);
            }
            let within = |seen: &Counts| seen.connections_open <= 3;
            town.seen("no more than 3 stay open", within).await;
            let accepted = town.server.ledger().counts().connections_accepted;
            assert_eq!(accepted, 6 * round, "{}", town.label);
        }
        // The last ones are those that are still there.
        for origin in 3..6 {
            let response = town.answer(origin, "/get").await;
            assert!(response.connection().reused, "{} {origin}", town.label);
        }
    }
}

pub(super) async fn a_connection_goes_to_whoever_waits_for_its_origin(subject: Subject) {
    for town in Town::all(&subject, |it| it, |config| config.max_connections(1)) {
        let requests = (0..20).map(|_| town.answer(0, "/get"));
        let mut ids: Vec<_> = join_all(requests).await;
        ids.dedup_by_key(|response| response.connection().id);
        assert_eq!(ids.len(), 1, "{}", town.label);
        let accepted = town.server.ledger().counts().connections_accepted;
        assert_eq!(accepted, 1, "{}", town.label);
    }
}

pub(super) async fn nobody_is_passed_over_for_ever(subject: Subject) {
    for town in Town::all(&subject, |it| it, |config| config.max_connections(1)) {
        // Somebody else keeps the only connection busy, always with more than one request.
        let busy: Vec<_> = (0..4)
            .map(|_| {
                let (backend, url) = (town.backend.clone(), town.url(0, "/delay/0.005"));
                tokio::spawn(async move {
                    while backend.request(&*url).await.is_ok() {}
                    panic!("a request of those that keep it busy failed");
                })
            })
            .collect();
        town.seen("it is busy", |seen| seen.requests_answered > 8)
            .await;
        for origin in 1..4 {
            let answer = tokio::time::timeout(PATIENCE, town.answer(origin, "/get")).await;
            assert!(answer.is_ok(), "{}: {origin} waits for ever", town.label);
        }
        for task in busy {
            assert!(!task.is_finished(), "{}", town.label);
            task.abort();
        }
    }
}

pub(super) async fn connections_to_one_origin_have_a_limit_of_their_own(subject: Subject) {
    let gauge = Gauge::default();
    let town = Town::http1(
        &subject,
        |server| gauge.serve(server),
        |config| config.max_connections_per_origin(2),
    );
    let requests = (0..20).map(|_| town.answer(0, "/gauge"));
    join_all(requests).await;
    assert_eq!(gauge.most(), 2);
    assert_eq!(town.server.ledger().counts().connections_accepted, 2);
    let held = [town.hang(0), town.hang(0)];
    town.seen("both hang", |seen| seen.requests_in_flight() == 2)
        .await;
    town.assert_queued(0).await;
    assert_eq!(town.answer(1, "/get").await.status_code(), 200);
    held.iter().for_each(JoinHandle::abort);
    assert_eq!(town.answer(0, "/get").await.status_code(), 200);
}

pub(super) async fn waiting_for_a_place_is_waiting_in_the_queue(subject: Subject) {
    for town in Town::all(&subject, |it| it, |config| config.max_connections(1)) {
        let held = town.hang(0);
        town.seen("it hangs", |seen| seen.requests_in_flight() == 1)
            .await;
        town.assert_queued(1).await;
        let accepted = town.server.ledger().counts().connections_accepted;
        assert_eq!(accepted, 1, "{}", town.label);
        held.abort();
    }
}

pub(super) async fn whoever_waits_for_a_place_may_leave(subject: Subject) {
    for town in Town::all(&subject, |it| it, |config| config.max_connections(2)) {
        for round in 1..=3 {
            let held: Vec<_> = (0..2).map(|origin| town.hang(origin)).collect();
            // Connections carry several requests in HTTP/2, so each has an origin of its own.
            town.seen("both hang", |seen| seen.requests_in_flight() == 2)
                .await;
            let waiting: Vec<_> = (2..ORIGINS).map(|origin| town.hang(origin)).collect();
            // By then, those who came before are in the line.
            town.assert_queued(2).await;
            waiting.iter().for_each(JoinHandle::abort);
            let outcomes = join_all(waiting).await;
            assert!(outcomes.iter().all(Result::is_err), "{}", town.label);
            held.iter().for_each(JoinHandle::abort);
            // With a place too few, the next two could not hang both.
            town.seen("both are gone", |seen| seen.requests_in_flight() == 0)
                .await;
            let begun = town.server.ledger().counts().requests_begun;
            assert_eq!(begun, 2 * round, "{}", town.label);
        }
    }
}
