//! Waiting for a place, and seeing to it meanwhile that one becomes free.

use std::{
    any::TypeId,
    future::poll_fn,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use pr_core::ConnectionKey;
use tokio::time::timeout;

use super::{
    Budget, Place, Reuse,
    line::{Granted, PAUSE, Wakers},
};

/// How long the first in line waits for a connection to become idle before a busy one is asked to
/// take no more requests.
const BUSY: Duration = Duration::from_secs(1);

/// What somebody gets who has waited.
pub(crate) enum Admission<T> {
    /// A connection may be dialed.
    Place(Place),
    /// One that somebody else has done with.
    Connection(T),
    /// There have been no descriptors for too long.
    Short,
}

impl Budget {
    /// Waits for a place, or for a connection as `reuse` says; with a ticket, where that stood.
    /// While there are no descriptors, it waits no longer than `limit` after `begin`; for others to
    /// end, for as long as it takes.
    ///
    /// Dropping the future gives up the place in the line, and what had been granted.
    pub(crate) async fn admission<T: Send + 'static>(
        &self,
        key: &ConnectionKey,
        reuse: Reuse,
        ticket: Option<u64>,
        (begin, limit): (Instant, Duration),
    ) -> Admission<T> {
        let mut waiting = Waiting::enter(self, key, (TypeId::of::<T>(), reuse), ticket);
        waiting.press();
        loop {
            let granted = poll_fn(|cx| waiting.poll(cx));
            match timeout(waiting.patience(), granted).await {
                Ok(Granted::Place) => {
                    let ticket = waiting.end();
                    return Admission::Place(self.place(key, ticket));
                }
                Ok(Granted::Connection(connection)) => {
                    let ticket = waiting.end();
                    if let Ok(connection) = connection.downcast() {
                        return Admission::Connection(*connection);
                    }
                    // Only those of this type are given; another one is closed.
                    let takes = (TypeId::of::<T>(), reuse);
                    waiting = Waiting::enter(self, key, takes, Some(ticket));
                }
                Err(_) => {
                    if begin.elapsed() >= limit && self.has_been_short_for(limit) {
                        return Admission::Short;
                    }
                    waiting.see_to_it(begin);
                }
            }
        }
    }
}

/// Somebody in the line.
struct Waiting<'a> {
    budget: &'a Budget,
    key: &'a ConnectionKey,
    ticket: u64,
    ended: bool,
}

impl<'a> Waiting<'a> {
    fn enter(
        budget: &'a Budget,
        key: &'a ConnectionKey,
        takes: (TypeId, Reuse),
        ticket: Option<u64>,
    ) -> Self {
        let mut wakers = Wakers::default();
        let mut line = budget.line();
        let ticket = line.enter(key, takes, ticket, &mut wakers);
        budget.publish(&line);
        drop(line);
        Self {
            budget,
            key,
            ticket,
            ended: false,
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Granted> {
        self.budget.line().poll(self.ticket, cx)
    }

    /// Has an idle connection closed, in the line already: one that becomes idle from now on is
    /// offered to those who wait.
    fn press(&self) -> bool {
        let of_origin = self.budget.line().is_held_by_origin(self.key);
        self.budget.close_idle(of_origin.then_some(self.key))
    }

    /// Until it is time to see to it. Nearly everybody is served without.
    fn patience(&self) -> Duration {
        if self.budget.line().is_responsible(self.key, self.ticket) {
            PAUSE
        } else {
            PAUSE * 10
        }
    }

    /// Called every now and then. A connection may not close when it is told to, because the
    /// runtime that it belongs to stands still, and descriptors come back without a word.
    fn see_to_it(&self, begin: Instant) {
        let now = Instant::now();
        let mut wakers = Wakers::default();
        let mut line = self.budget.line();
        line.probe(now, &mut wakers);
        self.budget.publish(&line);
        let of_origin = line.is_held_by_origin(self.key);
        let is_responsible = line.is_responsible(self.key, self.ticket);
        drop(line);
        drop(wakers);
        if !is_responsible || self.press() || begin.elapsed() < BUSY {
            return;
        }
        if self.budget.line().may_retire(now, BUSY) {
            self.budget.retire_busy(of_origin.then_some(self.key));
        }
    }

    /// The end of waiting for whoever has got something.
    fn end(&mut self) -> u64 {
        self.ended = true;
        self.ticket
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut wakers = Wakers::default();
        let mut line = self.budget.line();
        let granted = line.leave(self.ticket, &mut wakers);
        self.budget.publish(&line);
        drop(line);
        // Closing a connection gives its place back, which takes the lock.
        drop(granted);
    }
}
