//! When an attempt may go, through the client: limits, turns, pauses, time limits, cancelling.

mod cancelling;
mod limits;
mod pauses;
mod queue_timeouts;
mod settings;
mod support;
mod threads;
