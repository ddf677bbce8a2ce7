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
use pr_core::BackendError;
use tokio::{
    runtime::{Handle, Id, RuntimeFlavor},
    sync::Notify,
};

/// The running tasks of one backend.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: Mutex<Running>,
    one_ended: Notify,
}

#[derive(Debug, Default)]
struct Running {
    closed: bool,
    next: u64,
    tasks: HashMap<u64, Task>,
}

#[derive(Debug)]
struct Task {
    stop: Arc<Stop>,
    /// The runtime without whose turning the task cannot end; `None` if that has threads of its
    /// own.
    driven_by: Option<Id>,
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

/// The runtime that we are on.
pub(crate) fn current_runtime() -> Result<Handle, BackendError> {
    Handle::try_current().map_err(|error| BackendError::no_runtime().with_source(error))
}

impl Tasks {
    /// Counts a task that is about to be spawned on this runtime. Fails once
    /// [`stop_all`](Self::stop_all) was called.
    pub(crate) fn register(self: &Arc<Self>, runtime: &Handle) -> Result<TaskGuard, BackendError> {
        let stop = Arc::<Stop>::default();
        let driven = runtime.runtime_flavor() == RuntimeFlavor::CurrentThread;
        let task = Task {
            stop: stop.clone(),
            driven_by: driven.then(|| runtime.id()),
        };
        let mut running = self.lock();
        if running.closed {
            return Err(BackendError::backend_closed());
        }
        let number = running.next;
        running.next += 1;
        running.tasks.insert(number, task);
        drop(running);
        Ok(TaskGuard {
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
            let tasks = running.tasks.values();
            tasks.map(|task| task.stop.clone()).collect()
        };
        for stop in stops {
            stop.now();
        }
    }

    /// Waits until the tasks have ended. Those on a current-thread runtime other than the caller's
    /// are not waited for: they can end only while somebody drives it, or drops it.
    pub(crate) async fn ended(&self) {
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        let is_awaited = |task: &Task| task.driven_by.is_none() || task.driven_by == here;
        loop {
            let mut one_ended = pin!(self.one_ended.notified());
            // Before looking, so that an end between the two is not missed.
            one_ended.as_mut().enable();
            if !self.lock().tasks.values().any(is_awaited) {
                return;
            }
            one_ended.await;
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
        self.wake();
    }

    /// Lets the task look around, and go on.
    pub(crate) fn wake(&self) {
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
        let task = self.tasks.lock().tasks.remove(&self.number);
        drop(task);
        self.tasks.one_ended.notify_waiters();
    }
}
