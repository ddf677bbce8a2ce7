//! Outcomes as they complete.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures::Stream;

use crate::{BatchItem, Outcome, engine::Run};

/// A `Stream` of [`Outcome`]s, each as it completes; from
/// [`ParallelRequests::stream`](crate::ParallelRequests::stream).
///
/// The work starts when the stream is first polled, and what is in flight then goes on by itself:
/// requests do not time out because you are slow with an outcome. (On a current-thread runtime it
/// goes on while you await something; if you block that thread, you block the requests on it.)
/// Input is pulled while you poll, as far as there is room: what is in flight, what waits for its turn and what waits here together
/// are at most twice the client's concurrency, however slow you are.
///
/// Every request that was pulled has its outcome, come what may: if what it ran on is gone, because
/// the client was closed or a runtime shut down, it is an error of kind
/// [`Closed`](crate::ErrorKind::Closed).
///
/// Dropping the stream cancels what is in flight and pulls no more input. On a current-thread
/// runtime that takes effect when the runtime next turns: one that nobody drives any more keeps what
/// is in flight on it, its places among the client's requests included, until it is dropped.
#[must_use = "streams do nothing until they are polled"]
pub struct Outcomes<K = ()> {
    run: Box<dyn PollOutcome<K> + Send>,
}

/// A run over whatever input.
trait PollOutcome<K> {
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Option<Outcome<K>>>;
}

impl<I: Iterator<Item: BatchItem>> PollOutcome<<I::Item as BatchItem>::Key> for Run<I> {
    fn poll_outcome(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Outcome<<I::Item as BatchItem>::Key>>> {
        self.poll_next(cx)
    }
}

impl<K> Outcomes<K> {
    pub(crate) fn new<I>(run: Run<I>) -> Self
    where
        I: Iterator<Item: BatchItem<Key = K>> + Send + 'static,
        K: Send + 'static,
    {
        Self { run: Box::new(run) }
    }

    /// The next outcome; `None` when every request has had its own.
    pub async fn next(&mut self) -> Option<Outcome<K>> {
        futures::StreamExt::next(self).await
    }
}

impl<K> Stream for Outcomes<K> {
    type Item = Outcome<K>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outcome<K>>> {
        self.run.poll_outcome(cx)
    }
}

impl<K> fmt::Debug for Outcomes<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcomes").finish_non_exhaustive()
    }
}
