//! What the threads of a backend have to do: exchanges that wait for one, and tasks that were woken.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use pr_core::{BackendError, Delivery, ErrorKind};
use tokio::sync::watch;

use crate::{
    connector::Routes,
    exchange::{Exchange, Stop},
    spare::Spare,
    tasks::{self, Tasks},
    worker::Job,
};

/// A bounded number of threads, started when there is work for them and ended when there has been
/// none for a while.
///
/// They are our own because the runtime's threads for blocking work belong to the whole program:
/// slow peers must not keep it from reading its files.
///
/// Their work is of two kinds. An exchange blocks its thread. Polling a task does not, and comes
/// first, so that the exchange that it asks for is begun by the thread that polled it. If there is
/// no thread that does not block, a spare one beyond the bound polls tasks, and does nothing else.
pub(crate) struct Threads {
    pub(crate) max: usize,
    pub(crate) routes: Arc<Routes>,
    state: Mutex<State>,
    pub(crate) work: Condvar,
    /// What the spare thread sleeps on: it is not to be woken for an exchange.
    pub(crate) spare_work: Condvar,
    /// How much there is to do, for those who look without the lock.
    waiting: AtomicUsize,
    /// Every thread holds a receiver for as long as it lives, and every task too.
    pub(crate) alive: watch::Sender<()>,
}

#[derive(Default)]
pub(crate) struct State {
    /// Exchanges that no thread has taken yet, by their tickets, which ascend.
    pub(crate) queue: VecDeque<(Ticket, Box<Job>)>,
    tickets: u64,
    pub(crate) tasks: Tasks,
    /// A seat for each thread, and those that threads have left.
    pub(crate) seats: Vec<Option<Seat>>,
    pub(crate) threads: usize,
    /// Threads that will look for work before they sleep, or are asleep.
    pub(crate) free: usize,
    /// Those of them that are awake, or have been woken.
    pub(crate) awake: usize,
    /// Those of them that have been woken and do not know it yet.
    pub(crate) woken: usize,
    /// Threads that poll a task. They will look for work when they have done with it.
    pub(crate) polling: usize,
    pub(crate) spare: Spare,
    pub(crate) closed: bool,
}

/// What is known of a thread.
pub(crate) struct Seat {
    pub(crate) handle: JoinHandle<()>,
    /// What it carries out.
    pub(crate) exchange: Option<Arc<Exchange>>,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// Who is to be woken as soon as the lock has gone.
#[must_use]
pub(crate) enum Call {
    Nobody,
    AThread,
    TheSpare,
}

impl Threads {
    pub(crate) fn new(max: usize, routes: Routes) -> Arc<Self> {
        Arc::new(Self {
            max,
            routes: Arc::new(routes),
            state: Mutex::default(),
            work: Condvar::new(),
            spare_work: Condvar::new(),
            waiting: AtomicUsize::new(0),
            alive: watch::Sender::new(()),
        })
    }

    /// Queues an exchange for the next free thread, and starts one if there is none.
    pub(crate) fn submit(self: &Arc<Self>, job: Job) -> Result<Ticket, BackendError> {
        let job = Box::new(job);
        let mut state = self.state();
        if state.closed {
            return Err(BackendError::backend_closed());
        }
        let ticket = Ticket(state.tickets);
        state.tickets += 1;
        state.queue.push_back((ticket, job));
        match self.call_for_help(&mut state) {
            Ok(call) => self.wake(state, &call),
            Err(error) if state.threads == 0 => {
                let unsent = state.queue.pop_back();
                self.publish(&state);
                drop(state);
                drop(unsent);
                return Err(
                    BackendError::new(ErrorKind::Other, "no thread could be started")
                        .with_source(error)
                        .with_delivery(Delivery::NotSent),
                );
            }
            // It waits for one of the threads that there are.
            Err(_) => self.wake(state, &Call::Nobody),
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
        self.publish(&state);
        drop(state);
        // A request's body is the user's code, so it is not dropped under the lock.
        withdrawn.is_some()
    }

    /// Refuses new exchanges and tasks and ends all others. The threads end soon after; see
    /// [`ended`](Self::ended).
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let queued = std::mem::take(&mut state.queue);
        let running: Vec<_> = state
            .seats
            .iter()
            .flatten()
            .filter_map(|seat| seat.exchange.clone())
            .collect();
        let handles = state.tasks.close();
        self.publish(&state);
        drop(state);
        self.work.notify_all();
        self.spare_work.notify_all();
        self.drop_tasks(handles);
        for (_, job) in queued {
            // Whoever has stopped waiting need not be told.
            let _ = job.reply.send(Err(BackendError::backend_closed()));
        }
        for exchange in running {
            exchange.stop(Stop::Closed);
        }
        self.routes.pool.close();
        self.routes.dialer.close();
    }

