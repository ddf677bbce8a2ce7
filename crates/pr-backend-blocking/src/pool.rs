//! The connections that wait for their next exchange.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

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
    closed: bool,
}

struct Resting {
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(config: &TransportConfig) -> Self {
        Self {
            max_idle_per_origin: config.max_idle_per_origin,
            max_idle: config.max_idle,
            idle_timeout: config.idle_timeout,
            idle: Mutex::default(),
        }
    }

    /// How long a connection may rest.
    pub(crate) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// A connection that may carry a request of this key, the one that was used last, so that those
    /// that are not needed grow old.
    pub(crate) fn take(&self, key: &ConnectionKey) -> Option<Connection> {
        loop {
            let mut resting = self.idle().pop(key)?;
            // Neither the look at the socket nor closing it is done under the lock.
            if resting.since.elapsed() < self.idle_timeout && resting.connection.is_usable() {
                return Some(resting.connection);
            }
        }
    }

    /// Keeps a connection for the next request of its key.
    pub(crate) fn put(&self, key: &ConnectionKey, connection: Connection) {
        if self.max_idle.min(self.max_idle_per_origin) == 0 || self.idle_timeout.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut idle = self.idle();
        let resting = Resting {
            connection,
            since: now,
        };
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
        idle.by_key.retain(|_, list| {
            while list
                .front()
                .is_some_and(|oldest| oldest.since.elapsed() >= self.idle_timeout)
            {
                expired.extend(list.pop_front());
            }
            count += list.len();
            // A moment too far away to be represented never comes.
            let ends = list
                .front()
                .and_then(|oldest| oldest.since.checked_add(self.idle_timeout));
            next = next.into_iter().chain(ends).min();
            !list.is_empty()
        });
        idle.count = count;
        next
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

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing that runs under the lock can panic between two changes that belong together.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
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
        if self.closed {
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
            self.pop_oldest()
        } else {
            None
        }
    }

    fn pop_oldest(&mut self) -> Option<Resting> {
        let lists = self.by_key.values_mut().filter(|list| !list.is_empty());
        let list = lists.min_by_key(|list| list.front().map(|oldest| oldest.since))?;
        self.count -= 1;
        list.pop_front()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("idle", &self.idle().count)
            .finish_non_exhaustive()
    }
}
