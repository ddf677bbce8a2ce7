//! The threads of a backend: how many there are, what they do next, and how they end.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
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
    /// The length of the queue, for those who look without the lock.
    queued: AtomicUsize,
    /// Every thread holds a receiver for as long as it lives.
    alive: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// Exchanges that no thread has taken yet, by their tickets, which ascend.
    queue: VecDeque<(Ticket, Box<Job>)>,
    tickets: u64,
    /// A seat for each thread, and those that threads have left.
    seats: Vec<Option<Seat>>,
    threads: usize,
    /// Threads that will look at the queue before they sleep, or are asleep.
    free: usize,
    /// Those of them that are awake.
    lingering: usize,
    closed: bool,
}

/// What is known of a thread.
struct Seat {
    handle: JoinHandle<()>,
    /// What it carries out.
    exchange: Option<Arc<Exchange>>,
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

/// How long a thread waits for work before it ends. Unit tests have less of it.
const PATIENCE: Duration = if cfg!(test) {
    Duration::from_millis(50)
} else {
    Duration::from_secs(10)
};
/// How often a thread that has done with an exchange lets others run, the caller perhaps, before it
/// goes to sleep. Waking a thread on an idle processor takes longer than a small response, so that
/// a few requests at a time are carried out up to twice as fast; many at a time cost the same.
const LINGER: usize = 20;

impl Threads {
    pub(crate) fn new(max: usize, routes: Routes) -> Arc<Self> {
        Arc::new(Self {
            max,
            routes: Arc::new(routes),
            state: Mutex::default(),
            work: Condvar::new(),
            queued: AtomicUsize::new(0),
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
        self.publish(&state);
        let queued = state.queue.len();
        if queued > state.free && state.threads < self.max {
            if let Err(error) = self.start_thread(&mut state)
                // Otherwise the exchange waits for one of the threads that there are.
                && state.threads == 0
            {
                state.queue.pop_back();
                self.publish(&state);
                return Err(
                    BackendError::new(ErrorKind::Other, "no thread could be started")
                        .with_source(error)
                        .with_delivery(Delivery::NotSent),
                );
            }
        } else if queued > state.lingering && queued <= state.free {
            drop(state);
            self.work.notify_one();
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

    /// Refuses new exchanges and ends all others. The threads end soon after; see
    /// [`ended`](Self::ended).
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let queued = std::mem::take(&mut state.queue);
        self.publish(&state);
        let running: Vec<_> = state
            .seats
            .iter()
            .flatten()
            .filter_map(|seat| seat.exchange.clone())
            .collect();
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
        let seats = std::mem::take(&mut self.state().seats);
        for seat in seats.into_iter().flatten() {
            // It has nothing left to do, so that this takes no time. Panics are caught further up.
            let _ = seat.handle.join();
        }
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let vacant = state.seats.iter().position(Option::is_none);
        let number = vacant.unwrap_or(state.seats.len());
        let threads = Arc::clone(self);
        let alive = self.alive.subscribe();
        let name = format!("pr-blocking-{}", number + 1);
        let handle = thread::Builder::new().name(name).spawn(move || {
            threads.work(number);
            // All that the thread holds goes before the sign of its life does.
            drop(threads);
            drop(alive);
        })?;
        let seat = Some(Seat {
            handle,
            exchange: None,
        });
        match vacant {
            Some(vacant) => state.seats[vacant] = seat,
            None => state.seats.push(seat),
        }
        state.threads += 1;
        state.free += 1;
        state.lingering += 1;
        Ok(())
    }

    /// The life of one thread.
    fn work(&self, number: usize) {
        let mut worker = Worker::new(Arc::clone(&self.routes));
        while let Some(job) = self.next(number) {
            let last_word = worker.carry_out(*job);
            let mut state = self.state();
            state.carries(number, None);
            state.free += 1;
            state.lingering += 1;
            drop(state);
            if let Some(last_word) = last_word {
                last_word.say();
            }
            for _ in 0..LINGER {
                if self.queued.load(Ordering::Relaxed) > 0 {
                    break;
                }
                thread::yield_now();
            }
        }
    }

    /// Waits for work; `None` when the thread has to end. Meanwhile it closes the connections that
    /// have been idle for too long.
    fn next(&self, number: usize) -> Option<Box<Job>> {
        let mut state = self.state();
        state.lingering -= 1;
        let mut times: Option<Times> = None;
        loop {
            if state.closed {
                state.free -= 1;
                return None;
            }
            if let Some((_, job)) = state.queue.pop_front() {
                self.publish(&state);
                state.free -= 1;
                state.carries(number, Some(Arc::clone(&job.exchange)));
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
            times.wake = match expiry {
                Some(expiry) if now < times.leave => expiry.min(times.leave),
                None if now < times.leave => times.leave,
                // The last thread stays for as long as there are connections to be closed.
                Some(expiry) if state.threads == 1 => expiry,
                _ => {
                    state.free -= 1;
                    state.threads -= 1;
                    // The handle is let go: nobody needs to wait for this thread.
                    state.seats[number] = None;
                    return None;
                }
            };
        }
    }

    fn publish(&self, state: &State) {
        self.queued.store(state.queue.len(), Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock can panic between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn carries(&mut self, number: usize, exchange: Option<Arc<Exchange>>) {
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
            .field("pool", &self.routes.pool)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use pr_core::{ConnectionKey, ExchangeRequest, ProtocolChoice, TransportConfig};
    use pr_testkit::Server;
    use tokio::sync::oneshot;
    use url::Url;

    use super::*;
    use crate::{dial::Dialer, pool::Pool};

    /// How long a test waits for what is bound to happen.
    const BOUND: Duration = Duration::from_secs(20);

    fn threads(config: &TransportConfig) -> Arc<Threads> {
        let routes = Routes {
            pool: Arc::new(Pool::new(config)),
            dialer: Dialer::new(config).unwrap(),
        };
        Threads::new(4, routes)
    }

    fn get(threads: &Arc<Threads>, server: &Server) {
        let url = Url::parse(&server.url("/status/204")).unwrap();
        let key = ConnectionKey::new(&url, None, true, ProtocolChoice::Negotiate).unwrap();
        let request = ExchangeRequest::new(Method::GET, url.as_str().parse().unwrap(), key);
        let exchange = Arc::new(Exchange::new(request.progress.clone()));
        let (reply, answer) = oneshot::channel();
        let job = Job {
            request,
            exchange,
            runtime: None,
            reply,
        };
        threads.submit(job).unwrap();
        answer.blocking_recv().unwrap().unwrap();
    }

    fn wait_until_there_are_none(threads: &Threads) -> Duration {
        let begun = Instant::now();
        while threads.state().threads > 0 {
            assert!(begun.elapsed() < BOUND, "{threads:?}");
            thread::sleep(Duration::from_millis(1));
        }
        begun.elapsed()
    }

    #[test]
    fn a_thread_without_work_and_connections_ends_and_another_is_started() {
        let server = Server::start();
        let threads = threads(&TransportConfig::default().max_idle_per_origin(0));
        for _ in 0..2 {
            get(&threads, &server);
            wait_until_there_are_none(&threads);
        }
    }

    #[test]
    fn the_last_thread_stays_until_no_connection_is_idle() {
        let server = Server::start();
        let idle_timeout = Duration::from_millis(300);
        let threads = threads(&TransportConfig::default().idle_timeout(idle_timeout));
        get(&threads, &server);
        assert!(wait_until_there_are_none(&threads) > PATIENCE);
        let closed = |seen: &pr_testkit::Counts| seen.connections_open == 0;
        server.ledger().wait_until_blocking(closed, BOUND).unwrap();
    }
}
