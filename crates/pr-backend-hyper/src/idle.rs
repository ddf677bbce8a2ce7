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
}

/// Idle connections. The lock is held for looking and moving only: connections that leave are
/// dropped after it has been released.
pub(crate) struct Idle {
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_key: HashMap<ConnectionKey, Line>,
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
        self.remove_expired(line, &mut gone);
        let last = line
            .iter()
            .rposition(|waiting| waiting.connection.runtime().id() == runtime);
        let taken = last.and_then(|index| line.remove(index));
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
        self.remove_expired(line, &mut gone);
        if line.len() > self.settings.max_per_key {
            gone.extend(line.pop_front());
        }
        drop(state);
        close_all(gone);
    }

    /// Takes out what has expired or was closed by its peer, and says when to come again; `None` if
    /// nothing is left to come for.
    pub(crate) fn prune(&self) -> Option<Instant> {
        let mut gone = Vec::new();
        let mut state = self.lock();
        state.by_key.retain(|_, line| {
            self.remove_expired(line, &mut gone);
            // Their tasks have ended, so dropping them here costs nothing.
            line.retain(|waiting| !waiting.connection.is_closed());
            !line.is_empty()
        });
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

    /// Those that have waited longest come first, so it ends at the first one that may stay.
    fn remove_expired(&self, line: &mut Line, gone: &mut Vec<Waiting>) {
        while let Some(oldest) = line.front()
            && oldest.since.elapsed() >= self.settings.timeout
        {
            gone.extend(line.pop_front());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves whole connections in whole lists.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
