//! The system's resolver, with the reason why a name has no address.

use std::net::IpAddr;

use dns_lookup::{LookupErrorKind, lookup_host};
use pr_core::{DnsFailure, ResolveError};

/// Asks `getaddrinfo`, which blocks and cannot be interrupted.
///
/// The standard library would do, but for hiding whether there is no such name or no answer.
pub(super) fn look_up(host: &str) -> Result<Vec<IpAddr>, ResolveError> {
    lookup_host(host)
        .map(Iterator::collect)
        .map_err(|error| ResolveError::new(failure(error.kind())).with_source(error))
}

fn failure(kind: LookupErrorKind) -> DnsFailure {
    match kind {
        LookupErrorKind::NoName | LookupErrorKind::NoData => DnsFailure::NotFound,
        // The system's own errors are a lack of memory or of file descriptors, for instance.
        LookupErrorKind::Again | LookupErrorKind::Memory | LookupErrorKind::System => {
            DnsFailure::Transient
        }
        _ => DnsFailure::Other,
    }
}
