//! The requests of one origin that wait for a stream, first come, first served.

use std::{
    collections::{BTreeMap, HashMap},
    task::{Context, Waker},
};

/// Requests that wait, each by its ticket. Tickets grow with time, so that the queue doubles as a
/// clock: whatever got a later ticket began later.
///
/// Nothing in here wakes anybody: whoever decides hands the waker to its caller, to be woken once
/// no lock is held.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    next: u64,
    ordinary: BTreeMap<u64, Waker>,
    fresh: BTreeMap<u64, Waker>,
    decided: HashMap<u64, T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            next: 0,
            ordinary: BTreeMap::new(),
            fresh: BTreeMap::new(),
            decided: HashMap::new(),
        }
    }
}

impl<T> Queue<T> {
    /// The next ticket.
    pub(crate) fn ticket(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Puts a request at the end; `fresh` if it takes none but a connection that is new to it.
    pub(crate) fn enter(&mut self, fresh: bool, cx: &Context<'_>) -> u64 {
        let ticket = self.ticket();
        let line = if fresh {
            &mut self.fresh
        } else {
            &mut self.ordinary
        };
        line.insert(ticket, cx.waker().clone());
        ticket
    }

    /// What has been decided for a request, which then has left the queue; `None` while it waits.
    pub(crate) fn poll(&mut self, ticket: u64, cx: &Context<'_>) -> Option<T> {
        if let Some(outcome) = self.decided.remove(&ticket) {
            return Some(outcome);
        }
        for line in [&mut self.ordinary, &mut self.fresh] {
            if let Some(waker) = line.get_mut(&ticket) {
                waker.clone_from(cx.waker());
            }
        }
        None
    }

    /// Takes a request out, with what had been decided for it.
    pub(crate) fn leave(&mut self, ticket: u64) -> Option<T> {
        if self.ordinary.remove(&ticket).is_none() && self.fresh.remove(&ticket).is_none() {
            return self.decided.remove(&ticket);
        }
        None
    }

    /// The ordinary request that has waited longest.
    pub(crate) fn first_ordinary(&self) -> Option<u64> {
        self.ordinary.keys().next().copied()
    }

    /// The request for a fresh connection that has waited longest.
    pub(crate) fn first_fresh(&self) -> Option<u64> {
        self.fresh.keys().next().copied()
    }

    /// The request for a fresh connection that came last.
    pub(crate) fn last_fresh(&self) -> Option<u64> {
        self.fresh.keys().next_back().copied()
    }

    /// Whether nobody waits for a decision.
    pub(crate) fn is_empty(&self) -> bool {
        self.ordinary.is_empty() && self.fresh.is_empty()
    }

    /// Decides for a request; the waker is the caller's to wake.
    pub(crate) fn decide(&mut self, ticket: u64, outcome: T) -> Option<Waker> {
        let waker = self
            .ordinary
            .remove(&ticket)
            .or_else(|| self.fresh.remove(&ticket))?;
        self.decided.insert(ticket, outcome);
        Some(waker)
    }

    /// The wakers of all who wait for a decision.
    pub(crate) fn wakers(&self) -> impl Iterator<Item = Waker> {
        self.ordinary.values().chain(self.fresh.values()).cloned()
    }
}

/// Tasks that are woken when this is dropped, which is to happen when no lock is held.
#[derive(Default)]
pub(crate) struct Wakers {
    // In the common case there is at most one, which then costs no allocation.
    first: Option<Waker>,
    others: Vec<Waker>,
}

impl Wakers {
    pub(crate) fn add(&mut self, waker: Option<Waker>) {
        if self.first.is_none() {
            self.first = waker;
        } else {
            self.others.extend(waker);
        }
    }
}

impl Drop for Wakers {
    fn drop(&mut self) {
        let first = self.first.take().into_iter();
        first.chain(self.others.drain(..)).for_each(Waker::wake);
    }
}
