//! How long an attempt that is dropped had been waiting for a connection through its proxy.

use std::sync::{Arc, Mutex, PoisonError};

use pr_core::{ConnectionInfo, DialTimings, ExchangeObserver, RequestConfig, Stage};
use tokio::time::Instant;

use crate::policy::observer::Displaced;

/// Watches an attempt's first exchange; later ones may lead elsewhere.
pub(super) struct Dialing {
    state: Mutex<State>,
    own: Displaced,
}

#[derive(Clone, Copy)]
enum State {
    New,
    Queued,
    Since(Instant),
    Over,
}

impl Dialing {
    /// Watches this request.
    pub(super) fn watch(request: RequestConfig) -> (RequestConfig, Arc<Self>) {
        let watch = Arc::new(Self {
            state: Mutex::new(State::New),
            own: Displaced::of(request.exchange_observer().cloned()),
        });
        (request.observe_exchange(watch.clone()), watch)
    }

    /// Since when it has been waiting, if it still is.
    pub(super) fn since(&self) -> Option<Instant> {
        match *self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Since(since) => Some(since),
            _ => None,
        }
    }
}

impl ExchangeObserver for Dialing {
    fn reached(&self, stage: Stage) {
        {
            let mut progress = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            *progress = match (*progress, stage) {
                (State::New, Stage::Queued) => State::Queued,
                (State::New | State::Queued, Stage::Connecting) => State::Since(Instant::now()),
                (State::Since(since), Stage::Connecting) => State::Since(since),
                _ => State::Over,
            };
        }
        self.own.tell(|own| own.reached(stage));
    }

    fn dialed(&self, timings: &DialTimings) {
        self.own.tell(|own| own.dialed(timings));
    }

    fn connected(&self, connection: ConnectionInfo) {
        self.own.tell(|own| own.connected(connection));
    }
}