    /// Closes the connections that are idle, and those in use when their exchanges have ended, and
    /// forgets where names lead.
    pub(crate) fn reset_connections(&self) {
        // First the names: what is dialed after the pool's reset counts as new, and must not have
        // gone by an old one.
        self.routes.dialer.forget_names();
        self.routes.pool.reset();
    }

    /// Waits for the end of every thread and every task. To be called after
    /// [`close`](Self::close).
    pub(crate) async fn ended(&self) {
        self.alive.closed().await;
        let mut state = self.state();
        let seats = std::mem::take(&mut state.seats);
        let spare = std::mem::take(&mut state.spare);
        drop(state);
        let handles = seats.into_iter().flatten().map(|seat| seat.handle);
        for handle in handles.chain(spare.into_handle()) {
            // It has nothing left to do, so that this takes no time. Panics are caught further up.
            let _ = handle.join();
        }
    }

    /// Sees to it that somebody comes for what has just been added, if nobody does anyway. Waking
    /// a thread costs more than all else here.
    pub(crate) fn call_for_help(self: &Arc<Self>, state: &mut State) -> io::Result<Call> {
        // What a task asks for is for the thread that polls it, and as it is not said which of
        // them takes what, those that poll other tasks count as well. To anybody else a thread
        // that polls a task is busy, for who knows how long.
        let polling = if tasks::is_polled_by(self) {
            state.polling
        } else {
            0
        };
        self.call_if_short(state, state.awake + polling)
    }

    /// The same, when these many are bound to come.
    pub(crate) fn call_if_short(
        self: &Arc<Self>,
        state: &mut State,
        coming: usize,
    ) -> io::Result<Call> {
        if state.waiting() <= coming {
            return Ok(Call::Nobody);
        }
        if state.free > state.awake {
            state.awake += 1;
            state.woken += 1;
            return Ok(Call::AThread);
        }
        if state.threads < self.max {
            self.start_thread(state)?;
            return Ok(Call::Nobody);
        }
        if coming > 0 || !state.tasks.is_any_ready() {
            return Ok(Call::Nobody);
        }
        self.call_spare(state)
    }

    /// Lets go of the lock and wakes whoever is to be woken.
    pub(crate) fn wake(&self, state: MutexGuard<'_, State>, call: &Call) {
        self.publish(&state);
        drop(state);
        match call {
            Call::Nobody => {}
            Call::AThread => self.work.notify_one(),
            Call::TheSpare => self.spare_work.notify_one(),
        }
    }

    pub(crate) fn publish(&self, state: &State) {
        self.waiting.store(state.waiting(), Ordering::Relaxed);
    }

    /// Whether there seems to be something to do.
    pub(crate) fn is_work_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock can panic between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How much there is to do.
    fn waiting(&self) -> usize {
        self.queue.len() + self.tasks.ready()
    }

    pub(crate) fn is_any_waiting(&self) -> bool {
        self.waiting() > 0
    }

    pub(crate) fn carries(&mut self, number: usize, exchange: Option<Arc<Exchange>>) {
        if let Some(Some(seat)) = self.seats.get_mut(number) {
            seat.exchange = exchange;
        }
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Threads")
            .field("max", &self.max)
            .field("threads", &state.threads)
            .field("free", &state.free)
            .field("queued", &state.queue.len())
            .field("tasks", &state.tasks)
            .field("pool", &self.routes.pool)
            .finish_non_exhaustive()
    }
}
