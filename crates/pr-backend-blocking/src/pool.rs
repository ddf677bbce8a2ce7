//! The connections that wait for their next exchange.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use pr_connect::{Budget, HandOver, IdlePool};
use pr_core::{ConnectionKey, TransportConfig};

use crate::connection::Connection;

/// Idle connections by what they may carry: those of equal [`ConnectionKey`]s and no others.
///
/// ureq has a pool of its own, which is switched off. It looks connections up by scheme and
/// authority, so that it would mix verified and unverified ones; it walks through all of them for
/// every request; and it lets go of those that have been idle for too long only when a request
/// comes along.
pub(crate) struct Pool {
    max_idle_per_origin: usize,
    /// Whatever their origins: a walk over thousands of hosts must not use up the process's file
    /// descriptors.
    max_idle: usize,
    idle_timeout: Duration,
    /// From when a connection is dialed.
    max_age: Option<Duration>,
    budget: Budget,
    idle: Mutex<Idle>,
}

/// How often expired connections are looked for under load.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Idle {
    /// Each list from the one that has rested longest to the one that rests since just now.
    by_key: HashMap<ConnectionKey, VecDeque<Resting>>,
    count: usize,
    /// When expired connections were last looked for while others came in.
    swept: Option<Instant>,
    generation: Generation,
    closed: bool,
}

struct Resting {
    connection: Connection,
    since: Instant,
    /// When it has rested for too long or is too old. A moment too far away to be represented never
    /// comes.
    ends: Option<Instant>,
}

/// Which connections belong together: those that were begun between one [`Pool::reset`] and the
/// next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Pool {
    /// A pool that closes idle connections when this budget has no place left.
    pub(crate) fn new(config: &TransportConfig, budget: &Budget) -> Arc<Self> {
        let pool = Arc::new(Self {
            max_idle_per_origin: config.max_idle_per_origin,
            max_idle: budget.max_idle(),
            idle_timeout: config.idle_timeout,
            max_age: config.max_connection_age,
            budget: budget.clone(),
            idle: Mutex::default(),
        });
        let idle: Weak<Self> = Arc::downgrade(&pool);
        budget.register(idle);
        pool
    }

    /// How long a connection may rest at most.
    pub(crate) fn longest_rest(&self) -> Duration {
        self.max_age.unwrap_or(Duration::MAX).min(self.idle_timeout)
    }

    /// A connection that may carry a request of this key, the one that was used last, so that those
    /// that are not needed grow old.
    pub(crate) fn take(&self, key: &ConnectionKey) -> Option<Connection> {
        loop {
            let mut resting = self.idle().pop(key)?;
            // Neither the look at the socket nor closing it is done under the lock.
            if !resting.has_ended(Instant::now()) && resting.connection.is_usable() {
                return Some(resting.connection);
            }
        }
    }

    /// Keeps a connection for the next request of its key, which may be waiting for it, or closes it
    /// for one that waits for its place.
    pub(crate) fn put(&self, key: &ConnectionKey, connection: Connection) {
        let connection = if self.budget.is_wanted() {
            match self.budget.hand_over(key, None, connection) {
                HandOver::Taken | HandOver::Close(_) => return,
                HandOver::Keep(connection) => connection,
            }
        } else {
            connection
        };
        self.keep(key, connection);
        // Whoever has come to wait in between has not seen this one.
        if self.budget.is_wanted() {
            self.budget.relieve();
        }
    }

    /// Whether a connection that has never rested may carry another exchange.
    pub(crate) fn may_carry(&self, connection: &Connection) -> bool {
        let now = Instant::now();
        let ends = self.end_of(connection, now);
        ends.is_none_or(|ends| ends > now) && connection.generation() == self.generation()
    }

    fn keep(&self, key: &ConnectionKey, connection: Connection) {
        if self.max_idle.min(self.max_idle_per_origin) == 0 || self.idle_timeout.is_zero() {
            return;
        }
        let now = Instant::now();
        let resting = Resting {
            ends: self.end_of(&connection, now),
            connection,
            since: now,
        };
        if resting.has_ended(now) {
            return;
        }
        let mut idle = self.idle();
        let surplus = idle.push(key, resting, self.max_idle_per_origin, self.max_idle);
        let sweep = idle.swept.is_none_or(|last| last + SWEEP_EVERY <= now);
        if sweep {
            idle.swept = Some(now);
        }
        drop(idle);
        // Its socket is closed here, outside of the lock.
        drop(surplus);
        if sweep {
            // Threads that are never without work never come to do it otherwise.
            self.expire();
        }
    }

    /// Closes the connections that have been idle for too long, and says when the next one will
    /// have been; `None` if there is none left.
    pub(crate) fn expire(&self) -> Option<Instant> {
        let mut expired = Vec::new();
        let mut idle = self.idle();
        let mut count = 0;
        let mut next = None;
        let now = Instant::now();
        idle.by_key.retain(|_, list| {
            if list.iter().any(|resting| resting.has_ended(now)) {
                let (ended, left) = std::mem::take(list)
                    .into_iter()
                    .partition::<VecDeque<_>, _>(|resting| resting.has_ended(now));
                expired.extend(ended);
                *list = left;
            }
            count += list.len();
            let ends = list.iter().filter_map(|resting| resting.ends);
            next = next.into_iter().chain(ends).min();
            !list.is_empty()
        });
        idle.count = count;
        next
    }

    /// What a connection that is begun now belongs to.
    pub(crate) fn generation(&self) -> Generation {
        self.idle().generation
    }

    /// Closes every connection, and keeps none that has been begun before.
    pub(crate) fn reset(&self) {
        let mut idle = self.idle();
        idle.generation.0 += 1;
        idle.count = 0;
        let connections = std::mem::take(&mut idle.by_key);
        drop(idle);
        drop(connections);
    }

    /// Closes every connection and keeps none from now on.
    pub(crate) fn close(&self) {
        let mut idle = self.idle();
        idle.closed = true;
        idle.count = 0;
        let connections = std::mem::take(&mut idle.by_key);
        drop(idle);
        drop(connections);
    }

    /// Until when a connection may rest that rests since now.
    fn end_of(&self, connection: &Connection, now: Instant) -> Option<Instant> {
        let too_old = self
            .max_age
            .and_then(|age| connection.dialed().checked_add(age));
        let too_long = now.checked_add(self.idle_timeout);
        too_old.into_iter().chain(too_long).min()
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing that runs under the lock can panic between two changes that belong together.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resting {
    fn has_ended(&self, now: Instant) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }
}

