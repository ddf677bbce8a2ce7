//! The client's own threads, on which requests and their connections run.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use pr_core::{BackendError, Delivery, ErrorKind};
use tokio::{
    runtime::{Builder, Handle, RuntimeFlavor},
    sync::{oneshot, watch},
};

/// Threads with a current-thread runtime each, started when there is the first use for them.
///
/// Whoever is on one of them has no other thread between himself and his connections, and other
/// people's tasks do not keep him waiting.
#[derive(Debug)]
pub(crate) struct Drivers {
    mode: Max,
    max: usize,
    state: Mutex<State>,
    /// Each thread holds a receiver for as long as it lives.
    alive: watch::Sender<()>,
}

/// How many threads there may be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Max {
    /// As many as processors; and none for callers on a current-thread runtime, who have what it
    /// takes.
    #[default]
    Automatic,
    /// So many, for everybody; with 0, callers bring the runtime.
    Of(usize),
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    started: Vec<Option<Driver>>,
}

#[derive(Debug)]
struct Driver {
    runtime: Handle,
    thread: JoinHandle<()>,
    /// Dropped, it tells the thread to end.
    _stay: oneshot::Sender<()>,
}

/// How many processors there are for us. To be asked once: the answer stands in several files.
pub(crate) fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

impl Drivers {
    pub(crate) fn new(mode: Max) -> Self {
        Self {
            mode,
            max: match mode {
                Max::Automatic => processors(),
                Max::Of(count) => count,
            },
            state: Mutex::default(),
            alive: watch::Sender::new(()),
        }
    }

    /// How many threads there may be.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Whether a caller here is to stay on his own runtime.
    pub(crate) fn stay_here(&self) -> bool {
        match self.mode {
            Max::Automatic => Handle::try_current()
                .is_ok_and(|here| here.runtime_flavor() == RuntimeFlavor::CurrentThread),
            Max::Of(count) => count == 0,
        }
    }

    /// The runtime of the thread of this number, which is below [`max`](Self::max).
    pub(crate) fn get(&self, number: usize) -> Result<Handle, fn() -> BackendError> {
        let mut state = self.state();
        if state.closed {
            return Err(BackendError::backend_closed);
        }
        if state.started.len() <= number {
            state.started.resize_with(number + 1, || None);
        }
        let place = &mut state.started[number];
        if let Some(driver) = place {
            return Ok(driver.runtime.clone());
        }
        let alive = self.alive.subscribe();
        let driver = Driver::start(number, alive).map_err(|_| no_thread as fn() -> _)?;
        let runtime = driver.runtime.clone();
        *place = Some(driver);
        Ok(runtime)
    }

    /// The runtime of a thread that there is already, or else of the first.
    pub(crate) fn any(&self) -> Result<Handle, fn() -> BackendError> {
        match self.started().into_iter().next() {
            Some(runtime) => Ok(runtime),
            None => self.get(0),
        }
    }

    /// The runtimes of the threads that there are.
    pub(crate) fn started(&self) -> Vec<Handle> {
        let state = self.state();
        let started = state.started.iter().flatten();
        started.map(|driver| driver.runtime.clone()).collect()
    }

    /// Ends all threads and waits until they have, whoever has told them to. Whatever still runs on
    /// them is dropped.
    pub(crate) async fn close(&self) {
        let threads = self.stop();
        self.alive.closed().await;
        for thread in threads {
            // It has nothing left to do, so this takes no time; and nothing on it panics.
            let _ = thread.join();
        }
    }

    /// Tells all threads to end.
    fn stop(&self) -> Vec<JoinHandle<()>> {
        let mut state = self.state();
        state.closed = true;
        let started = std::mem::take(&mut state.started).into_iter().flatten();
        started.map(|driver| driver.thread).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Drivers {
    fn drop(&mut self) {
        // Without waiting: this may be one of the threads.
        drop(self.stop());
    }
}

impl Driver {
    fn start(number: usize, alive: watch::Receiver<()>) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stay, told_to_end) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name(format!("requests-{}", number + 1))
            .spawn(move || {
                // An error is what this waits for: nothing is ever sent.
                let _ = runtime.block_on(told_to_end);
                // Name look-ups that the system is busy with are not waited for.
                runtime.shutdown_background();
                drop(alive);
            })?;
        Ok(Self {
            runtime: handle,
            thread,
            _stay: stay,
        })
    }
}

fn no_thread() -> BackendError {
    BackendError::new(
        ErrorKind::Other,
        "no thread could be started to drive requests on; the system has run out of threads or of \
         descriptors",
    )
    .with_delivery(Delivery::NotSent)
}
