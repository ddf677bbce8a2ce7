//! Look-ups that are on their way, and those that wait for them (single-flight).

use std::{
    collections::HashMap,
    net::IpAddr,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{
    FutureExt,
    channel::oneshot::{self, Receiver, Sender},
    future::Shared,
};
use pr_core::{DnsFailure, ResolveError};
use tokio::time::timeout;

use super::cache::Cache;

/// The answer to a look-up, for all that wait for it.
pub(super) type Outcome = Result<Arc<[IpAddr]>, Arc<ResolveError>>;

/// How often whoever looks a name up shows that it is still being polled.
const BEAT: Duration = Duration::from_millis(50);
/// How often those that wait look for that, and after how many looks in vain they stop to believe
/// in it. More than one, because when the whole process has stood still, the first says nothing.
const LOOK: Duration = Duration::from_millis(125);
const IN_VAIN: u32 = 2;

/// All look-ups of one connector.
pub(super) struct Departures {
    state: Mutex<State>,
}

struct State {
    cache: Cache,
    /// Those that are still of interest. What any other one brings is not remembered: everything
    /// has been forgotten since it began, or somebody else has begun anew.
    flights: HashMap<Box<str>, Answer>,
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
            }),
        })
    }

    /// Asks for a name, `instead` of waiting on for a look-up that stands still.
    pub(super) fn join(self: &Arc<Self>, host: &str, instead: Option<&Answer>) -> Turn {
        let mut state = self.lock();
        if let Some(addresses) = state.cache.get(host) {
            return Turn::Known(addresses);
        }
        if let Some(answer) = state.flights.get(host)
            && instead.is_none_or(|stalled| !stalled.is_of(&answer.pulse))
        {
            return Turn::Follow(answer.clone());
        }
        let (sender, receiver) = oneshot::channel();
        let pulse = Arc::default();
        let answer = Answer {
            receiver: receiver.shared(),
            pulse: Arc::clone(&pulse),
        };
        state.flights.insert(host.into(), answer.clone());
        let flight = Flight {
            departures: Arc::clone(self),
            host: host.into(),
            sender: Some(sender),
            pulse,
        };
        Turn::Lead(flight, answer)
    }

    /// Remembers these addresses of a name no more; what has been found since stays.
    pub(super) fn disown(&self, host: &str, addresses: &Arc<[IpAddr]>) {
        self.lock().cache.remove(host, addresses);
    }

    pub(super) fn forget(&self) {
        let mut state = self.lock();
        state.cache.clear();
        state.flights.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the answer to a look-up arrives, unless it is given up.
#[derive(Clone)]
pub(super) struct Answer {
    receiver: Shared<Receiver<Outcome>>,
    pulse: Arc<Pulse>,
}

/// Rises while somebody polls the look-up. It also tells one look-up from another.
type Pulse = AtomicU64;

/// How waiting for somebody else's look-up ended.
pub(super) enum Followed {
    Answered(Outcome),
    /// Whoever was asking does not any more.
    GivenUp,
    /// Whoever is asking has not been polled for a while, and may never be again.
    StandsStill,
}

impl Answer {
    /// Waits for a look-up that goes on by itself, whoever is polled.
    pub(super) async fn wait(self) -> Followed {
        let answer = self.receiver.await;
        answer.map_or(Followed::GivenUp, Followed::Answered)
    }

    /// Waits for a look-up that goes on only while the one that leads it is polled.
    pub(super) async fn watch(&mut self) -> Followed {
        let mut seen = self.pulse.load(Ordering::Relaxed);
        let mut in_vain = 0;
        while in_vain < IN_VAIN {
            if let Ok(answer) = timeout(LOOK, &mut self.receiver).await {
                return answer.map_or(Followed::GivenUp, Followed::Answered);
            }
            let now = self.pulse.load(Ordering::Relaxed);
            in_vain = if now == seen { in_vain + 1 } else { 0 };
            seen = now;
        }
        Followed::StandsStill
    }

    fn is_of(&self, pulse: &Arc<Pulse>) -> bool {
        Arc::ptr_eq(&self.pulse, pulse)
    }
}

/// A look-up that has begun. Dropped before it lands, it has been given up.
pub(super) struct Flight {
    departures: Arc<Departures>,
    host: Box<str>,
    sender: Option<Sender<Outcome>>,
    pulse: Arc<Pulse>,
}

impl Flight {
    /// Shows those that wait that it goes on, while it does.
    pub(super) async fn lead<T>(&self, asking: impl Future<Output = T>) -> T {
        let mut asking = pin!(asking);
        loop {
            if let Ok(found) = timeout(BEAT, &mut asking).await {
                return found;
            }
            self.pulse.fetch_add(1, Ordering::Relaxed);
        }
    }

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
        let current = state.flights.get(&self.host);
        if !current.is_some_and(|answer| answer.is_of(&self.pulse)) {
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
