//! How many exchanges a backend in memory has had, and how they ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// The counts of a [`MemoryBackend`](crate::MemoryBackend).
///
/// ```
/// let counts = pr_testkit::MemoryBackend::routes().counts();
/// assert_eq!((counts.begun, counts.in_flight()), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryCounts {
    /// Exchanges that were asked for; those refused by a closed backend are not among them.
    pub begun: u64,
    /// Exchanges whose response was read to its end.
    pub answered: u64,
    /// Exchanges that ended in an error, in the body too.
    pub failed: u64,
    /// Exchanges that were dropped before their end, in the body too.
    pub dropped: u64,
    /// The most exchanges that were begun and not yet ended at a time.
    pub max_in_flight: u64,
}

impl MemoryCounts {
    /// Exchanges that are begun and not yet ended.
    pub fn in_flight(&self) -> u64 {
        self.begun
            .saturating_sub(self.answered + self.failed + self.dropped)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    begun: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    in_flight: AtomicU64,
    max_in_flight: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> MemoryCounts {
        // What ends is read before what begins, so that no exchange is seen to end before it began.
        let (answered, failed, dropped) = (
            self.answered.load(SeqCst),
            self.failed.load(SeqCst),
            self.dropped.load(SeqCst),
        );
        MemoryCounts {
            begun: self.begun.load(SeqCst),
            answered,
            failed,
            dropped,
            max_in_flight: self.max_in_flight.load(SeqCst),
        }
    }

    pub(super) fn begin(counters: &Arc<Self>) -> InFlight {
        let number = counters.begun.fetch_add(1, SeqCst);
        let now = counters.in_flight.fetch_add(1, SeqCst) + 1;
        counters.max_in_flight.fetch_max(now, SeqCst);
        InFlight {
            number,
            counters: counters.clone(),
            end: End::Dropped,
        }
    }
}

/// One exchange until it ends; dropped without a word, it was dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    number: u64,
    counters: Arc<Counters>,
    end: End,
}

#[derive(Debug)]
enum End {
    Answered,
    Failed,
    Dropped,
}

impl InFlight {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn answered(mut self) {
        self.end = End::Answered;
    }

    pub(super) fn failed(mut self) {
        self.end = End::Failed;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.counters.in_flight.fetch_sub(1, SeqCst);
        let count = match self.end {
            End::Answered => &self.counters.answered,
            End::Failed => &self.counters.failed,
            End::Dropped => &self.counters.dropped,
        };
        count.fetch_add(1, SeqCst);
    }
}
