//! The book-keeping of places: how many are taken, by which origins, and who is next.

use std::{
    any::{Any, TypeId},
    collections::{BTreeMap, BTreeSet, HashMap},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use pr_core::ConnectionKey;
use tokio::runtime::Id;

use super::Reuse;

/// How many connections may go to others of their own key while the same one is first in line.
///
/// A connection that goes to somebody else's origin has to be dialed, which costs round trips. With
/// 32 exchanges to a dial, that is little beside them, and nobody waits for ever.
const MOST_OVERTAKING: u32 = 32;

/// After how long without descriptors another one is tried for.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// What is under the budget's lock.
pub(super) struct Line {
    max: usize,
    max_per_origin: usize,
    /// How many connections there are descriptors for, as far as is known; at most `max`.
    ceiling: usize,
    /// When the ceiling was lowered or raised last, unless it is at `max`.
    adjusted: Option<Instant>,
    /// Since when there have been no descriptors, without a single success.
    short_since: Option<Instant>,
    open: usize,
    /// Those that have a connection, or somebody who waits for one.
    origins: HashMap<ConnectionKey, Origin>,
    waiters: HashMap<u64, Waiter>,
    /// How many of them wait in vain so far.
    waiting: usize,
    /// Of each origin that may have one more connection, the one who has waited longest.
    ready: BTreeMap<u64, ConnectionKey>,
    /// How many wait whose origins may have one more connection, were it only for the whole.
    eligible: usize,
    /// How many connections are about to close because their places are wanted.
    closing: usize,
    /// How often the first in line has been passed over.
    overtaken: u32,
    retired: Option<Instant>,
    next: u64,
}

#[derive(Default)]
struct Origin {
    open: usize,
    waiting: BTreeSet<u64>,
    /// Its part of the line's.
    eligible: usize,
    /// Its entry in the line's.
    ready: Option<u64>,
}

struct Waiter {
    key: ConnectionKey,
    takes: Takes,
    granted: Option<Granted>,
    waker: Option<Waker>,
}

/// Which connections a waiter takes, and of which type.
pub(super) type Takes = (TypeId, Reuse);

/// What somebody gets who has waited.
pub(super) enum Granted {
    Place,
    Connection(Box<dyn Any + Send>),
}

/// To whom a connection goes that has become idle.
pub(super) enum Offered {
    To(u64),
    ToNobody { close: bool },
}

/// Those to wake, which happens when this is dropped; declared before the lock is taken.
#[derive(Default)]
pub(super) struct Wakers(Vec<Waker>);

impl Line {
    pub(super) fn new(max: usize, max_per_origin: Option<usize>) -> Self {
        Self {
            max,
            max_per_origin: max_per_origin.unwrap_or(usize::MAX),
            ceiling: max,
            adjusted: None,
            short_since: None,
            open: 0,
            origins: HashMap::new(),
            waiters: HashMap::new(),
            waiting: 0,
            ready: BTreeMap::new(),
            eligible: 0,
            closing: 0,
            overtaken: 0,
            retired: None,
            next: 0,
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// How many wait in vain so far.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn short_since(&self) -> Option<Instant> {
        self.short_since
    }

    /// Takes a place, and gives the ticket of whoever has it now.
    pub(super) fn take(&mut self, key: &ConnectionKey, now: Instant) -> Option<u64> {
        let is_calm = self.adjusted.is_none_or(|at| at + PAUSE <= now);
        if self.waiters.is_empty() && is_calm {
            // Finding out that there still are none costs nothing but one call of the system.
            self.ceiling = self.max;
            self.adjusted = None;
        }
        let of_origin = self.origins.get(key).map_or(0, |origin| origin.open);
        if !self.ready.is_empty() || self.open >= self.ceiling || of_origin >= self.max_per_origin {
            return None;
        }
        self.occupy(key);
        Some(self.ticket())
    }

    /// Waits from now on, at the end or where that ticket stood.
    pub(super) fn enter(
        &mut self,
        key: &ConnectionKey,
        takes: Takes,
        ticket: Option<u64>,
        wakers: &mut Wakers,
    ) -> u64 {
        let ticket = ticket.unwrap_or_else(|| self.ticket());
        let waiter = Waiter {
            key: key.clone(),
            takes,
            granted: None,
            waker: None,
        };
        self.waiters.insert(ticket, waiter);
        let origin = self.origins.entry(key.clone()).or_default();
        origin.waiting.insert(ticket);
        self.waiting += 1;
        self.refresh(key);
        // A place may have come back since it was looked for.
        self.serve(wakers);
        ticket
    }

    pub(super) fn poll(&mut self, ticket: u64, cx: &Context<'_>) -> Poll<Granted> {
        let Some(waiter) = self.waiters.get_mut(&ticket) else {
            return Poll::Pending;
        };
        if let Some(granted) = waiter.granted.take() {
            self.waiters.remove(&ticket);
            return Poll::Ready(granted);
        }
        match &mut waiter.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits no more. What had been granted is given back, or to the caller to be dropped.
    pub(super) fn leave(&mut self, ticket: u64, wakers: &mut Wakers) -> Option<Granted> {
        let waiter = self.waiters.remove(&ticket)?;
        match waiter.granted {
            Some(Granted::Place) => self.release(&waiter.key, wakers),
            Some(connection) => return Some(connection),
            None => {
                self.strike(&waiter.key, ticket);
                self.serve(wakers);
            }
        }
        None
    }

    /// Gives a place back.
    pub(super) fn release(&mut self, key: &ConnectionKey, wakers: &mut Wakers) {
        self.open -= 1;
        self.closing = self.closing.saturating_sub(1);
        if let Some(origin) = self.origins.get_mut(key) {
            origin.open -= 1;
        }
        self.refresh(key);
        self.serve(wakers);
    }

    /// Decides about a connection that has become idle.
    pub(super) fn offer(
        &mut self,
        key: &ConnectionKey,
        connection: TypeId,
        runtime: Option<Id>,
        wakers: &mut Wakers,
    ) -> Offered {
        self.serve(wakers);
        let first = self.ready.keys().next().copied();
        let Some(origin) = self.origins.get(key) else {
            return self.offer_to_all();
        };
        let would_have_it = |ticket: &&u64| {
            let takes = self.waiters.get(ticket).map(|waiter| waiter.takes);
            takes.is_some_and(|(of, reuse)| {
                of == connection
                    && match reuse {
                        Reuse::Never => false,
                        Reuse::Anywhere => true,
                        Reuse::On(id) => runtime == Some(id),
                    }
            })
        };
        let taker = origin.waiting.iter().find(would_have_it).copied();
        match (taker, first) {
            (Some(taker), Some(first)) if taker != first => {
                if self.overtaken >= MOST_OVERTAKING {
                    return self.offer_to_all();
                }
                self.overtaken += 1;
                Offered::To(taker)
            }
            (Some(taker), _) => Offered::To(taker),
            // It is one of those because of which its origin may have no other.
            (None, _) if !origin.waiting.is_empty() && origin.open >= self.max_per_origin => {
                Offered::ToNobody { close: true }
            }
            (None, _) => self.offer_to_all(),
        }
    }

    /// Only the place is of use, if that.
    fn offer_to_all(&mut self) -> Offered {
        let close = self.lacks_places();
        self.closing += usize::from(close);
        Offered::ToNobody { close }
    }

    /// Gives a connection to the one to whom it was offered.
    pub(super) fn deliver(
        &mut self,
        ticket: u64,
        connection: Box<dyn Any + Send>,
        wakers: &mut Wakers,
    ) {
        let granted = Granted::Connection(connection);
        if let Some(key) = self.grant(ticket, granted, wakers) {
            self.strike(&key, ticket);
        }
    }

    /// Whether more wait than places are about to become free.
    pub(super) fn lacks_places(&self) -> bool {
        self.eligible > self.closing && self.open >= self.ceiling
    }

    /// Whether this one is next, of all or of an origin that may have no further connection, and so
    /// the one to see to it that something happens.
    pub(super) fn is_responsible(&self, key: &ConnectionKey, ticket: u64) -> bool {
        let is_next_of_origin = || {
            let origin = self.origins.get(key);
            origin.is_some_and(|origin| origin.waiting.first() == Some(&ticket))
        };
        self.is_first(ticket) || self.is_held_by_origin(key) && is_next_of_origin()
    }

    fn is_first(&self, ticket: u64) -> bool {
        self.ready.keys().next() == Some(&ticket)
    }

    /// Whether this one waits because its own origin has as many connections as it may have.
    pub(super) fn is_held_by_origin(&self, key: &ConnectionKey) -> bool {
        let origin = self.origins.get(key);
        origin.is_some_and(|origin| origin.open >= self.max_per_origin)
    }

    /// Whether a busy connection may be made to end now. Once in a while is enough.
    pub(super) fn may_retire(&mut self, now: Instant, every: Duration) -> bool {
        let may = self.retired.is_none_or(|at| at + every <= now);
        if may {
            self.retired = Some(now);
        }
        may
    }

    pub(super) fn note_closing(&mut self, one_more: bool) {
        if one_more {
            self.closing += 1;
        } else {
            self.closing = self.closing.saturating_sub(1);
        }
    }

    /// There was no descriptor for one of the connections that have a place.
    pub(super) fn note_shortage(&mut self, now: Instant) {
        self.ceiling = self.ceiling.min(self.open - 1);
        self.adjusted = Some(now);
        self.short_since.get_or_insert(now);
    }

    /// A connection was opened, so that there may be descriptors for further ones.
    pub(super) fn note_success(&mut self, wakers: &mut Wakers) {
        self.short_since = None;
        if self.ceiling < self.max {
            self.ceiling = self.ceiling.max(self.open).saturating_add(2).min(self.max);
            self.serve(wakers);
        }
    }

    /// Lets one more try whether there are descriptors, after a pause.
    pub(super) fn probe(&mut self, now: Instant, wakers: &mut Wakers) {
        if self.ceiling < self.max && self.adjusted.is_none_or(|at| at + PAUSE <= now) {
            self.ceiling = self.ceiling.max(self.open).saturating_add(1).min(self.max);
            self.adjusted = Some(now);
            self.serve(wakers);
        }
    }

    /// Gives places to those who wait, as far as there are any.
    fn serve(&mut self, wakers: &mut Wakers) {
        while self.open < self.ceiling
            && let Some(&ticket) = self.ready.keys().next()
        {
            let Some(key) = self.grant(ticket, Granted::Place, wakers) else {
                return;
            };
            self.occupy(&key);
            self.strike(&key, ticket);
        }
    }

    fn grant(
        &mut self,
        ticket: u64,
        granted: Granted,
        wakers: &mut Wakers,
    ) -> Option<ConnectionKey> {
        let waiter = self.waiters.get_mut(&ticket)?;
        waiter.granted = Some(granted);
        wakers.0.extend(waiter.waker.take());
        Some(waiter.key.clone())
    }

    fn occupy(&mut self, key: &ConnectionKey) {
        self.open += 1;
        if let Some(origin) = self.origins.get_mut(key) {
            origin.open += 1;
        } else {
            self.origins.entry(key.clone()).or_default().open = 1;
        }
    }

    /// Takes somebody out of the line.
    fn strike(&mut self, key: &ConnectionKey, ticket: u64) {
        if self.is_first(ticket) {
            self.overtaken = 0;
        }
        if let Some(origin) = self.origins.get_mut(key)
            && origin.waiting.remove(&ticket)
        {
            self.waiting -= 1;
        }
        self.refresh(key);
    }

    /// Notes anew whether somebody of this origin may be next.
    fn refresh(&mut self, key: &ConnectionKey) {
        let Some(origin) = self.origins.get_mut(key) else {
            return;
        };
        let room = self.max_per_origin.saturating_sub(origin.open);
        let eligible = origin.waiting.len().min(room);
        self.eligible = self.eligible - origin.eligible + eligible;
        origin.eligible = eligible;
        let ready = origin.waiting.first().copied().filter(|_| room > 0);
        if ready != origin.ready {
            if let Some(before) = origin.ready {
                self.ready.remove(&before);
            }
            if let Some(now) = ready {
                self.ready.insert(now, key.clone());
            }
            origin.ready = ready;
        }
        if origin.open == 0 && origin.waiting.is_empty() {
            self.origins.remove(key);
        }
    }

    /// Whether all the numbers are what they are the sums of, and nobody waits without a reason.
    #[cfg(test)]
    pub(super) fn is_sound(&self) -> bool {
        let origins = || self.origins.values();
        let room = |origin: &Origin| self.max_per_origin.saturating_sub(origin.open);
        let fronts = origins().filter(|origin| room(origin) > 0);
        let fronts = fronts.filter_map(|origin| origin.waiting.first().copied());
        let fronts: BTreeSet<_> = fronts.collect();
        let waiting: usize = origins().map(|origin| origin.waiting.len()).sum();
        let in_vain = |waiter: &&Waiter| waiter.granted.is_none();
        let eligible = origins().map(|origin| origin.waiting.len().min(room(origin)));
        self.open <= self.max
            && self.ceiling <= self.max
            && origins().map(|origin| origin.open).sum::<usize>() == self.open
            && origins().all(|origin| origin.open <= self.max_per_origin)
            && origins().all(|origin| origin.open > 0 || !origin.waiting.is_empty())
            && waiting == self.waiting
            && waiting == self.waiters.values().filter(in_vain).count()
            && eligible.sum::<usize>() == self.eligible
            && self.ready.keys().copied().collect::<BTreeSet<_>>() == fronts
            && (self.ready.is_empty() || self.open >= self.ceiling)
    }

    fn ticket(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Drop for Wakers {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}
