//! The tasks behind the connections: counted, so that closing can end them and wait for the end.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    runtime::{Handle, Id, RuntimeFlavor},
    sync::{Notify, futures::Notified},
    task::AbortHandle,
};

/// The tasks of one pool.
#[derive(Default)]
pub(crate) struct Tasks {
    /// Set once, and under the lock of `live`, so that no task starts unseen afterwards. Apart from
    /// it because every exchange looks here.
    shut_down: AtomicBool,
    live: Mutex<Live>,
    closing: Notify,
    one_ended: Notify,
}

#[derive(Default)]
struct Live {
    tasks: HashMap<u64, Entry>,
    next: u64,
}

struct Entry {
    /// `None` in the moment between being counted and being spawned.
    task: Option<AbortHandle>,
    runtime: Id,
    flavor: RuntimeFlavor,
}

/// A task that runs. Dropping this does nothing to it.
#[derive(Debug)]
pub(crate) struct Task(AbortHandle);

impl Task {
    pub(crate) fn abort(&self) {
        self.0.abort();
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Tasks {
    /// Runs a future on a runtime until it ends or everything is shut down; `None` if it has been.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        runtime: &Handle,
        future: impl Future<Output = ()> + Send + Unpin + 'static,
    ) -> Option<Task> {
        let id = self.enter(runtime)?;
        let counted = Counted {
            future,
            _presence: Presence {
                tasks: Arc::clone(self),
                id,
            },
        };
        let task = runtime.spawn(counted).abort_handle();
        // Spawning cannot be done under the lock, because a runtime that is shutting down drops
        // the future, and with it the presence, right there.
        if let Some(entry) = self.lock().tasks.get_mut(&id) {
            entry.task = Some(task.clone());
        }
        if self.is_shut_down() {
            task.abort();
        }
        Some(Task(task))
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Acquire)
    }

    /// Resolves when everything is shut down after this call; look at
    /// [`is_shut_down`](Self::is_shut_down) for before.
    pub(crate) fn closing(&self) -> Notified<'_> {
        self.closing.notified()
    }

    /// Refuses new tasks and tells all that there are to end.
    pub(crate) fn shut_down(&self) {
        let live = self.lock();
        self.shut_down.store(true, Ordering::Release);
        let tasks: Vec<_> = live
            .tasks
            .values()
            .filter_map(|entry| entry.task.clone())
            .collect();
        drop(live);
        for task in tasks {
            task.abort();
        }
        self.closing.notify_waiters();
    }

    /// Waits until all tasks have ended that will end without the caller's doing: a current-thread
    /// runtime that the caller is not on may never run again.
    pub(crate) async fn ended(&self) {
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        loop {
            let one_ended = self.one_ended.notified();
            let waits = self.lock().tasks.values().any(|entry| {
                entry.flavor != RuntimeFlavor::CurrentThread || Some(entry.runtime) == here
            });
            if !waits {
                return;
            }
            one_ended.await;
        }
    }

    fn enter(&self, runtime: &Handle) -> Option<u64> {
        let mut live = self.lock();
        if self.is_shut_down() {
            return None;
        }
        let id = live.next;
        live.next += 1;
        let entry = Entry {
            task: None,
            runtime: runtime.id(),
            flavor: runtime.runtime_flavor(),
        };
        live.tasks.insert(id, entry);
        Some(id)
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        // Every section under the lock is a single step, so a poisoned one is still whole.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A future, and the fact that it has not ended. The order matters: fields are dropped in it, so
/// the future's socket is closed before the task counts as ended.
struct Counted<F> {
    future: F,
    _presence: Presence,
}

impl<F: Future<Output = ()> + Unpin> Future for Counted<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.future).poll(cx)
    }
}

struct Presence {
    tasks: Arc<Tasks>,
    id: u64,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.tasks.lock().tasks.remove(&self.id);
        self.tasks.one_ended.notify_waiters();
    }
}
