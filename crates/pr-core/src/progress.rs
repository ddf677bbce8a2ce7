//! How far an exchange has come, readable from outside when it is cut off.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use crate::{BackendError, Delivery, TimeoutPhase};

/// How far one exchange has come.
///
/// The backend moves it along; whoever ends the exchange from outside, because its deadline
/// passed, reads from it what the exchange was waiting for and whether it had been sent. Clones
/// share one state.
///
/// ```
/// use pr_core::{Progress, Stage};
///
/// let progress = Progress::new();
/// let seen_by_backend = progress.clone();
/// seen_by_backend.reach(Stage::Connecting);
/// assert_eq!(progress.stage(), Stage::Connecting);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU8>);

/// A stage of one exchange, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum Stage {
    /// Waits for a thread, a stream or a place in the pool. The stage at the start.
    Queued = 0,
    /// Waits for name resolution, TCP, the proxy or TLS.
    Connecting = 1,
    /// The first byte of the request may have been written.
    Sending = 2,
    /// The whole request is handed to the connection; the response's head is awaited.
    AwaitingHead = 3,
    /// The head is there; the body is read.
    ReadingBody = 4,
}

impl Progress {
    /// At [`Stage::Queued`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that the exchange has reached a stage. Going back is allowed: a stream that was never
    /// sent may wait for another connection.
    pub fn reach(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    /// The stage that was reached last.
    pub fn stage(&self) -> Stage {
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Queued,
            1 => Stage::Connecting,
            2 => Stage::Sending,
            3 => Stage::AwaitingHead,
            _ => Stage::ReadingBody,
        }
    }

    /// The error of an exchange that is cut off now, because `what` (such as "the deadline of 2 s")
    /// passed.
    pub fn timed_out(&self, what: &str) -> BackendError {
        let stage = self.stage();
        let (phase, waiting_for) = match stage {
            Stage::Queued => (TimeoutPhase::Queue, "a free connection, stream or thread"),
            Stage::Connecting => (TimeoutPhase::Connect, "the connection"),
            Stage::Sending => (TimeoutPhase::Write, "the peer to take the request"),
            Stage::AwaitingHead => (TimeoutPhase::Head, "the response's head"),
            Stage::ReadingBody => (TimeoutPhase::Read, "the response's body"),
        };
        let delivery = if stage < Stage::Sending {
            Delivery::NotSent
        } else {
            Delivery::Unknown
        };
        BackendError::timeout(
            phase,
            format!("{what} passed while waiting for {waiting_for}"),
        )
        .with_delivery(delivery)
    }
}
