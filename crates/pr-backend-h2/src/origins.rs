//! All origins that a backend has to do with, each under the runtime that its connections live on.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use pr_core::{BackendError, ConnectionKey};
use tokio::{runtime::Id, time::Instant};

use crate::{limits::Limits, origin::Origin};

/// The origins of one backend.
///
/// A connection is read and written by a task, and a task runs when its runtime does. Requests of
/// one runtime therefore never ride on a connection of another: it might stand still, or end in the
/// middle of the exchange.
#[derive(Debug)]
pub(crate) struct Origins {
    max_connections: usize,
    limits: Limits,
    known: RwLock<Known>,
}

#[derive(Debug)]
struct Known {
    closed: bool,
    // In two steps, because a pair of both could not be looked up without a copy of the key.
    by_runtime: HashMap<Id, HashMap<ConnectionKey, Arc<Origin>>>,
    count: usize,
    /// At how many origins those are forgotten of which nothing is in use.
    sweep_at: usize,
}

/// How many origins are remembered without looking whether they are in use.
const REMEMBERED: usize = 1_024;

impl Origins {
    /// No origin yet; each may have so many connections, and responses within these limits.
    pub(crate) fn new(max_connections: usize, limits: Limits) -> Self {
        let known = Known {
            closed: false,
            by_runtime: HashMap::new(),
            count: 0,
            sweep_at: REMEMBERED,
        };
        Self {
            max_connections,
            limits,
            known: RwLock::new(known),
        }
    }

    /// The origin of this key for requests on this runtime.
    pub(crate) fn get(
        &self,
        runtime: Id,
        key: &ConnectionKey,
    ) -> Result<Arc<Origin>, BackendError> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(origin) = known.find(runtime, key) {
                return Ok(origin);
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.closed {
            return Err(BackendError::backend_closed());
        }
        if let Some(origin) = known.find(runtime, key) {
            return Ok(origin);
        }
        if known.count >= known.sweep_at {
            known.sweep();
        }
        let origin = Arc::new(Origin::new(key.clone(), self.max_connections, self.limits));
        let of_runtime = known.by_runtime.entry(runtime).or_default();
        of_runtime.insert(key.clone(), origin.clone());
        known.count += 1;
        Ok(origin)
    }

    /// Closes the connections that have been idle longest until fewer than `max` are, so that there
    /// is room for one more. Dialing calls it, which is where connections come from; a look at every
    /// origin costs little beside that.
    pub(crate) fn make_room(&self, max: usize) {
        let mut idle: Vec<(Instant, u64, Arc<Origin>)> = Vec::new();
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            for origin in known.by_runtime.values().flat_map(HashMap::values) {
                let of_origin = origin.idle();
                idle.extend(
                    of_origin
                        .into_iter()
                        .map(|(since, id)| (since, id, origin.clone())),
                );
            }
        }
        let too_many = (idle.len() + 1).saturating_sub(max.max(1));
        if too_many == 0 {
            return;
        }
        idle.sort_unstable_by_key(|(since, _, _)| *since);
        for (_, connection, origin) in idle.into_iter().take(too_many) {
            origin.expire_now(connection);
        }
    }

    /// Lets go of all connections of all origins, and of what was learnt of their peers.
    pub(crate) fn reset(&self) {
        let origins: Vec<_> = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let of_runtimes = known.by_runtime.values();
            of_runtimes.flat_map(HashMap::values).cloned().collect()
        };
        for origin in origins {
            origin.reset();
        }
    }

    /// Closes all origins and lets no other one begin.
    pub(crate) fn close(&self) {
        let closed = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.closed = true;
            known.count = 0;
            std::mem::take(&mut known.by_runtime)
        };
        for origin in closed.values().flat_map(HashMap::values) {
            origin.close();
        }
    }
}

impl Known {
    fn find(&self, runtime: Id, key: &ConnectionKey) -> Option<Arc<Origin>> {
        self.by_runtime.get(&runtime)?.get(key).cloned()
    }

    /// Forgets the origins that no exchange and no connection holds on to, so that memory grows
    /// with what is in use and not with how many hosts were ever asked.
    fn sweep(&mut self) {
        self.by_runtime.retain(|_, of_runtime| {
            of_runtime.retain(|_, origin| Arc::strong_count(origin) > 1);
            !of_runtime.is_empty()
        });
        self.count = self.by_runtime.values().map(HashMap::len).sum();
        self.sweep_at = REMEMBERED.max(2 * self.count);
    }
}
