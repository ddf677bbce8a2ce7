//! Outcomes as they complete, as an iterator.

use pollster::block_on;
use pr_core::NormalizedResponse;

use crate::{BatchProgress, Outcome};

/// An iterator over [`Outcome`]s, each as it completes, or in the order of the input if the batch says
/// so; from
/// [`ParallelRequests::stream`](super::ParallelRequests::stream) and
/// [`BatchBuilder::stream`](super::BatchBuilder::stream).
///
/// As with the async [`Outcomes`](crate::Outcomes), requests keep moving while you are busy with an
/// outcome, within the client's concurrency. Dropping it cancels what is in flight.
///
/// Each step blocks its thread until there is an outcome. It cannot be made inside an async runtime, but
/// it can be moved there: do not step it in a task, or everything else on that thread waits as well.
/// [`spawn_blocking`](tokio::task::spawn_blocking) is for that, or the async
/// [`Outcomes`](crate::Outcomes).
#[derive(Debug)]
#[must_use = "iterators do nothing until they are advanced"]
pub struct Outcomes<K = (), T = NormalizedResponse> {
    outcomes: crate::Outcomes<K, T>,
}

impl<K, T> Outcomes<K, T> {
    pub(super) fn new(outcomes: crate::Outcomes<K, T>) -> Self {
        Self { outcomes }
    }

    /// As [`Outcomes::progress`](crate::Outcomes::progress).
    pub fn progress(&self) -> BatchProgress {
        self.outcomes.progress()
    }
}

impl<K, T> Iterator for Outcomes<K, T> {
    type Item = Outcome<K, T>;

    fn next(&mut self) -> Option<Outcome<K, T>> {
        // The work runs on the client's own threads, so that waiting for it needs no runtime here.
        block_on(self.outcomes.next())
    }
}
