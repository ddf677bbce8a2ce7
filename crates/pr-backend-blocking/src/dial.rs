//! The way from a connection key to a connection: that of all backends, on a runtime that is there
//! for nothing else.

use std::{
    fmt, io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use pr_connect::{Alpn, Budget, Connected, Connector, Reuse};
use pr_core::{BackendError, ConnectionKey, Stage, TransportConfig};
use tokio::runtime::{Builder, Runtime};

use crate::{
    connection::Connection,
    error,
    exchange::{Exchange, Stop},
    pool::Generation,
    stream::Stream,
};

/// Opens connections.
///
/// Threads that dial share a runtime: one of them waits for events for all, and the names are looked
/// up on threads of the runtime's. As soon as a connection is open it has nothing to do with the
/// runtime any more.
pub(crate) struct Dialer {
    connector: Connector,
    /// How many names may be looked up at a time.
    max_look_ups: usize,
    connect_timeout: Duration,
    runtime: Mutex<State>,
}

/// A connection for an exchange, new or used.
pub(crate) enum Obtained {
    Dialed(Connection),
    HandedOver(Connection),
}

/// How long to wait before another try to make the runtime.
const PAUSE: Duration = Duration::from_millis(20);

enum State {
    /// Nobody has dialed yet.
    Unused,
    Running(Arc<DialRuntime>),
    Closed,
}

impl Dialer {
    pub(crate) fn new(config: &TransportConfig) -> Result<Self, BackendError> {
        Ok(Self {
            connector: Connector::new(config)?,
            max_look_ups: max_look_ups(config.max_threads),
            connect_timeout: config.connect_timeout,
            runtime: Mutex::new(State::Unused),
        })
    }

    /// Opens a connection for this exchange, which may stop it at any time, or takes one over that
    /// somebody else is done with.
    pub(crate) fn dial(
        &self,
        key: &ConnectionKey,
        reuse: Reuse,
        exchange: &Exchange,
        generation: Generation,
    ) -> Result<Obtained, BackendError> {
        let stopped = |why| error::stopped(why, exchange);
        let Some(runtime) = self.runtime(exchange)? else {
            return Err(stopped(exchange.stopped().unwrap_or(Stop::Closed)));
        };
        let dialing = async {
            // Dropped where it is polled: a resolver of the user's may count on the runtime.
            let mut dialing = pin!(self.connect(key, reuse, exchange, generation));
            let outcome = exchange.unless_stopped(|cx| dialing.as_mut().poll(cx));
            outcome.await
        };
        runtime.block_on(dialing).map_err(stopped)?
    }

    async fn connect(
        &self,
        key: &ConnectionKey,
        reuse: Reuse,
        exchange: &Exchange,
        generation: Generation,
    ) -> Result<Obtained, BackendError> {
        let tell = |stage| exchange.reach(stage);
        let obtaining = self
            .connector
            .connect_or_reuse(key, Alpn::Http1, reuse, &tell);
        let connected = match obtaining.await? {
            pr_connect::Obtained::Dialed(connected) => *connected,
            pr_connect::Obtained::HandedOver(used) => return Ok(Obtained::HandedOver(used)),
        };
        let Connected {
            io,
            info,
            forwarding,
            timings,
            ..
        } = connected;
        exchange.dialed(timings);
        let parts = io.into_parts().map_err(error::not_taken)?;
        let stream = Stream::from(parts);
        let connection = Connection::new(stream, info, forwarding, generation);
        Ok(Obtained::Dialed(connection))
    }

    /// The connections that may be open at a time.
    pub(crate) fn budget(&self) -> &Budget {
        self.connector.budget()
    }

    /// Looks names up anew from now on.
    pub(crate) fn forget_names(&self) {
        self.connector.forget_names();
    }

    /// Lets go of the runtime, as soon as nobody is dialing any more, and refuses to dial.
    pub(crate) fn close(&self) {
        let before = std::mem::replace(&mut *self.state(), State::Closed);
        // Not under the lock: whatever a resolver of the user's has left there is dropped.
        drop(before);
    }

    /// The runtime, which is made when it is first needed; `None` if closed or stopped meanwhile.
    ///
    /// It takes a few file descriptors. While there are none left, they are waited for, as long as
    /// opening a connection may take.
    fn runtime(&self, exchange: &Exchange) -> Result<Option<Arc<DialRuntime>>, BackendError> {
        let begin = Instant::now();
        loop {
            match self.try_runtime() {
                Err(cause) if begin.elapsed() >= self.connect_timeout => {
                    return Err(error::no_runtime(cause));
                }
                Err(_) => {
                    exchange.reach(Stage::Queued);
                    thread::sleep(PAUSE);
                    if exchange.stopped().is_some() {
                        return Ok(None);
                    }
                }
                Ok(runtime) => {
                    exchange.reach(Stage::Connecting);
                    return Ok(runtime);
                }
            }
        }
    }

    fn try_runtime(&self) -> io::Result<Option<Arc<DialRuntime>>> {
        let mut state = self.state();
        match &*state {
            State::Running(runtime) => Ok(Some(Arc::clone(runtime))),
            State::Closed => Ok(None),
            State::Unused => {
                let runtime = Arc::new(DialRuntime::start(self.max_look_ups)?);
                *state = State::Running(Arc::clone(&runtime));
                Ok(Some(runtime))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A whole value is put in, so a poisoned one is as good as any.
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("connector", &self.connector)
            .finish_non_exhaustive()
    }
}

/// How many names may be looked up at a time by so many threads. What nobody waits for any more keeps
/// its slot until the system's resolver answers, so a few names that are dead must not take them all.
fn max_look_ups(max_threads: usize) -> usize {
    max_threads.saturating_mul(4).max(512)
}

/// A runtime that may be dropped anywhere, a task of another one included, and waits for nothing
/// then: a look-up that hangs ends by itself.
struct DialRuntime(Option<Runtime>);

impl DialRuntime {
    fn start(max_look_ups: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("pr-blocking-dns")
            .max_blocking_threads(max_look_ups)
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Several threads may be in here: the first one waits for events and wakes the others, and
    /// when it has what it wants another one does.
    fn block_on<T>(&self, dialing: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        match &self.0 {
            Some(runtime) => runtime.block_on(dialing),
            None => Err(Stop::Closed),
        }
    }
}

impl Drop for DialRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn look_ups_that_nobody_waits_for_leave_room_for_others() {
        for max_threads in [1, 200] {
            let runtime = DialRuntime::start(max_look_ups(max_threads)).unwrap();
            let pool = runtime.0.as_ref().unwrap();
            let (release, dead) = mpsc::channel::<()>();
            let dead = Arc::new(Mutex::new(dead));
            // Threads that wait, as the system's resolver does for a server that is gone.
            for _ in 0..max_threads * 2 {
                let dead = Arc::clone(&dead);
                pool.spawn_blocking(move || dead.lock().unwrap().recv());
            }
            let answered = runtime.block_on(async {
                let look_up = pool.spawn_blocking(|| 7);
                let bound = Duration::from_secs(20);
                Ok(tokio::time::timeout(bound, look_up).await)
            });
            drop(release);
            assert!(matches!(answered, Ok(Ok(Ok(7)))), "{max_threads}");
        }
    }
}
