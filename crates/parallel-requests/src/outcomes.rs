//! Outcomes as they complete.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{FutureExt, Stream, future::BoxFuture};
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{Outcome, engine::Receiver};

/// A `Stream` of [`Outcome`]s, each as it completes; from
/// [`ParallelRequests::stream`](crate::ParallelRequests::stream).
///
/// The work starts when the stream is first polled and then goes on by itself, in a task of the
/// runtime, until as many outcomes are in flight or waiting here as the client's concurrency
/// allows. So requests do not time out because you are slow with an outcome, and memory stays
/// bounded however slow you are.
///
/// Dropping the stream cancels what is in flight and pulls no more input.
#[must_use = "streams do nothing until they are polled"]
pub struct Outcomes<K = ()> {
    work: Work,
    receiver: Receiver<K>,
    interrupted: bool,
}

enum Work {
    /// Not polled yet, or polled where there is no runtime to give it to.
    Here(BoxFuture<'static, ()>),
    Task(JoinHandle<()>),
    Done,
}

impl<K> Outcomes<K> {
    pub(crate) fn new(
        work: impl Future<Output = ()> + Send + 'static,
        receiver: Receiver<K>,
    ) -> Self {
        Self {
            work: Work::Here(Box::pin(work)),
            receiver,
            interrupted: false,
        }
    }

    /// Whether the stream ended early, because the runtime that did the work was shut down. Only
    /// then has a request no outcome here.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// The next outcome; `None` when every request has had its own.
    pub async fn next(&mut self) -> Option<Outcome<K>> {
        futures::StreamExt::next(self).await
    }

    /// Gives the work to the runtime that this is called in, if there is one.
    pub(crate) fn start(mut self) -> Self {
        self.hand_over();
        self
    }

    fn hand_over(&mut self) {
        if let (Work::Here(_), Ok(runtime)) = (&self.work, Handle::try_current())
            && let Work::Here(work) = std::mem::replace(&mut self.work, Work::Done)
        {
            self.work = Work::Task(runtime.spawn(work));
        }
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.hand_over();
        match &mut self.work {
            Work::Here(work) => ready!(work.poll_unpin(cx)),
            Work::Task(task) => {
                // A panic can only come from the caller's own iterator, or from the making of a
                // request of its items; it goes back to the caller.
                if let Err(error) = ready!(task.poll_unpin(cx)) {
                    match error.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(_) => self.interrupted = true,
                    }
                }
            }
            Work::Done => {}
        }
        self.work = Work::Done;
        Poll::Ready(())
    }
}

impl<K> Stream for Outcomes<K> {
    type Item = Outcome<K>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outcome<K>>> {
        if matches!(self.work, Work::Here(_)) {
            // What is polled here moves only now.
            let _ = self.poll_work(cx);
        }
        match self.receiver.poll_recv(cx) {
            Poll::Ready(None) => self.poll_work(cx).map(|()| None),
            polled => polled,
        }
    }
}

impl<K> Drop for Outcomes<K> {
    fn drop(&mut self) {
        if let Work::Task(task) = &self.work {
            task.abort();
        }
    }
}

impl<K> fmt::Debug for Outcomes<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcomes").finish_non_exhaustive()
    }
}

// Nothing in it is pinned in place: the work is boxed, and keys are only moved.
impl<K> Unpin for Outcomes<K> {}
