//! The threads of a backend: how many there are, what they do next, and how they end.

use std::{
    collections::{HashMap, VecDeque},
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use pr_core::{BackendError, Delivery, ErrorKind};
use tokio::sync::watch;

use crate::{
    connector::Routes,
    exchange::{Exchange, Stop},
    worker::{Job, Worker},
};

/// A bounded number of threads, started when there is work for them and ended when there has been
/// none for a while.
///
/// They are our own because the runtime's threads for blocking work belong to the whole program:
/// slow peers must not keep it from reading its files.
pub(crate) struct Threads {
    max: usize,
    routes: Arc<Routes>,
    state: Mutex<State>,
    work: Condvar,
    /// Every thread holds a receiver for as long as it lives.
    alive: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// Exchanges that no thread has taken yet, by their tickets, which ascend.
    queue: VecDeque<(Ticket, Box<Job>)>,
    tickets: u64,
    /// What each busy thread carries out.
    running: HashMap<usize, Arc<Exchange>>,
    threads: HashMap<usize, JoinHandle<()>>,
    started: usize,
    /// Threads that will look at the queue before they sleep, or are asleep.
    free: usize,
    closed: bool,
}

/// What a thread without work does when.
struct Times {
    /// Looks after the connections, at the latest.
    wake: Instant,
    /// Ends.
    leave: Instant,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// How long a thread waits for work before it ends.
const PATIENCE: Duration = Duration::from_secs(10);

impl Threads {
    pub(crate) fn new(max: usize, routes: Routes) -> Arc<Self> {
        Arc::new(Self {
            max,
            routes: Arc::new(routes),
            state: Mutex::default(),
            work: Condvar::new(),
            alive: watch::Sender::new(()),
        })
    }

    /// Queues an exchange for the next free thread, and starts one if there is none.
    pub(crate) fn submit(self: &Arc<Self>, job: Job) -> Result<Ticket, BackendError> {
        let mut state = self.state();
        if state.closed {
            return Err(BackendError::backend_closed());
        }
        let ticket = Ticket(state.tickets);
        state.tickets += 1;
        state.queue.push_back((ticket, Box::new(job)));
        if state.queue.len() <= state.free {
            self.work.notify_one();
        } else if state.threads.len() < self.max
            && let Err(error) = self.start_thread(&mut state)
            // Otherwise the exchange waits for one of the threads that there are.
            && state.threads.is_empty()
        {
            state.queue.pop_back();
            return Err(
                BackendError::new(ErrorKind::Other, "no thread could be started")
                    .with_source(error)
                    .with_delivery(Delivery::NotSent),
            );
        }
        Ok(ticket)
    }

    /// Takes an exchange out of the queue; whether it was still there. It is dropped unsent.
    pub(crate) fn withdraw(&self, ticket: Ticket) -> bool {
        let mut state = self.state();
        let found = state
            .queue
            .binary_search_by_key(&ticket, |(queued, _)| *queued);
        let withdrawn = found.ok().and_then(|index| state.queue.remove(index));
        drop(state);
        // A request's body is the user's code, so it is not dropped under the lock.
        withdrawn.is_some()
    }

    /// Refuses new exchanges and ends all others. The threads end soon after; see
    /// [`ended`](Self::ended).
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let queued = std::mem::take(&mut state.queue);
        let running: Vec<_> = state.running.values().cloned().collect();
        drop(state);
        self.work.notify_all();
        for (_, job) in queued {
            // Whoever has stopped waiting need not be told.
            let _ = job.reply.send(Err(BackendError::backend_closed()));
        }
        for exchange in running {
            exchange.stop(Stop::Closed);
        }
        self.routes.pool.close();
    }

    /// Waits for the end of every thread. To be called after [`close`](Self::close).
    pub(crate) async fn ended(&self) {
        self.alive.closed().await;
        let threads = std::mem::take(&mut self.state().threads);
        for (_, thread) in threads {
            // It has nothing left to do, so that this takes no time. Panics are caught further up.
            let _ = thread.join();
        }
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let number = state.started + 1;
        let threads = Arc::clone(self);
        let alive = self.alive.subscribe();
        let thread = thread::Builder::new()
            .name(format!("pr-blocking-{number}"))
            .spawn(move || {
                threads.work(number);
                // All that the thread holds goes before the sign of its life does.
                drop(threads);
                drop(alive);
            })?;
        state.started = number;
        state.threads.insert(number, thread);
        state.free += 1;
        Ok(())
    }

    /// The life of one thread.
    fn work(&self, number: usize) {
        let mut worker = Worker::new(Arc::clone(&self.routes));
        while let Some(job) = self.next(number) {
            let last_word = worker.carry_out(*job);
            let mut state = self.state();
            state.running.remove(&number);
            state.free += 1;
            drop(state);
            if let Some(last_word) = last_word {
                last_word.say();
            }
        }
    }

    /// Waits for work; `None` when the thread has to end. Meanwhile it closes the connections that
    /// have been idle for too long.
    fn next(&self, number: usize) -> Option<Box<Job>> {
        let mut state = self.state();
        let mut times: Option<Times> = None;
        loop {
            if state.closed {
                state.free -= 1;
                return None;
            }
            if let Some((_, job)) = state.queue.pop_front() {
                state.free -= 1;
                state.running.insert(number, Arc::clone(&job.exchange));
                return Some(job);
            }
            let now = Instant::now();
            let times = times.get_or_insert_with(|| Times {
                wake: now + PATIENCE.min(self.routes.pool.idle_timeout()),
                leave: now + PATIENCE,
            });
            if now < times.wake {
                let waited = self.work.wait_timeout(state, times.wake - now);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            // Sockets are closed without the lock; there may be work afterwards.
            drop(state);
            let expiry = self.routes.pool.expire();
            state = self.state();
            if state.closed || !state.queue.is_empty() {
                continue;
            }
            let is_last = state.threads.len() == 1;
            times.wake = match expiry {
                Some(expiry) if now < times.leave => expiry.min(times.leave),
                None if now < times.leave => times.leave,
                // The last thread stays for as long as there are connections to be closed.
                Some(expiry) if is_last => expiry,
                _ => {
                    state.free -= 1;
                    // The handle is let go: nobody needs to wait for this thread.
                    state.threads.remove(&number);
                    return None;
                }
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock can panic between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Threads")
            .field("max", &self.max)
            .field("threads", &state.threads.len())
            .field("busy", &state.running.len())
            .field("queued", &state.queue.len())
            .field("pool", &self.routes.pool)
            .finish_non_exhaustive()
    }
}
