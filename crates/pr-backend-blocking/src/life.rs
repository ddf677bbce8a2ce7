//! The life of a thread: how it starts, what it does next, and when it ends.

use std::{
    io,
    sync::{Arc, PoisonError},
    thread,
    time::{Duration, Instant},
};

use async_task::Runnable;

use crate::{
    threads::{Call, Seat, State, Threads},
    worker::{Job, Worker},
};

/// How long a thread waits for work before it ends. Unit tests have less of it.
pub(crate) const PATIENCE: Duration = if cfg!(test) {
    Duration::from_millis(50)
} else {
    Duration::from_secs(10)
};
/// How often a thread that has done with an exchange lets others run, the caller perhaps, before it
/// goes to sleep. Waking a thread on an idle processor takes longer than a small response, so that
/// a few requests at a time are carried out up to twice as fast; many at a time cost the same.
const LINGER: usize = 20;
/// How many tasks a thread polls one after another while exchanges wait. Tasks that wake each other,
/// or themselves, would keep it for ever.
const MOST_POLLS: usize = 64;

/// What a thread does next.
enum Work {
    Exchange(Box<Job>),
    Poll(Runnable),
}

/// What a thread without work does when.
struct Times {
    /// Looks after the connections, at the latest.
    wake: Instant,
    /// Ends.
    leave: Instant,
}

impl Threads {
    pub(crate) fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let vacant = state.seats.iter().position(Option::is_none);
        let number = vacant.unwrap_or(state.seats.len());
        let handle = self.start(format!("pr-blocking-{}", number + 1), move |threads| {
            threads.work(number);
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
        state.awake += 1;
        Ok(())
    }

    /// Starts a thread that lives like this.
    pub(crate) fn start(
        self: &Arc<Self>,
        name: String,
        life: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        let threads = Arc::clone(self);
        let alive = self.alive.subscribe();
        thread::Builder::new().name(name).spawn(move || {
            life(&threads);
            // All that the thread holds goes before the sign of its life does.
            drop(threads);
            drop(alive);
        })
    }

    /// The life of one thread.
    fn work(self: &Arc<Self>, number: usize) {
        let mut worker = Worker::new(Arc::clone(&self.routes));
        let mut polls = 0;
        while let Some(work) = self.next(number, polls) {
            let job = match work {
                Work::Exchange(job) => job,
                Work::Poll(runnable) => {
                    polls += 1;
                    self.poll(runnable);
                    let mut state = self.state();
                    state.polling -= 1;
                    state.free += 1;
                    state.awake += 1;
                    continue;
                }
            };
            polls = 0;
            let last_word = worker.carry_out(*job);
            let mut state = self.state();
            state.carries(number, None);
            state.free += 1;
            state.awake += 1;
            drop(state);
            if let Some(last_word) = last_word {
                last_word.say();
            }
            for _ in 0..LINGER {
                if self.is_work_waiting() {
                    break;
                }
                thread::yield_now();
            }
        }
    }

    /// Waits for work; `None` when the thread has to end. Meanwhile it closes the connections that
    /// have been idle for too long. It has polled so many tasks since its last exchange.
    fn next(self: &Arc<Self>, number: usize, polls: usize) -> Option<Work> {
        let mut state = self.state();
        let mut times: Option<Times> = None;
        loop {
            if state.closed {
                state.free -= 1;
                state.awake -= 1;
                return None;
            }
            if (polls < MOST_POLLS || state.queue.is_empty())
                && let Some(runnable) = state.tasks.next()
            {
                state.free -= 1;
                state.awake -= 1;
                state.polling += 1;
                self.publish(&state);
                return Some(Work::Poll(runnable));
            }
            if let Some((_, job)) = state.queue.pop_front() {
                state.free -= 1;
                state.awake -= 1;
                state.carries(number, Some(Arc::clone(&job.exchange)));
                // Those that poll tasks may have left more to do than this thread can. They will
                // come themselves; who sleeps need not wait for that, but nobody is started.
                let is_anybody_asleep = state.free > state.awake;
                let polling = if is_anybody_asleep { 0 } else { state.polling };
                let coming = state.awake + polling;
                let call = self.call_if_short(&mut state, coming);
                // If no thread can be started, there are those that there are.
                self.wake(state, &call.unwrap_or(Call::Nobody));
                return Some(Work::Exchange(job));
            }
            let now = Instant::now();
            let times = times.get_or_insert_with(|| Times {
                wake: now + PATIENCE.min(self.routes.pool.longest_rest()),
                leave: now + PATIENCE,
            });
            if now < times.wake {
                state.awake -= 1;
                let waited = self.work.wait_timeout(state, times.wake - now);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                // Whoever is awake takes the call, though it may have been meant for another.
                match state.woken.checked_sub(1) {
                    Some(woken) => state.woken = woken,
                    None => state.awake += 1,
                }
                continue;
            }
            // Sockets are closed without the lock; there may be work afterwards.
            drop(state);
            let expiry = self.routes.pool.expire();
            state = self.state();
            if state.closed || state.is_any_waiting() {
                continue;
            }
            let is_last = state.threads == 1;
            times.wake = match expiry {
                Some(expiry) if now < times.leave => expiry.min(times.leave),
                None if now < times.leave => times.leave,
                // The last thread stays for as long as there are connections to be closed, or
                // tasks that may be woken.
                Some(expiry) if is_last => expiry,
                None if is_last && state.tasks.is_any_left() => now + PATIENCE,
                _ => {
                    state.free -= 1;
                    state.awake -= 1;
                    state.threads -= 1;
                    // The handle is let go: nobody needs to wait for this thread.
                    state.seats[number] = None;
                    return None;
                }
            };
        }
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
    use crate::{connector::Routes, dial::Dialer, exchange::Exchange, head::Limits, pool::Pool};

    /// How long a test waits for what is bound to happen.
    const BOUND: Duration = Duration::from_secs(20);

    fn threads(config: &TransportConfig) -> Arc<Threads> {
        let dialer = Dialer::new(config).unwrap();
        let routes = Routes {
            pool: Pool::new(config, dialer.budget()),
            dialer,
            limits: Limits::new(config),
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

    #[test]
    fn the_last_thread_stays_until_no_task_is_left() {
        let threads = threads(&TransportConfig::default());
        let (end, ended) = oneshot::channel::<()>();
        let task = async move { ended.await.unwrap() };
        assert!(threads.spawn(Box::pin(task)).is_ok());
        thread::sleep(PATIENCE * 5);
        assert_eq!(threads.state().threads, 1);
        end.send(()).unwrap();
        wait_until_there_are_none(&threads);
    }
}
