//! All origins that a backend has to do with, each under the runtime that its connections live on.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use pr_connect::{Budget, IdlePool};
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
    budget: Budget,
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
    pub(crate) fn new(max_connections: usize, limits: Limits, budget: Budget) -> Self {
        let known = Known {
            closed: false,
            by_runtime: HashMap::new(),
            count: 0,
            sweep_at: REMEMBERED,
        };
        Self {
            max_connections,
            limits,
            budget,
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
        let origin = Arc::new(Origin::new(
            key.clone(),
            self.max_connections,
            self.limits,
            self.budget.clone(),
        ));
        let of_runtime = known.by_runtime.entry(runtime).or_default();
        of_runtime.insert(key.clone(), origin.clone());
        known.count += 1;
        Ok(origin)
    }

    /// Closes the connections that have been idle longest until fewer than `max` are, so that there
    /// is room for one more. Dialing calls it, which is where connections come from; a look at every
    /// origin costs little beside that.
    pub(crate) fn make_room(&self, max: usize) {
        let mut idle = self.idle(None);
        let too_many = (idle.len() + 1).saturating_sub(max.max(1));
        if too_many == 0 {
            return;
        }
        idle.sort_unstable_by_key(|(since, _, _)| *since);
        for (_, connection, origin) in idle.into_iter().take(too_many) {
            origin.expire_now(connection);
        }
    }

    /// The connections on which no stream is open, of all origins or of this one: since when, and
    /// which.
    fn idle(&self, of: Option<&ConnectionKey>) -> Vec<(Instant, u64, Arc<Origin>)> {
        let mut idle = Vec::new();
        for origin in self.all(of) {
            let of_origin = origin.idle().into_iter();
            idle.extend(of_origin.map(|(since, id)| (since, id, origin.clone())));
        }
        idle
    }

    /// All origins, or those of this key.
    fn all(&self, of: Option<&ConnectionKey>) -> Vec<Arc<Origin>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let of_runtimes = known.by_runtime.values();
        match of {
            Some(key) => of_runtimes.filter_map(|it| it.get(key)).cloned().collect(),
            None => of_runtimes.flat_map(HashMap::values).cloned().collect(),
        }
    }

    /// Lets go of all connections of all origins, and of what was learnt of their peers.
    pub(crate) fn reset(&self) {
        for origin in self.all(None) {
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

impl IdlePool for Origins {
    fn oldest_idle(&self, of: Option<&ConnectionKey>) -> Option<std::time::Instant> {
        let idle = self.idle(of).into_iter();
        idle.map(|(since, ..)| since.into_std()).min()
    }

    fn close_oldest_idle(&self, of: Option<&ConnectionKey>) -> bool {
        let mut idle = self.idle(of);
        idle.sort_unstable_by_key(|(since, ..)| *since);
        // The first may have been put to use meanwhile.
        let mut idle = idle.into_iter();
        idle.any(|(_, connection, origin)| origin.expire_now(connection))
    }

    fn retire_busy(&self, of: Option<&ConnectionKey>) -> bool {
        let mut origins: Vec<_> = self
            .all(of)
            .into_iter()
            .filter_map(|origin| Some((origin.oldest()?, origin)))
            .collect();
        origins.sort_unstable_by_key(|(opened, _)| *opened);
        origins.iter().any(|(_, origin)| origin.retire_oldest())
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
