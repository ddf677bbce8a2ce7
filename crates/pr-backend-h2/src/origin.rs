//! One origin: its connections, the one being dialed, and the requests that wait.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use h2::client::SendRequest;
use pr_connect::{Budget, Connected};
use pr_core::{BackendError, ConnectionInfo, ConnectionKey, Progress, Stage};
use tokio::time::Instant;

use crate::{
    dial::Dialer,
    lease::{Lease, StreamLease},
    limits::Limits,
    members::{End, Grant, Member, Returned},
    pulse::Pulse,
    queue::Wakers,
    settings,
    state::State,
    upload::Chunk,
    waiting::Waiting,
};

/// One origin under one [`ConnectionKey`].
///
/// All decisions are made under one lock that is held for a few lines at a time, never while
/// something is awaited, and never while somebody is woken.
pub(crate) struct Origin {
    key: ConnectionKey,
    limits: Limits,
    budget: Budget,
    /// ALPN has said that the peer speaks nothing newer.
    http1_only: AtomicBool,
    state: Mutex<State>,
}

/// How dialing has ended, if it was not cut off.
pub(crate) enum Dialed {
    Http2(ConnectionInfo, SendRequest<Chunk>, Arc<Pulse>),
    Http1(Connected),
    /// As many connections are open as may be, and this one was not needed.
    NoRoom,
    Failed(BackendError),
}

impl Origin {
    /// The origin of this key, with at most so many connections, and limits on what a response's
    /// head may be.
    pub(crate) fn new(
        key: ConnectionKey,
        max_connections: usize,
        limits: Limits,
        budget: Budget,
    ) -> Self {
        Self {
            key,
            limits,
            budget,
            http1_only: AtomicBool::new(false),
            state: Mutex::new(State::new(max_connections)),
        }
    }

    pub(crate) fn key(&self) -> &ConnectionKey {
        &self.key
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Waits until the request may travel: for a stream, first come, first served, or for the news
    /// that the peer speaks HTTP/1.1.
    ///
    /// Dropping the future gives up the place in the queue, and with it the dial if that is the first
    /// to the origin and nobody else waits for it.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        dialer: &Arc<Dialer>,
        fresh: bool,
        progress: &Progress,
    ) -> Result<Lease, BackendError> {
        if self.http1_only.load(Ordering::Relaxed) {
            return Ok(Lease::Http1(None));
        }
        if !fresh && let Some(grant) = self.grant_at_once(dialer) {
            return Ok(Lease::Stream(StreamLease::new(self.clone(), grant)));
        }
        Waiting::new(self, dialer, fresh, progress).await
    }

    /// A stream for a request that need not wait. If the connections are crowded, another one is
    /// dialed meanwhile.
    fn grant_at_once(self: &Arc<Self>, dialer: &Arc<Dialer>) -> Option<Grant> {
        let mut state = self.lock();
        let grant = state.grant_at_once()?;
        if state.needs_relief() {
            let number = state.next_dial();
            match dialer.prepare(self, number, true) {
                Ok(prepared) => {
                    state.begin_dial(number, prepared.stop());
                    // A runtime that shuts down drops what is spawned on it at once, and that
                    // needs the lock.
                    drop(state);
                    prepared.spawn();
                }
                // The request has its stream.
                Err(error) => tracing::debug!(%error, "no further connection can be dialed"),
            }
        }
        Some(grant)
    }

    /// Gives back the place of a stream that has ended; `end` says how.
    pub(crate) fn give_back(&self, connection: u64, end: End) {
        let mut returned = Returned::default();
        self.change(|state, _| returned = state.members.give_back(connection, end));
        if let Some(pulse) = returned.unheard {
            pulse.want_ping();
        }
        drop(returned.retired);
        // Whoever waits for a place has not found this connection idle.
        if returned.idle && self.budget.is_wanted() {
            self.budget.relieve();
        }
    }

    /// Takes the result of the dial of this number. Whether the connection is wanted: it is not if
    /// everybody who wanted it has gone.
    pub(crate) fn dialed(&self, dial: u64, result: Dialed) -> bool {
        let (mut wanted, mut replaced) = (false, None);
        self.change(|state, wakers| {
            wanted = state.end_dial(dial);
            if !wanted {
                return;
            }
            match result {
                Dialed::Http2(info, sender, pulse) => {
                    replaced = state.add(|born| Member::new(info, sender, pulse, born));
                }
                Dialed::Http1(connected) => {
                    if state.peer_speaks_http1(connected, wakers) {
                        self.http1_only.store(true, Ordering::Relaxed);
                    }
                }
                Dialed::NoRoom => state.put_off_extra_dials(),
                Dialed::Failed(error) => state.dial_failed(error, wakers),
            }
        });
        drop(replaced);
        wanted
    }

