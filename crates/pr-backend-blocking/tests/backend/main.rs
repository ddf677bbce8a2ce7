//! What this backend promises beyond what every backend does: its pool, its framing, the names that
//! it gives to faults, and how an exchange is given up.

#![expect(
    clippy::unwrap_used,
    reason = "tests state what they expect by unwrapping it"
)]

mod cancelling;
mod closing;
mod dialing;
mod errors;
mod expecting;
mod framing;
mod informational;
mod limits;
mod pool;
mod proxies;
mod stale;
mod support;
mod tasks;
mod trailers;
#[cfg(unix)]
mod unix_sockets;
mod uploads;
mod warnings;
