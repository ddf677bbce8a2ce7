//! Runs `bench-subject` and `bench-server` as `cargo xtask bench` does: a figure of the benchmark
//! rests on requests that were sent and answered, and on errors that were counted.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail it like the test itself"
)]

mod accounts;
mod support;
mod workloads;
