//! Where a thread leaves what ureq's connector, called from deep inside of ureq, has to know.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pr_core::ConnectionKey;

use crate::{
    buffers::MessageBuffers, connection::Connection, exchange::Exchange, outgoing::Withheld,
};

/// What lies between a thread and the ureq agents that it makes.
///
/// ureq's connector gets a URI and settings; which exchange it is for, and over which connection, it
/// finds here. Only one thread uses a desk, so its locks are never waited for.
#[derive(Default)]
pub(crate) struct Desk {
    order: Mutex<Option<Order>>,
    buffers: Mutex<MessageBuffers>,
    /// A connection whose response is not known yet to be one.
    parked: Mutex<Option<Parked>>,
}

/// A connection that may rest, and what it may carry then.
pub(crate) struct Parked {
    pub(crate) connection: Connection,
    pub(crate) key: ConnectionKey,
}

/// An exchange and the connection that is to carry it.
pub(crate) struct Order {
    pub(crate) connection: Connection,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) key: ConnectionKey,
    /// What goes into the request besides what ureq says.
    pub(crate) withheld: Withheld,
}

impl Desk {
    /// Lays out what the next exchange needs. `draft` is the length of what ureq
    /// writes of its request's head, and
    /// `max_trailers` how many trailer fields its response may have.
    pub(crate) fn prepare(&self, order: Order, draft: usize, max_trailers: usize) {
        lock(&self.buffers).prepare(draft, max_trailers);
        *lock(&self.order) = Some(order);
    }

    /// Takes what the exchange needs; once.
    pub(crate) fn take_order(&self) -> Option<Order> {
        lock(&self.order).take()
    }

    pub(crate) fn take_buffers(&self) -> MessageBuffers {
        std::mem::take(&mut lock(&self.buffers))
    }

    /// Leaves a connection until its response's head has been looked at.
    pub(crate) fn park(&self, parked: Parked) {
        *lock(&self.parked) = Some(parked);
    }

    pub(crate) fn take_parked(&self) -> Option<Parked> {
        lock(&self.parked).take()
    }

    pub(crate) fn give_back(&self, buffers: MessageBuffers) {
        *lock(&self.buffers) = buffers;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A whole value is put in or taken out, so a poisoned one is as good as any.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}
