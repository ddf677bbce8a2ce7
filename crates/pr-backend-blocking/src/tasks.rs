//! Tasks that a backend's threads poll: which there are, which were woken, and how they end.

use std::{
    cell::Cell,
    collections::{HashMap, VecDeque},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_task::Runnable;
use pr_core::Task;
use tokio::sync::watch;

use crate::threads::{Call, Threads};

/// The tasks that have not ended.
#[derive(Default)]
pub(crate) struct Tasks {
    /// Those that are to be polled, in the order in which they were woken.
    ready: VecDeque<Runnable>,
    /// All of them. Dropping its handle cancels a task, also one that nobody is going to wake.
    handles: HashMap<u64, Handle>,
    numbers: u64,
    /// Whether those that were cancelled have been taken out, so that nobody comes for more.
    cleared: bool,
}

/// The hold on a task.
pub(crate) type Handle = async_task::Task<()>;

thread_local! {
    /// Where the [`Threads`] are for which this thread polls a task; 0 if it does not.
    static POLLED_BY: Cell<usize> = const { Cell::new(0) };
}

/// Whether the caller is a task on one of these threads.
pub(crate) fn is_polled_by(threads: &Threads) -> bool {
    POLLED_BY.get() == address(threads)
}

fn address(threads: &Threads) -> usize {
    std::ptr::from_ref(threads).addr()
}

impl Threads {
    /// Takes a task over, or gives it back: if closed, or if there is no thread to poll it.
    pub(crate) fn spawn(self: &Arc<Self>, task: Task) -> Result<(), Task> {
        let mut state = self.state();
        if state.closed || state.threads == 0 && self.start_thread(&mut state).is_err() {
            return Err(task);
        }
        let number = state.tasks.numbers;
        state.tasks.numbers += 1;
        let registered = Registered {
            task: Some(task),
            number,
            threads: Arc::clone(self),
            _alive: self.alive.subscribe(),
        };
        let threads = Arc::clone(self);
        let (runnable, handle) =
            async_task::spawn(registered, move |runnable| threads.schedule(runnable));
        state.tasks.handles.insert(number, handle);
        state.tasks.ready.push_back(runnable);
        // There is at least one thread, so that the task is polled at some time.
        let call = self.call_for_help(&mut state).unwrap_or(Call::Nobody);
        self.wake(state, &call);
        Ok(())
    }

    /// Queues a task that was woken.
    fn schedule(self: &Arc<Self>, runnable: Runnable) {
        let mut state = self.state();
        if state.tasks.cleared {
            drop(state);
            return quietly(|| drop(runnable));
        }
        state.tasks.ready.push_back(runnable);
        let call = if state.closed {
            // Whoever is closing comes to drop it.
            Call::Nobody
        } else {
            // As long as there are tasks there is a thread. If no other can be started, they wait
            // for it.
            self.call_for_help(&mut state).unwrap_or(Call::Nobody)
        };
        self.wake(state, &call);
    }

    /// Polls a task, on a thread that carries out exchanges too.
    pub(crate) fn poll(&self, runnable: Runnable) {
        POLLED_BY.set(address(self));
        poll_only(runnable);
        POLLED_BY.set(0);
    }

    /// Drops the tasks that these handles are for. One that is being polled is dropped by the
    /// thread that polls it.
    pub(crate) fn drop_tasks(&self, handles: Vec<Handle>) {
        for handle in handles {
            quietly(|| drop(handle));
        }
        let mut state = self.state();
        state.tasks.cleared = true;
        let ready = std::mem::take(&mut state.tasks.ready);
        self.publish(&state);
        drop(state);
        for runnable in ready {
            quietly(|| drop(runnable));
        }
    }
}

/// Polls a task, on a thread that does nothing else.
pub(crate) fn poll_only(runnable: Runnable) {
    // A task that was woken while it was polled has been queued again.
    quietly(|| {
        runnable.run();
    });
}

/// Runs what may panic because it is the user's. A task that panics is gone, and nothing else.
fn quietly(action: impl FnOnce()) {
    // The panic has been reported, by the hook of the program.
    let _ = catch_unwind(AssertUnwindSafe(action));
}

impl Tasks {
    /// The task that was woken first.
    pub(crate) fn next(&mut self) -> Option<Runnable> {
        self.ready.pop_front()
    }

    /// How many are to be polled.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    pub(crate) fn is_any_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(crate) fn is_any_left(&self) -> bool {
        !self.handles.is_empty()
    }

    /// The handles of all of them, to be dropped without the lock.
    pub(crate) fn close(&mut self) -> Vec<Handle> {
        self.handles.drain().map(|(_, handle)| handle).collect()
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("ready", &self.ready.len())
            .field("all", &self.handles.len())
            .finish_non_exhaustive()
    }
}

/// A task that is crossed off when it is dropped, ended or not.
struct Registered {
    // Present until the drop.
    task: Option<Task>,
    number: u64,
    threads: Arc<Threads>,
    /// Outlives the task.
    _alive: watch::Receiver<()>,
}

impl Future for Registered {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.task {
            Some(task) => task.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let handle = self.threads.state().tasks.handles.remove(&self.number);
        // Not under the lock: cancelling a task may queue it.
        drop(handle);
        // Out of here a panic would end the process.
        let task = self.task.take();
        quietly(|| drop(task));
    }
}
