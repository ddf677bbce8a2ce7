//! How many connections may be open, who has one, and who waits for one.

mod descriptors;
mod line;
#[cfg(test)]
mod tests;
mod waiting;

use std::{
    any::{Any, TypeId},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use pr_core::{ConnectionKey, TransportConfig};
use tokio::runtime::Id;

pub(crate) use self::descriptors::{has_none_left, is_shortage, is_shortage_itself, none_left};
use self::line::{Line, Offered, Wakers};
pub(crate) use self::waiting::Admission;

/// The connections that may be open at a time, and those who wait until one more may be.
///
/// Every connection of a [`Connector`](crate::Connector) has a place here, from before it is dialed
/// until its socket has been closed. When there is no place left, the pools that are
/// [registered](Self::register) are asked to close the connection that has been idle longest, and
/// whoever dials waits, first come, first served. A pool that gets a connection back looks whether
/// a place [is wanted](Self::is_wanted), which costs next to nothing, and if so lets one of those
/// who wait [have the connection](Self::hand_over).
///
/// Clones share everything.
///
/// ```
/// use pr_connect::Connector;
/// use pr_core::TransportConfig;
///
/// let connector = Connector::new(&TransportConfig::default().max_connections(100))?;
/// assert_eq!(connector.budget().max_connections(), 100);
/// assert!(!connector.budget().is_wanted());
/// # Ok::<(), pr_core::BackendError>(())
/// ```
#[derive(Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

/// A pool that has idle connections and can let go of them.
///
/// It is called on whichever thread wants to dial, never under a lock of the budget, and must not
/// wait. With a key, only the connections of that key are meant.
///
/// ```
/// use std::{sync::Mutex, time::Instant};
/// use pr_connect::IdlePool;
/// use pr_core::ConnectionKey;
///
/// struct OneConnection<T>(Mutex<Option<(ConnectionKey, Instant, T)>>);
///
/// impl<T: Send> IdlePool for OneConnection<T> {
///     fn oldest_idle(&self, of: Option<&ConnectionKey>) -> Option<Instant> {
///         let idle = self.0.lock().unwrap();
///         let (_, since, _) = idle.as_ref().filter(|(key, ..)| of.is_none_or(|of| of == key))?;
///         Some(*since)
///     }
///
///     fn close_oldest_idle(&self, of: Option<&ConnectionKey>) -> bool {
///         let mut idle = self.0.lock().unwrap();
///         let closed = idle.take_if(|(key, ..)| of.is_none_or(|of| of == key));
///         closed.is_some()
///     }
/// }
/// ```
pub trait IdlePool: Send + Sync {
    /// Since when the connection has been idle that has been so for longest; `None` if none is.
    fn oldest_idle(&self, of: Option<&ConnectionKey>) -> Option<Instant>;

    /// Closes that connection. Whether there was one.
    fn close_oldest_idle(&self, of: Option<&ConnectionKey>) -> bool;

    /// Lets a connection take no more requests that need not become idle by itself, because it
    /// carries several at a time; it closes when those that it carries have ended. Whether there was
    /// one. It is asked for when somebody has waited for a second and nothing has become idle.
    fn retire_busy(&self, of: Option<&ConnectionKey>) -> bool {
        let _ = of;
        false
    }
}

/// Which connections somebody takes who waits for a place, in place of one that is new.
///
/// ```
/// assert_ne!(pr_connect::Reuse::Never, pr_connect::Reuse::Anywhere);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// None.
    Never,
    /// Any of the key.
    Anywhere,
    /// Those of the key that belong to this runtime.
    On(Id),
}

/// What a pool is to do with a connection that it has [offered](Budget::hand_over).
#[derive(Debug)]
pub enum HandOver<T> {
    /// Nothing: somebody who waited has it.
    Taken,
    /// Close it, because somebody waits for its place.
    Close(T),
    /// Keep it.
    Keep(T),
}

/// The place of one connection. Dropping it gives it back, so it is kept for as long as the
/// connection's socket is open.
///
/// ```
/// use pr_connect::{Place, StreamParts};
///
/// fn place_of(parts: StreamParts) -> Option<Place> {
///     parts.place
/// }
/// ```
pub struct Place {
    budget: Budget,
    key: ConnectionKey,
    ticket: u64,
}

struct Inner {
    max_connections: usize,
    /// Of how many of them may be idle by default.
    max_idle: usize,
    line: Mutex<Line>,
    /// How many wait: looked at, without the lock, whenever a connection becomes idle.
    waiting: AtomicUsize,
    pools: Mutex<Vec<Weak<dyn IdlePool>>>,
}

impl Budget {
    pub(crate) fn new(config: &TransportConfig) -> Self {
        let max = config.max_connections;
        let max_connections = max.unwrap_or_else(descriptors::default_max_connections);
        let most_idle = match max {
            Some(max) => max,
            None => (max_connections / 4 * 3).max(1),
        };
        let line = Line::new(max_connections, config.max_connections_per_origin);
        Self {
            inner: Arc::new(Inner {
                max_connections,
                max_idle: config.max_idle.min(most_idle),
                line: Mutex::new(line),
                waiting: AtomicUsize::new(0),
                pools: Mutex::default(),
            }),
        }
    }

