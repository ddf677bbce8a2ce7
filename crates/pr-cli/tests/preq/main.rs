//! The `preq` command as its users have it: the binary, run against loopback servers.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail it like the test itself"
)]

mod input;
mod journal;
#[cfg(target_os = "linux")]
mod memory;
mod outcomes;
mod policies;
mod reports;
mod requests;
mod stopping;
mod support;
mod usage;
