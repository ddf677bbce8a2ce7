//! Where a thread leaves what ureq's connector, called from deep inside of ureq, has to know.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pr_core::ConnectionKey;

use crate::{buffers::MessageBuffers, connection::Connection, exchange::Exchange};

/// What lies between a thread and the ureq agents that it makes.
///
/// ureq's connector gets a URI and settings; which exchange it is for, and over which connection, it
/// finds here. Only one thread uses a desk, so its locks are never waited for.
#[derive(Default)]
pub(crate) struct Desk {
    order: Mutex<Option<Order>>,
    buffers: Mutex<MessageBuffers>,
}

/// An exchange and the connection that is to carry it.
pub(crate) struct Order {
    pub(crate) connection: Connection,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) key: ConnectionKey,
}

impl Desk {
    /// Lays out what the next exchange needs. `longest_line` is that of its request's head.
    pub(crate) fn prepare(&self, order: Order, longest_line: usize) {
        lock(&self.buffers).prepare(longest_line);
        *lock(&self.order) = Some(order);
    }

    /// Takes what the exchange needs; once.
    pub(crate) fn take_order(&self) -> Option<Order> {
        lock(&self.order).take()
    }

    pub(crate) fn take_buffers(&self) -> MessageBuffers {
        std::mem::take(&mut lock(&self.buffers))
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
