//! Outcomes one by one.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures::Stream;
use pr_core::{BackendError, NormalizedResponse};

use super::BatchProgress;
use crate::{BatchItem, Outcome, engine::Run};

/// A `Stream` of [`Outcome`]s, each as it completes, or in the order of the input if the batch
/// [says so](crate::BatchBuilder::ordered); from
/// [`ParallelRequests::stream`](crate::ParallelRequests::stream) and
/// [`BatchBuilder::stream`](crate::BatchBuilder::stream).
///
/// The work starts when the stream is first polled, and what is in flight then goes on by itself:
/// requests do not time out because you are slow with an outcome. (On a current-thread runtime it
/// goes on while you await something; if you block that thread, you block the requests on it.)
/// Input is pulled while you poll, as far as there is [room](crate::BatchBuilder#how-much-is-pulled),
/// and no more outcomes than that wait for you, however slow you are.
///
/// In a Tokio task it takes part in
/// [cooperative scheduling](https://docs.rs/tokio/latest/tokio/task/coop/index.html): after a number of
/// outcomes it is pending once although there are more, so that time limits and other branches of the
/// same task have their turn.
///
/// Every request that was pulled has its outcome, come what may: if what it ran on is gone, because
/// the client was closed or a runtime shut down, it is an error of kind
/// [`Closed`](crate::ErrorKind::Closed).
///
/// Dropping the stream cancels what is in flight and pulls no more input. On a current-thread
/// runtime that takes effect when the runtime next turns: one that nobody drives any more keeps what
/// is in flight on it, its places among the client's requests included, until it is dropped.
#[must_use = "streams do nothing until they are polled"]
pub struct Outcomes<K = (), T = NormalizedResponse> {
    run: Box<dyn PollOutcome<K, T> + Send>,
    progress: BatchProgress,
}

/// A run over whatever input.
trait PollOutcome<K, T> {
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Option<Outcome<K, T>>>;
}

impl<S, T, F> PollOutcome<<S::Item as BatchItem>::Key, T> for Run<S, T, F>
where
    S: Stream<Item: BatchItem> + Unpin,
    F: FnMut(NormalizedResponse) -> Result<T, BackendError>,
{
    fn poll_outcome(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Outcome<<S::Item as BatchItem>::Key, T>>> {
        self.poll_next(cx)
    }
}

impl<K, T> Outcomes<K, T> {
    pub(crate) fn new<S, F>(run: Run<S, T, F>, progress: BatchProgress) -> Self
    where
        S: Stream<Item: BatchItem<Key = K>> + Unpin + Send + 'static,
        F: FnMut(NormalizedResponse) -> Result<T, BackendError> + Send + 'static,
        K: Send + 'static,
        T: Send + 'static,
    {
        Self {
            run: Box::new(run),
            progress,
        }
    }

    /// The next outcome; `None` when every request has had its own.
    pub async fn next(&mut self) -> Option<Outcome<K, T>> {
        futures::StreamExt::next(self).await
    }

    /// How far it is, at any time and from anywhere.
    pub fn progress(&self) -> BatchProgress {
        self.progress.clone()
    }
}

impl<K, T> Stream for Outcomes<K, T> {
    type Item = Outcome<K, T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outcome<K, T>>> {
        self.run.poll_outcome(cx)
    }
}

impl<K, T> fmt::Debug for Outcomes<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcomes")
            .field("progress", &self.progress.snapshot())
            .finish_non_exhaustive()
    }
}
