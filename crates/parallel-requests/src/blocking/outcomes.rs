//! Outcomes as they complete, as an iterator.

use pollster::block_on;

use super::ParallelRequests;
use crate::Outcome;

/// An iterator over [`Outcome`]s, each as it completes; from
/// [`ParallelRequests::stream`].
///
/// As with the async [`Outcomes`](crate::Outcomes), requests keep moving while you are busy with an
/// outcome, within the client's concurrency. Dropping it cancels what is in flight.
#[derive(Debug)]
#[must_use = "iterators do nothing until they are advanced"]
pub struct Outcomes<'a, K = ()> {
    /// Keeps the client, and so the runtime that does the work, alive.
    _client: &'a ParallelRequests,
    outcomes: crate::Outcomes<K>,
}

impl<'a, K> Outcomes<'a, K> {
    pub(super) fn new(client: &'a ParallelRequests, outcomes: crate::Outcomes<K>) -> Self {
        Self {
            _client: client,
            outcomes,
        }
    }
}

impl<K> Iterator for Outcomes<'_, K> {
    type Item = Outcome<K>;

    fn next(&mut self) -> Option<Outcome<K>> {
        // The work runs on the client's own runtime, so that waiting for it needs none here and
        // loses no outcome wherever the iterator has been moved to.
        block_on(self.outcomes.next())
    }
}