    /// How many connections may be open at a time: what is
    /// [set](TransportConfig::max_connections), or what follows from the process's limit of file
    /// descriptors.
    pub fn max_connections(&self) -> usize {
        self.inner.max_connections
    }

    /// How many connections may be idle: what is [set](TransportConfig::max_idle), and where
    /// [`max_connections`](Self::max_connections) follows from the limit of file descriptors, no
    /// more than three quarters of it.
    pub fn max_idle(&self) -> usize {
        self.inner.max_idle
    }

    /// Whether anybody waits for a place. This is one look at a number, for every connection that
    /// becomes idle.
    pub fn is_wanted(&self) -> bool {
        self.inner.waiting.load(Ordering::Relaxed) > 0
    }

    /// Has this pool asked for its idle connections when a place is wanted, for as long as it exists.
    pub fn register(&self, pool: Weak<dyn IdlePool>) {
        let mut pools = self.pools();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(pool);
    }

    /// Offers a connection whose exchange is over, and that belongs to this runtime if to any, to
    /// those who wait.
    ///
    /// Whoever waits for one of the same key gets it, as long as nobody who came before is passed
    /// over too often; otherwise it is to be closed if that gives somebody a place. Only those are
    /// considered who [wait](crate::Connector::connect_or_reuse) for this type.
    pub fn hand_over<T: Send + 'static>(
        &self,
        key: &ConnectionKey,
        runtime: Option<Id>,
        connection: T,
    ) -> HandOver<T> {
        let mut wakers = Wakers::default();
        let mut line = self.line();
        let outcome = match line.offer(key, TypeId::of::<T>(), runtime, &mut wakers) {
            Offered::To(ticket) => {
                let connection: Box<dyn Any + Send> = Box::new(connection);
                line.deliver(ticket, connection, &mut wakers);
                HandOver::Taken
            }
            Offered::ToNobody { close: true } => HandOver::Close(connection),
            Offered::ToNobody { close: false } => HandOver::Keep(connection),
        };
        self.publish(&line);
        outcome
    }

    /// Closes an idle connection if somebody waits for whom none is being closed yet. Pools call it
    /// after they have kept a connection while places [are wanted](Self::is_wanted): whoever came
    /// in between has found nothing idle.
    pub fn relieve(&self) {
        if self.line().lacks_places() {
            self.close_idle(None);
        }
    }

    /// A place, if there is one and nobody waits for it.
    pub(crate) fn try_place(&self, key: &ConnectionKey) -> Option<Place> {
        let ticket = self.line().take(key, Instant::now())?;
        Some(self.place(key, ticket))
    }

    /// Takes note that there was no descriptor left for a connection that was to have this place.
    pub(crate) fn note_shortage(&self, place: &Place) -> u64 {
        // First, so that the place does not go to somebody who would fare no better.
        self.line().note_shortage(Instant::now());
        place.ticket
    }

    /// Takes note that a connection has been opened.
    pub(crate) fn note_success(&self) {
        let mut wakers = Wakers::default();
        let mut line = self.line();
        line.note_success(&mut wakers);
        self.publish(&line);
    }

    /// Whether descriptors have been short for so long, without a single connection having been
    /// opened meanwhile.
    pub(crate) fn has_been_short_for(&self, limit: Duration) -> bool {
        let short_since = self.line().short_since();
        short_since.is_some_and(|since| since.elapsed() >= limit)
    }

    /// Closes the connection that has been idle longest, in whichever pool.
    fn close_idle(&self, of: Option<&ConnectionKey>) -> bool {
        let pools = self.living_pools();
        let mut idle: Vec<_> = pools
            .iter()
            .filter_map(|pool| Some((pool.oldest_idle(of)?, pool)))
            .collect();
        idle.sort_unstable_by_key(|(since, _)| *since);
        // Counted before, because its place may come back at once.
        self.line().note_closing(true);
        let closed = idle.iter().any(|(_, pool)| pool.close_oldest_idle(of));
        if !closed {
            self.line().note_closing(false);
        }
        closed
    }

    fn retire_busy(&self, of: Option<&ConnectionKey>) {
        for pool in self.living_pools() {
            if pool.retire_busy(of) {
                return;
            }
        }
    }

    fn living_pools(&self) -> Vec<Arc<dyn IdlePool>> {
        self.pools().iter().filter_map(Weak::upgrade).collect()
    }

    fn place(&self, key: &ConnectionKey, ticket: u64) -> Place {
        Place {
            budget: self.clone(),
            key: key.clone(),
            ticket,
        }
    }

    /// Lets everybody see how many wait.
    fn publish(&self, line: &Line) {
        self.inner.waiting.store(line.waiting(), Ordering::Relaxed);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing under the lock can panic half-way.
        self.inner
            .line
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn pools(&self) -> MutexGuard<'_, Vec<Weak<dyn IdlePool>>> {
        self.inner
            .pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // In this order, so that they are woken when the lock is free.
        let mut wakers = Wakers::default();
        let mut line = self.budget.line();
        line.release(&self.key, &mut wakers);
        self.budget.publish(&line);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line();
        f.debug_struct("Budget")
            .field("max_connections", &self.inner.max_connections)
            .field("open", &line.open())
            .field("waiting", &line.waiting())
            .finish_non_exhaustive()
    }
}