    /// The dial of this number waits for a place among the open connections, or does no more. Those
    /// who wait for it note that.
    pub(crate) fn dial_reached(&self, dial: u64, stage: Stage) {
        self.change(|state, wakers| {
            if state.set_dial_queued(dial, stage == Stage::Queued) {
                let waiting = state.queue.wakers();
                waiting.for_each(|waker| wakers.add(Some(waker)));
            }
        });
    }

    /// The dial of this number was cut off: its runtime has ended, say. Whoever waits tries again.
    pub(crate) fn dial_lost(&self, dial: u64) {
        self.change(|state, _| {
            state.end_dial(dial);
        });
    }

    /// Takes a connection out of the set: it is dead, or takes no more streams.
    pub(crate) fn forget(&self, connection: u64) {
        let mut removed = None;
        self.change(|state, _| removed = state.members.remove(connection));
        drop(removed);
    }

    /// Looks after a connection that has just read or written something: its peer may have said
    /// GOAWAY, or changed how many streams it allows. Whether something is expected of it.
    pub(crate) fn observe(
        &self,
        connection: u64,
        reported_limit: usize,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut removed = None;
        let mut wakers = Wakers::default();
        let mut state = self.lock();
        let Some(member) = state.members.find(connection) else {
            // One that has left the set lives only as long as its streams.
            return true;
        };
        let is_busy = member.idle_since().is_none();
        // Never pending, because this handle has no stream of its own that waits to be opened.
        if let Poll::Ready(Err(reason)) = member.sender().poll_ready(cx) {
            tracing::debug!(connection, %reason, "the connection takes no more streams");
            removed = state.members.remove(connection);
        } else if !member.set_stream_limit(settings::stream_limit(reported_limit)) {
            return is_busy;
        }
        state.settle(&mut wakers);
        drop(state);
        drop(removed);
        is_busy
    }

    /// Takes the connection out of the set if it has been idle for so long, and otherwise says when
    /// to ask again. `None` if it is not in the set, now or before.
    pub(crate) fn expire(&self, connection: u64, idle_timeout: Duration) -> Option<Instant> {
        let mut state = self.lock();
        let member = state.members.find(connection)?;
        let now = Instant::now();
        let idle_since = member.idle_since().unwrap_or(now);
        let at = idle_since.checked_add(idle_timeout)?;
        if at > now {
            return Some(at);
        }
        let expired = state.members.remove(connection);
        drop(state);
        drop(expired);
        None
    }

    /// The connections on which no stream is open: since when, and which.
    pub(crate) fn idle(&self) -> Vec<(Instant, u64)> {
        self.lock().members.idle().collect()
    }

    /// Takes a connection out of the set because there are too many idle ones, unless it has been
    /// put to use meanwhile. Whether it has left.
    pub(crate) fn expire_now(&self, connection: u64) -> bool {
        let mut state = self.lock();
        let is_idle = state.members.idle().any(|(_, id)| id == connection);
        let expired = is_idle.then(|| state.members.remove(connection)).flatten();
        drop(state);
        expired.is_some()
    }

    /// The number of the connection that has been in the set for longest. Numbers grow with time.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.lock().members.oldest()
    }

    /// Takes that connection out of the set, because others wait for its place: it closes when its
    /// streams have ended. Whether there was one.
    pub(crate) fn retire_oldest(&self) -> bool {
        let mut retired = None;
        self.change(|state, _| retired = state.members.retire_oldest());
        retired.is_some()
    }

    /// Takes it from a peer that it wants HTTP/1.1 (RFC 9113, section 7, `HTTP_1_1_REQUIRED`).
    pub(crate) fn require_http1(&self) {
        self.http1_only.store(true, Ordering::Relaxed);
    }

    /// Whether the backend has been closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Lets go of all connections, those in use when their streams have ended, and forgets what the
    /// peer was found to speak. Whoever waits, waits for a new connection.
    pub(crate) fn reset(&self) {
        let (mut released, mut dial) = (Vec::new(), None);
        self.change(|state, _| {
            (released, dial) = state.reset();
            self.http1_only.store(false, Ordering::Relaxed);
        });
        drop(released);
        if let Some(dial) = dial {
            dial.now();
        }
    }

    /// Turns away everybody who waits or comes, and lets all connections go.
    pub(crate) fn close(&self) {
        let (mut released, mut dial) = (Vec::new(), None);
        self.change(|state, wakers| {
            state.closed = true;
            dial = state.abandon_dial();
            released = state.members.clear();
            state.fail_all(BackendError::backend_closed, wakers);
        });
        drop(released);
        if let Some(dial) = dial {
            dial.now();
        }
    }

    /// Changes the state, then serves whoever can be served, then wakes them.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State, &mut Wakers)) {
        // In this order, so that they are woken when the lock is free.
        let mut wakers = Wakers::default();
        let mut state = self.lock();
        change(&mut state, &mut wakers);
        state.settle(&mut wakers);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin")
            .field("key", &self.key)
            .field("connections", &self.lock().members.len())
            .finish_non_exhaustive()
    }
}
