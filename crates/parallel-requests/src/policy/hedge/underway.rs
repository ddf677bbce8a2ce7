//! When a request's patience begins: not while its backend lets it wait for a place among the
//! connections, where a copy would only wait behind it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::Context,
};

use futures::task::AtomicWaker;
use pr_core::{ConnectionInfo, DialTimings, ExchangeObserver, RequestConfig, Stage};
use tokio::time::Instant;

/// Notes when the first exchange of a request has left its backend's queue.
pub(super) struct UnderWay {
    state: Mutex<State>,
    waker: AtomicWaker,
    /// The request's own observer, whose place this one takes.
    own: Option<Arc<dyn ExchangeObserver>>,
}

#[derive(Default)]
struct State {
    /// Since when it is out of the queue.
    since: Option<Instant>,
    /// Whether it has been sent, after which a queue is that of a redirect.
    is_sent: bool,
}

impl State {
    /// Takes in the stage, and says whether it has left the queue with this. It may have to go back:
    /// a backend may begin to connect and then find that there are connections enough.
    fn take(&mut self, stage: Stage) -> bool {
        if self.is_sent {
            return false;
        }
        if stage == Stage::Queued {
            self.since = None;
            return false;
        }
        self.is_sent = stage >= Stage::Sending;
        let has_left = self.since.is_none();
        self.since.get_or_insert_with(Instant::now);
        has_left
    }
}

impl UnderWay {
    /// The request, watched.
    pub(super) fn watch(request: RequestConfig) -> (RequestConfig, Arc<Self>) {
        let this = Arc::new(Self {
            state: Mutex::default(),
            waker: AtomicWaker::new(),
            own: request.exchange_observer().cloned(),
        });
        (request.observe_exchange(this.clone()), this)
    }

    /// Since when it is out of the queue; if it is not, this task is woken when it is.
    pub(super) fn since(&self, cx: &Context<'_>) -> Option<Instant> {
        if let Some(since) = self.look() {
            return Some(since);
        }
        self.waker.register(cx.waker());
        // It may have been between the two.
        self.look()
    }

    fn look(&self) -> Option<Instant> {
        let state = self.state.lock();
        state.unwrap_or_else(PoisonError::into_inner).since
    }
}

impl ExchangeObserver for UnderWay {
    fn reached(&self, stage: Stage) {
        let has_left = {
            let mut known = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            known.take(stage)
        };
        if has_left {
            self.waker.wake();
        }
        if let Some(own) = &self.own {
            own.reached(stage);
        }
    }

    fn dialed(&self, timings: &DialTimings) {
        if let Some(own) = &self.own {
            own.dialed(timings);
        }
    }

    fn connected(&self, connection: ConnectionInfo) {
        if let Some(own) = &self.own {
            own.connected(connection);
        }
    }
}