impl Idle {
    fn pop(&mut self, key: &ConnectionKey) -> Option<Resting> {
        let list = self.by_key.get_mut(key)?;
        // An empty list stays until the next sweep: in a moment it is needed again.
        let resting = list.pop_back();
        self.count -= usize::from(resting.is_some());
        resting
    }

    /// Adds a connection and gives back the one that has to go for it.
    fn push(
        &mut self,
        key: &ConnectionKey,
        resting: Resting,
        max_per_key: usize,
        max_idle: usize,
    ) -> Option<Resting> {
        if self.closed || resting.connection.generation() != self.generation {
            return Some(resting);
        }
        let list = match self.by_key.get_mut(key) {
            Some(list) => list,
            None => self.by_key.entry(key.clone()).or_default(),
        };
        list.push_back(resting);
        if list.len() > max_per_key {
            return list.pop_front();
        }
        self.count += 1;
        if self.count > max_idle {
            self.pop_oldest(None)
        } else {
            None
        }
    }

    /// Takes out the connection that has rested longest, of all or of this key.
    fn pop_oldest(&mut self, of: Option<&ConnectionKey>) -> Option<Resting> {
        let oldest = self.oldest_list(of)?.pop_front()?;
        self.count -= 1;
        Some(oldest)
    }

    /// The list in which that connection is first.
    fn oldest_list(&mut self, of: Option<&ConnectionKey>) -> Option<&mut VecDeque<Resting>> {
        if let Some(key) = of {
            return self.by_key.get_mut(key);
        }
        let lists = self.by_key.values_mut().filter(|list| !list.is_empty());
        lists.min_by_key(|list| list.front().map(|oldest| oldest.since))
    }
}

impl IdlePool for Pool {
    fn oldest_idle(&self, of: Option<&ConnectionKey>) -> Option<Instant> {
        let mut idle = self.idle();
        let list = idle.oldest_list(of)?;
        list.front().map(|oldest| oldest.since)
    }

    fn close_oldest_idle(&self, of: Option<&ConnectionKey>) -> bool {
        // Its socket is closed outside of the lock.
        let closed = self.idle().pop_oldest(of);
        closed.is_some()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("idle", &self.idle().count)
            .finish_non_exhaustive()
    }
}
