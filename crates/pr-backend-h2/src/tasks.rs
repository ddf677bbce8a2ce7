//! An account of the tasks that a backend has running, so that closing it can end them and wait.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use tokio::sync::Notify;

/// The running tasks of one backend.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: Mutex<Running>,
    all_ended: Notify,
}

#[derive(Debug, Default)]
struct Running {
    closed: bool,
    next: u64,
    stops: HashMap<u64, Arc<Stop>>,
}

/// Tells one task to end.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    told: AtomicBool,
    waker: AtomicWaker,
}

/// Belongs to one task and lives as long as it does. A runtime that shuts down drops its tasks and
/// these with them, so that nobody waits for a task that is gone.
#[derive(Debug)]
pub(crate) struct TaskGuard {
    number: u64,
    stop: Arc<Stop>,
    tasks: Arc<Tasks>,
}

impl Tasks {
    /// Counts a task that is about to be spawned; `None` once [`stop_all`](Self::stop_all) was
    /// called.
    pub(crate) fn register(self: &Arc<Self>) -> Option<TaskGuard> {
        let mut running = self.lock();
        if running.closed {
            return None;
        }
        let number = running.next;
        running.next += 1;
        let stop = Arc::<Stop>::default();
        running.stops.insert(number, stop.clone());
        drop(running);
        Some(TaskGuard {
            number,
            stop,
            tasks: self.clone(),
        })
    }

    /// Lets no task begin any more and tells those that run to end.
    pub(crate) fn stop_all(&self) {
        let stops: Vec<_> = {
            let mut running = self.lock();
            running.closed = true;
            running.stops.values().cloned().collect()
        };
        for stop in stops {
            stop.now();
        }
    }

    /// Waits until no task is running.
    pub(crate) async fn all_ended(&self) {
        loop {
            let mut notified = pin!(self.all_ended.notified());
            notified.as_mut().enable();
            if self.lock().stops.is_empty() {
                return;
            }
            notified.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stop {
    /// Tells the task to end. It may have ended already.
    pub(crate) fn now(&self) {
        self.told.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl TaskGuard {
    /// By which the task can be told to end.
    pub(crate) fn stop(&self) -> Arc<Stop> {
        self.stop.clone()
    }

    /// Ready when the task has been told to end.
    pub(crate) fn poll_stopped(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.stop.waker.register(cx.waker());
        if self.stop.told.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// What the future yields; `None` if the task is told to end before.
    pub(crate) async fn unless_stopped<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| match self.poll_stopped(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => future.as_mut().poll(cx).map(Some),
        })
        .await
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        let mut running = self.tasks.lock();
        running.stops.remove(&self.number);
        let none_left = running.stops.is_empty();
        drop(running);
        if none_left {
            self.tasks.all_ended.notify_waiters();
        }
    }
}
