//! What this backend promises beyond what every backend does: its pool, its framing, the names that
//! it gives to faults, and how an exchange is given up.

#![expect(
    clippy::unwrap_used,
    reason = "tests state what they expect by unwrapping it"
)]

mod cancelling;
mod closing;
mod errors;
mod framing;
mod pool;
mod stale;
mod support;
mod tasks;
mod uploads;
mod warnings;
