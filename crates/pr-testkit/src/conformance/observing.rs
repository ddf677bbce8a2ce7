//! What can be seen of an exchange from outside: while it happens, and when it has failed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pr_core::{BackendExt, ConnectionInfo, DialTimings, ExchangeObserver, RequestConfig, Stage};

use super::subject::{Subject, error_of};
use crate::closed_port;

/// Long enough for a request to be sent on a busy machine, where nothing comes back.
const LIMIT: Duration = Duration::from_millis(400);

/// Writes down what it is told.
#[derive(Default)]
struct Log(Mutex<Seen>);

#[derive(Clone, Default)]
struct Seen {
    stages: Vec<Stage>,
    dials: Vec<DialTimings>,
    connections: Vec<ConnectionInfo>,
    /// The stage at which the connection was told.
    told_at: Option<Stage>,
}

impl Log {
    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn seen(&self) -> Seen {
        let seen = self.0.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ExchangeObserver for Log {
    fn reached(&self, stage: Stage) {
        self.change(|seen| seen.stages.push(stage));
    }

    fn dialed(&self, timings: &DialTimings) {
        self.change(|seen| seen.dials.push(*timings));
    }

    fn connected(&self, connection: ConnectionInfo) {
        self.change(|seen| {
            seen.connections.push(connection);
            seen.told_at = seen.stages.last().copied();
        });
    }
}

pub(super) async fn an_observer_sees_stages_dial_and_connection(subject: Subject) {
    for link in subject.links() {
        let label = link.label;
        for is_first in [true, false] {
            let log = Arc::new(Log::default());
            let request = RequestConfig::get(link.url("/get")).observe_exchange(log.clone());
            let response = link.answer(request).await;
            let seen = log.seen();
            assert_eq!(seen.stages.first(), Some(&Stage::Queued), "{label}");
            assert_eq!(seen.stages.last(), Some(&Stage::ReadingBody), "{label}");
            assert!(seen.stages.is_sorted(), "{label}: {:?}", seen.stages);
            assert!(
                seen.stages.contains(&Stage::AwaitingHead),
                "{label}: {:?}",
                seen.stages
            );
            assert_eq!(seen.connections, [response.connection()], "{label}");
            assert!(seen.told_at < Some(Stage::Sending), "{label}");
            assert_eq!(seen.connections[0].reused, !is_first, "{label}");
            assert_eq!(
                seen.connections[0].remote_addr,
                Some(link.server.addr()),
                "{label}"
            );
            assert_eq!(seen.dials.len(), usize::from(is_first), "{label}");
            assert_eq!(
                seen.dials.first().copied(),
                response.timings().dial,
                "{label}"
            );
        }
    }
}

pub(super) async fn an_error_names_the_connection_that_it_was_on(subject: Subject) {
    for link in subject.links() {
        let label = link.label;
        let first = link.answer(link.url("/get")).await.connection();
        let request = RequestConfig::get(link.url("/hang")).timeout(LIMIT);
        let error = error_of(label, link.request(request).await);
        let connection = error.connection();
        assert_eq!(connection.map(|on| on.id), Some(first.id), "{label}");
        assert!(connection.is_some_and(|on| on.reused), "{label}");
        assert!(error.was_on_reused_connection(), "{label}");
    }
    let closed = closed_port().expect("a free port");
    let error = error_of("refused", subject.backend().request(closed.url("/")).await);
    assert_eq!(error.connection(), None);
}
