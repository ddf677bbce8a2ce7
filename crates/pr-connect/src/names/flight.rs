//! Look-ups that are on their way, and those that wait for them (single-flight).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    channel::oneshot::{self, Receiver, Sender},
    future::Shared,
};
use pr_core::{DnsFailure, ResolveError};

use super::cache::Cache;

/// The answer to a look-up, for all that wait for it.
pub(super) type Outcome = Result<Arc<[IpAddr]>, Arc<ResolveError>>;
/// Where it arrives, unless the look-up is given up.
pub(super) type Answer = Shared<Receiver<Outcome>>;

/// All look-ups of one connector.
pub(super) struct Departures {
    state: Mutex<State>,
}

struct State {
    cache: Cache,
    flights: HashMap<Box<str>, Answer>,
    /// Which flights are still of interest: those of an older era began before everything was
    /// forgotten, and what they bring is not remembered.
    era: u64,
}

/// What somebody who wants a name resolved has to do.
pub(super) enum Turn {
    /// Nothing.
    Known(Arc<[IpAddr]>),
    /// Wait for a look-up that somebody else has begun.
    Follow(Answer),
    /// Look the name up.
    Lead(Flight, Answer),
}

impl Departures {
    pub(super) fn new(ttl: Duration, capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                cache: Cache::new(ttl, capacity),
                flights: HashMap::new(),
                era: 0,
            }),
        })
    }

    pub(super) fn join(self: &Arc<Self>, host: &str) -> Turn {
        let mut state = self.lock();
        if let Some(addresses) = state.cache.get(host) {
            return Turn::Known(addresses);
        }
        if let Some(answer) = state.flights.get(host) {
            return Turn::Follow(answer.clone());
        }
        let (sender, receiver) = oneshot::channel();
        let answer = receiver.shared();
        state.flights.insert(host.into(), answer.clone());
        let flight = Flight {
            departures: Arc::clone(self),
            host: host.into(),
            era: state.era,
            sender: Some(sender),
        };
        Turn::Lead(flight, answer)
    }

    pub(super) fn forget(&self) {
        let mut state = self.lock();
        state.cache.clear();
        state.flights.clear();
        state.era += 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look-up that has begun. Dropped before it lands, it has been given up.
pub(super) struct Flight {
    departures: Arc<Departures>,
    host: Box<str>,
    era: u64,
    sender: Option<Sender<Outcome>>,
}

impl Flight {
    /// Tells the answer to all that wait for it, and remembers it.
    pub(super) fn land(mut self, found: Result<Vec<IpAddr>, ResolveError>) -> Outcome {
        let outcome = match found {
            Ok(addresses) if addresses.is_empty() => {
                Err(Arc::new(ResolveError::new(DnsFailure::NotFound)))
            }
            Ok(addresses) => Ok(addresses.into()),
            Err(error) => Err(Arc::new(error)),
        };
        self.end(outcome.as_ref().ok());
        if let Some(sender) = self.sender.take() {
            // An error says that nobody waits any more.
            let _ = sender.send(outcome.clone());
        }
        outcome
    }

    fn end(&self, addresses: Option<&Arc<[IpAddr]>>) {
        let mut state = self.departures.lock();
        if state.era != self.era {
            return;
        }
        state.flights.remove(&self.host);
        if let Some(addresses) = addresses {
            state.cache.put(&self.host, addresses);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.sender.is_some() {
            // Before the sender goes, so that those whom this wakes find no flight to wait for.
            self.end(None);
        }
    }
}
