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
    reaper: Option<Task>,
}

/// The connections of one key, the one that has waited longest first.
type Line = VecDeque<Waiting>;

struct Waiting {
    connection: Connection,
    since: Instant,
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
        remove_expired(line, self.settings.timeout, &mut gone);
        let last = line
            .iter()
            .rposition(|waiting| waiting.connection.runtime().id() == runtime);
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
        let mut state = self.lock();
        if state.reaper.as_ref().is_none_or(Task::is_finished) {
            state.reaper = start_reaper(connection.runtime());
        }
        let line = state.by_key.entry(key).or_default();
        line.push_back(Waiting {
            connection,
            since: Instant::now(),
        });
        remove_expired(line, self.settings.timeout, &mut gone);
        if line.len() > self.settings.max_per_key {
            gone.extend(line.pop_front());
        }
        // One came in, so that no more than there were plus one can have left.
        state.count = state.count + 1 - gone.len();
        if state.count > self.settings.max {
            gone.extend(state.remove_oldest());
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
        let mut count = 0;
        state.by_key.retain(|_, line| {
            remove_expired(line, self.settings.timeout, &mut gone);
            // Their tasks have ended, so dropping them here costs nothing.
            line.retain(|waiting| !waiting.connection.is_closed());
            count += line.len();
            !line.is_empty()
        });
        state.count = count;
        let oldest = state
            .by_key
            .values()
            .filter_map(|line| Some(line.front()?.since))
            .min();
        let next = oldest.and_then(|since| since.checked_add(self.settings.timeout));
        if next.is_none() {
            state.reaper = None;
        }
        drop(state);
        close_all(gone);
        next
    }

    /// Takes everything out.
    pub(crate) fn clear(&self) {
        let state = std::mem::take(&mut *self.lock());
        for line in state.by_key.into_values() {
            close_all(line);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves whole connections in whole lists.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes out the connection that has been idle longest, over all keys.
    fn remove_oldest(&mut self) -> Option<Waiting> {
        let since = |line: &Line| line.front().map(|waiting| waiting.since);
        let lines = self.by_key.values_mut().filter(|line| !line.is_empty());
        let removed = lines.min_by_key(|line| since(line))?.pop_front()?;
        self.count -= 1;
        Some(removed)
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
fn remove_expired(line: &mut Line, timeout: Duration, gone: &mut Vec<Waiting>) {
    while let Some(oldest) = line.front()
        && oldest.since.elapsed() >= timeout
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
