//! The connections that wait for a request: by key, the one that was used last first.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pr_core::ConnectionKey;
use tokio::{
    runtime::{Handle, Id},
    time::Instant,
};

use crate::{connection::Connection, tasks::Task};

/// How long, and how many.
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_per_key: usize,
    pub(crate) max: usize,
}

/// Idle connections. The lock is held for looking and moving only: connections that leave are
/// closed after it has been released.
pub(crate) struct Idle {
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A line that has become empty stays for the connection that will soon come back to it, until
    /// there are too many such or the reaper comes by.
    by_key: HashMap<ConnectionKey, Line>,
    /// How many connections there are in all lines.
    count: usize,
    /// How often everything has been let go of.
    epoch: u64,
    reaper: Option<Task>,
}

/// The connections of one key, the one that has waited longest first.
type Line = VecDeque<Waiting>;

struct Waiting {
    connection: Connection,
    since: Instant,
    /// When it has been idle for too long, or is too old.
    until: Option<Instant>,
}

impl Waiting {
    fn has_expired(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Settings {
    /// The same connection, which is idle from now on.
    fn waiting(&self, connection: Connection, now: Instant) -> Waiting {
        let idle = now.checked_add(self.timeout);
        let opened = connection.opened();
        let aged = self.max_age.and_then(|age| opened.checked_add(age));
        Waiting {
            connection,
            since: now,
            until: [idle, aged].into_iter().flatten().min(),
        }
    }
}

impl Idle {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: Mutex::default(),
        }
    }

    /// Takes out the connection of this runtime that was used last.
    pub(crate) fn take(&self, key: &ConnectionKey, runtime: Id) -> Option<Connection> {
        let mut gone = Vec::new();
        let mut state = self.lock();
        let line = state.by_key.get_mut(key)?;
        let now = Instant::now();
        remove_expired(line, now, &mut gone);
        // One that is too old may stand behind one that is not, if it has been used since.
        let suits = |waiting: &Waiting| {
            waiting.connection.runtime().id() == runtime && !waiting.has_expired(now)
        };
        let last = line.iter().rposition(suits);
        let taken = last.and_then(|index| line.remove(index));
        state.count -= gone.len() + usize::from(taken.is_some());
        drop(state);
        close_all(gone);
        taken.map(|waiting| waiting.connection)
    }

    /// Puts a connection in, and starts the task that will see it out unless there is one.
    pub(crate) fn put(
        &self,
        key: ConnectionKey,
        connection: Connection,
        start_reaper: impl FnOnce(&Handle) -> Option<Task>,
    ) {
        let mut gone = Vec::new();
        let now = Instant::now();
        let waiting = self.settings.waiting(connection, now);
        let mut state = self.lock();
        if waiting.connection.epoch() != state.epoch || waiting.has_expired(now) {
            drop(state);
            close_all([waiting]);
            return;
        }
        if state.reaper.as_ref().is_none_or(Task::is_finished) {
            state.reaper = start_reaper(waiting.connection.runtime());
        }
        let line = state.by_key.entry(key).or_default();
        line.push_back(waiting);
        remove_expired(line, now, &mut gone);
        if line.len() > self.settings.max_per_key {
            gone.extend(line.pop_front());
        }
        // One came in, so that no more than there were plus one can have left.
        state.count = state.count + 1 - gone.len();
        if state.count > self.settings.max {
            gone.extend(state.remove_oldest(None));
        }
        state.forget_empty_lines(self.settings.max);
        drop(state);
        close_all(gone);
    }

    /// Takes out what has expired or was closed by its peer, and says when to come again; `None` if
    /// nothing is left to come for.
    pub(crate) fn prune(&self) -> Option<Instant> {
        let mut gone = Vec::new();
        let mut state = self.lock();
        let now = Instant::now();
        let (mut count, mut next) = (0, None::<Instant>);
        state.by_key.retain(|_, line| {
            for waiting in std::mem::take(line) {
                if waiting.has_expired(now) {
                    gone.push(waiting);
                } else if !waiting.connection.is_closed() {
                    // The tasks of the others have ended, so dropping them here costs nothing.
                    next = next.into_iter().chain(waiting.until).min();
                    line.push_back(waiting);
                }
            }
            count += line.len();
            !line.is_empty()
        });
        state.count = count;
        if next.is_none() {
            state.reaper = None;
        }
        drop(state);
        close_all(gone);
        next
    }

    /// Since when the connection has been idle that has been so for longest, of this key if there is
    /// one.
    pub(crate) fn oldest(&self, of: Option<&ConnectionKey>) -> Option<std::time::Instant> {
        let mut state = self.lock();
        let line = state.oldest_line(of)?;
        line.front().map(|waiting| waiting.since.into_std())
    }

    /// Closes that connection. Whether there was one.
    pub(crate) fn close_oldest(&self, of: Option<&ConnectionKey>) -> bool {
        let closed = self.lock().remove_oldest(of);
        let any = closed.is_some();
        close_all(closed);
        any
    }

    /// Whether a connection that has never been idle may carry another exchange.
    pub(crate) fn may_carry(&self, connection: &Connection) -> bool {
        let now = Instant::now();
        let aged = |age| connection.opened().checked_add(age);
        let too_old = self.settings.max_age.and_then(aged);
        connection.epoch() == self.epoch() && too_old.is_none_or(|until| until > now)
    }

    /// The number of times that everything has been let go of. A connection is given it when it is
    /// about to be dialed, and is kept only while it is the same.
    pub(crate) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Takes everything out, and lets nothing in again that was dialed before.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.epoch += 1;
        state.count = 0;
        let by_key = std::mem::take(&mut state.by_key);
        drop(state);
        for line in by_key.into_values() {
            close_all(line);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves whole connections in whole lists.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes out the connection that has been idle longest, over all keys or of this one.
    fn remove_oldest(&mut self, of: Option<&ConnectionKey>) -> Option<Waiting> {
        let removed = self.oldest_line(of)?.pop_front()?;
        self.count -= 1;
        Some(removed)
    }

    /// The line that the connection is first in.
    fn oldest_line(&mut self, of: Option<&ConnectionKey>) -> Option<&mut Line> {
        if let Some(key) = of {
            return self.by_key.get_mut(key);
        }
        let since = |line: &Line| line.front().map(|waiting| waiting.since);
        let lines = self.by_key.values_mut().filter(|line| !line.is_empty());
        lines.min_by_key(|line| since(line))
    }

    /// Keeps a client that visits ever new hosts from remembering all of them. There are at most
    /// `max` lines that are not empty, so a walk over all of them removes at least as many.
    fn forget_empty_lines(&mut self, max: usize) {
        const ALWAYS_ALLOWED: usize = 64;
        if self.by_key.len() > max.saturating_mul(2).max(ALWAYS_ALLOWED) {
            self.by_key.retain(|_, line| !line.is_empty());
        }
    }
}

/// Those that have waited longest come first, so it ends at the first one that may stay.
fn remove_expired(line: &mut Line, now: Instant, gone: &mut Vec<Waiting>) {
    while let Some(oldest) = line.front()
        && oldest.has_expired(now)
    {
        gone.extend(line.pop_front());
    }
}

fn close_all(connections: impl IntoIterator<Item = Waiting>) {
    for waiting in connections {
        waiting.connection.close();
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let counts = state.by_key.iter().map(|(key, line)| (key, line.len()));
        f.debug_map().entries(counts).finish()
    }
}
