//! Outcomes as they complete, as an iterator.

use pollster::block_on;

use crate::Outcome;

/// An iterator over [`Outcome`]s, each as it completes; from
/// [`ParallelRequests::stream`](super::ParallelRequests::stream).
///
/// As with the async [`Outcomes`](crate::Outcomes), requests keep moving while you are busy with an
/// outcome, within the client's concurrency. Dropping it cancels what is in flight.
#[derive(Debug)]
#[must_use = "iterators do nothing until they are advanced"]
pub struct Outcomes<K = ()> {
    outcomes: crate::Outcomes<K>,
}

impl<K> Outcomes<K> {
    pub(super) fn new(outcomes: crate::Outcomes<K>) -> Self {
        Self { outcomes }
    }
}

impl<K> Iterator for Outcomes<K> {
    type Item = Outcome<K>;

    fn next(&mut self) -> Option<Outcome<K>> {
        // The work runs on the client's own threads, so that waiting for it needs no runtime here.
        block_on(self.outcomes.next())
    }
}
