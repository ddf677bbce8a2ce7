//! What this backend promises beyond what every backend does: how requests share connections, what
//! a peer's GOAWAY, resets and silence mean, flow control, and how it all ends.

#![expect(
    clippy::unwrap_used,
    reason = "tests state what they expect by unwrapping it"
)]

mod bodies;
mod bottlenecks;
mod cancelling;
mod expect;
mod going_away;
mod handshakes;
mod keys;
mod lifetime;
mod limits;
mod proxies;
mod silence;
mod streams;
mod support;
mod uploads;
