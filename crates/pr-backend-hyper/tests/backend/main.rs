//! What this backend promises beyond what every backend does: its pool, its framing, the names that
//! it gives to faults, and how it ends.

#![expect(
    clippy::unwrap_used,
    reason = "tests state what they expect by unwrapping it"
)]

mod closing;
mod errors;
mod expect;
mod framing;
mod limits;
mod pool;
mod proxies;
mod runtimes;
mod stale;
mod support;
#[cfg(unix)]
mod unix;
mod uploads;
mod warnings;
