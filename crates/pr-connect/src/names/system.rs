//! The system's resolver, with the reason why a name has no address.

use std::{
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use dns_lookup::{LookupErrorKind, lookup_host};
use pr_core::{DnsFailure, ResolveError};
use tokio::task::spawn_blocking;

use super::flight::Flight;
use crate::budget::{has_none_left, none_left};

/// Looks a name up on a thread of the runtime, where the answer is told to all that wait for it.
pub(super) fn ask(host: &str, flight: Flight) {
    let host = host.to_owned();
    let here = Arc::new(Mutex::new(Some(flight)));
    let there = Arc::clone(&here);
    let asking = move || {
        if let Some(flight) = take(&there) {
            // What it gives is told to all that wait.
            let _ = flight.land(look_up(&host));
        }
    };
    // Tokio panics when the system has no thread to give, and leaves the task in its queue, where
    // nobody may ever come for it. Nothing of the runtime's is half done by then.
    let spawned = catch_unwind(AssertUnwindSafe(|| spawn_blocking(asking)));
    if spawned.is_err()
        && let Some(flight) = take(&here)
    {
        let error = ResolveError::new(DnsFailure::Transient);
        let _ = flight.land(Err(error.with_source("no thread could be started for it")));
    }
}

fn take(flight: &Mutex<Option<Flight>>) -> Option<Flight> {
    let mut flight = flight.lock().unwrap_or_else(PoisonError::into_inner);
    flight.take()
}

/// Asks `getaddrinfo`, which blocks and cannot be interrupted.
///
/// The standard library would do, but for hiding whether there is no such name or no answer.
fn look_up(host: &str) -> Result<Vec<IpAddr>, ResolveError> {
    let was_short = has_none_left();
    let found = lookup_host(host).map(Iterator::collect);
    found.map_err(|error| {
        // Without a descriptor for the hosts file or a socket, systems differ in what they say, up
        // to that there is no such name.
        if was_short || has_none_left() {
            ResolveError::new(DnsFailure::Transient).with_source(none_left())
        } else {
            ResolveError::new(failure(error.kind())).with_source(error)
        }
    })
}

fn failure(kind: LookupErrorKind) -> DnsFailure {
    match kind {
        LookupErrorKind::NoName | LookupErrorKind::NoData => DnsFailure::NotFound,
        // The system's own errors are a lack of memory, for instance.
        LookupErrorKind::Again | LookupErrorKind::Memory | LookupErrorKind::System => {
            DnsFailure::Transient
        }
        _ => DnsFailure::Other,
    }
}
