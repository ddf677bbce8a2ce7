//! What is known of one origin: its connections, the one being dialed, and the requests that wait.

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
use pr_connect::Connected;
use pr_core::{BackendError, ConnectionInfo, ConnectionKey, Progress};
use tokio::time::Instant;

use crate::{
    dial::Dialer,
    error,
    members::{Grant, Member, Members},
    queue::{Queue, Wakers},
    settings,
    tasks::Stop,
    upload::Chunk,
    waiting::Waiting,
};

/// How long no further connection is tried to an origin that has one, after trying has failed.
const EXTRA_DIAL_PAUSE: Duration = Duration::from_secs(1);

/// One origin under one [`ConnectionKey`].
///
/// All decisions are made under one lock that is held for a few lines at a time, never while
/// something is awaited, and never while somebody is woken.
pub(crate) struct Origin {
    key: ConnectionKey,
    /// How many connections there may be.
    pub(crate) max_connections: usize,
    /// ALPN has said that the peer speaks nothing newer.
    http1_only: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) closed: bool,
    pub(crate) members: Members,
    pub(crate) dial: Option<Dial>,
    /// How many dials there have been, which is the number of the latest.
    pub(crate) dials: u64,
    no_extra_dial_before: Option<Instant>,
    pub(crate) queue: Queue<Decision>,
}

/// The one dial that is under way.
pub(crate) struct Dial {
    pub(crate) number: u64,
    pub(crate) stop: Arc<Stop>,
}

/// What a request that waits is told.
pub(crate) enum Decision {
    Stream(Grant),
    Http1(Option<Box<Connected>>),
    Failed(BackendError),
}

/// How a request may travel.
pub(crate) enum Lease {
    /// By this stream of an HTTP/2 connection.
    Stream(StreamLease),
    /// By HTTP/1.1, and over this connection if there is one.
    Http1(Option<Box<Connected>>),
}

/// The right to open one stream on one connection.
pub(crate) struct StreamLease {
    pub(crate) sender: SendRequest<Chunk>,
    pub(crate) info: ConnectionInfo,
    pub(crate) place: Place,
}

/// A stream's place among those that its connection may have open; free again when this is dropped.
pub(crate) struct Place {
    origin: Arc<Origin>,
    connection: u64,
    whole: bool,
}

/// How dialing has ended, if it was not cut off.
pub(crate) enum Dialed {
    Http2(ConnectionInfo, SendRequest<Chunk>),
    Http1(Connected),
    Failed(BackendError),
}

impl Origin {
    pub(crate) fn new(key: ConnectionKey, max_connections: usize) -> Self {
        Self {
            key,
            max_connections,
            http1_only: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    pub(crate) fn key(&self) -> &ConnectionKey {
        &self.key
    }

    /// Waits until the request may travel: for a stream, first come, first served, or for the news
    /// that the peer speaks HTTP/1.1.
    ///
    /// Dropping the future gives up the place in the queue, and the dial with it if nobody else
    /// waits for it.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        dialer: &Arc<Dialer>,
        fresh: bool,
        progress: &Progress,
    ) -> Result<Lease, BackendError> {
        if self.http1_only.load(Ordering::Relaxed) {
            return Ok(Lease::Http1(None));
        }
        if !fresh && let Some(grant) = self.lock().grant_at_once() {
            return Ok(Lease::Stream(self.stream(grant)));
        }
        Waiting::new(self, dialer, fresh, progress).await
    }

    /// Takes the result of the dial of this number. Whether the connection is wanted: it is not if
    /// everybody who wanted it has gone.
    pub(crate) fn dialed(&self, dial: u64, result: Dialed) -> bool {
        let mut state = self.lock();
        if state
            .dial
            .as_ref()
            .is_none_or(|current| current.number != dial)
        {
            return false;
        }
        state.dial = None;
        let mut wakers = Wakers::default();
        let mut retired = None;
        match result {
            Dialed::Http2(info, sender) => {
                let born = state.queue.ticket();
                state.members.add(Member::new(info, sender, born));
                if state.members.len() > self.max_connections {
                    retired = state.members.retire_oldest();
                }
            }
            Dialed::Http1(connected) => {
                state.peer_speaks_http1(connected, &self.http1_only, &mut wakers);
            }
            Dialed::Failed(error) => state.dial_failed(error, &mut wakers),
        }
        state.settle(self.max_connections, &mut wakers);
        drop(state);
        drop(retired);
        wakers.wake();
        true
    }

    /// The dial of this number was cut off: its runtime has ended, say. Whoever waits tries again.
    pub(crate) fn dial_lost(&self, dial: u64) {
        self.change(|state, _| {
            if state
                .dial
                .as_ref()
                .is_some_and(|current| current.number == dial)
            {
                state.dial = None;
            }
        });
    }

    /// Takes a connection out of the set: it is dead, or takes no more streams.
    pub(crate) fn forget(&self, connection: u64) {
        let mut removed = None;
        self.change(|state, _| removed = state.members.remove(connection));
        drop(removed);
    }

    /// Looks after a connection that has just read or written something: its peer may have said
    /// GOAWAY, or changed how many streams it allows.
    pub(crate) fn observe(&self, connection: u64, reported_limit: usize, cx: &mut Context<'_>) {
        let mut state = self.lock();
        let Some(member) = state.members.find(connection) else {
            return;
        };
        let mut removed = None;
        // Never pending, because this handle has no stream of its own that waits to be opened.
        if let Poll::Ready(Err(reason)) = member.sender().poll_ready(cx) {
            tracing::debug!(connection, %reason, "the connection takes no more streams");
            removed = state.members.remove(connection);
        } else if !member.set_stream_limit(settings::stream_limit(reported_limit)) {
            return;
        }
        let mut wakers = Wakers::default();
        state.settle(self.max_connections, &mut wakers);
        drop(state);
        drop(removed);
        wakers.wake();
    }

    /// Takes the connection out of the set if it has been idle for so long, and otherwise says when
    /// to ask again. `None` if it is not in the set, now or before.
    pub(crate) fn expire(&self, connection: u64, idle_timeout: Duration) -> Option<Instant> {
        let mut state = self.lock();
        let member = state.members.find(connection)?;
        let now = Instant::now();
        let at = member
            .idle_since()
            .unwrap_or(now)
            .checked_add(idle_timeout)?;
        if at > now {
            return Some(at);
        }
        let expired = state.members.remove(connection);
        drop(state);
        drop(expired);
        None
    }

    /// Takes it from a peer that it wants HTTP/1.1 (RFC 9113, section 7, `HTTP_1_1_REQUIRED`).
    pub(crate) fn require_http1(&self) {
        self.http1_only.store(true, Ordering::Relaxed);
    }

    /// Whether the backend has been closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Turns away everybody who waits or comes, and lets all connections go.
    pub(crate) fn close(&self) {
        let mut released = Vec::new();
        self.change(|state, wakers| {
            state.closed = true;
            state.dial = None;
            state.fail_all(BackendError::backend_closed, wakers);
            released = state.members.clear();
        });
        drop(released);
    }

    pub(crate) fn stream(self: &Arc<Self>, grant: Grant) -> StreamLease {
        let place = Place {
            origin: self.clone(),
            connection: grant.info.id,
            whole: false,
        };
        StreamLease {
            sender: grant.sender,
            info: grant.info,
            place,
        }
    }

    /// Changes the state, then serves whoever can be served, then wakes them.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State, &mut Wakers)) {
        let mut wakers = Wakers::default();
        let mut state = self.lock();
        change(&mut state, &mut wakers);
        state.settle(self.max_connections, &mut wakers);
        drop(state);
        wakers.wake();
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A stream for a request that has just come, unless others wait.
    fn grant_at_once(&mut self) -> Option<Grant> {
        if self.closed || self.queue.first_ordinary().is_some() {
            return None;
        }
        self.members.grant()
    }

    /// [Serves](Self::serve) whom it can. If a connection is missing, all who wait are woken, and
    /// the first who runs dials.
    fn settle(&mut self, max_connections: usize, wakers: &mut Wakers) {
        self.serve(wakers);
        if self.needs_dial(max_connections) {
            self.queue
                .wakers()
                .for_each(|waker| wakers.add(Some(waker)));
        }
    }

    /// Gives streams to those who wait, as far as there are any.
    pub(crate) fn serve(&mut self, wakers: &mut Wakers) {
        // Requests for a fresh connection come first, because each ordinary one that overtakes them
        // makes a connection less fresh.
        while let Some(ticket) = self.queue.first_fresh() {
            let Some(grant) = self.members.grant_fresh(ticket) else {
                break;
            };
            wakers.add(self.queue.decide(ticket, Decision::Stream(grant)));
        }
        while let Some(ticket) = self.queue.first_ordinary() {
            let Some(grant) = self.members.grant() else {
                break;
            };
            wakers.add(self.queue.decide(ticket, Decision::Stream(grant)));
        }
    }

    /// Whether somebody waits for whom a connection should be dialed now.
    pub(crate) fn needs_dial(&self, max_connections: usize) -> bool {
        if self.closed || self.dial.is_some() {
            return false;
        }
        // What is fresh to the last of them is fresh to all.
        let fresh = self.queue.last_fresh();
        if fresh.is_some_and(|ticket| !self.members.any_fresh_to(ticket)) {
            return true;
        }
        if self.queue.is_empty() {
            return false;
        }
        self.members.is_empty()
            || (self.members.len() < max_connections
                && self.members.all_settled()
                && self
                    .no_extra_dial_before
                    .is_none_or(|at| at <= Instant::now()))
    }

    /// The first who waited gets the connection, the others are told to use HTTP/1.1.
    fn peer_speaks_http1(
        &mut self,
        connected: Connected,
        http1_only: &AtomicBool,
        wakers: &mut Wakers,
    ) {
        let mut connected = Some(Box::new(connected));
        while let Some(ticket) = self.queue.first_fresh() {
            wakers.add(self.queue.decide(ticket, Decision::Http1(connected.take())));
        }
        if self.members.is_empty() {
            http1_only.store(true, Ordering::Relaxed);
            while let Some(ticket) = self.queue.first_ordinary() {
                wakers.add(self.queue.decide(ticket, Decision::Http1(connected.take())));
            }
        } else {
            // Some machines behind the name speak HTTP/2 and some do not. Those who wait for the
            // connections that do go on waiting, but for one of them, who takes what is there.
            self.no_extra_dial_before = Some(Instant::now() + EXTRA_DIAL_PAUSE);
            if let (Some(ticket), true) = (self.queue.first_ordinary(), connected.is_some()) {
                wakers.add(self.queue.decide(ticket, Decision::Http1(connected.take())));
            }
        }
    }

    /// Everybody who has nothing else to wait for fails with the dial.
    fn dial_failed(&mut self, failed: BackendError, wakers: &mut Wakers) {
        let mut each = error::for_each_waiter(failed);
        if self.members.is_empty() {
            self.fail_all(each, wakers);
            return;
        }
        self.no_extra_dial_before = Some(Instant::now() + EXTRA_DIAL_PAUSE);
        while let Some(ticket) = self.queue.first_fresh() {
            wakers.add(self.queue.decide(ticket, Decision::Failed(each())));
        }
    }

    fn fail_all(&mut self, mut error: impl FnMut() -> BackendError, wakers: &mut Wakers) {
        while let Some(ticket) = self
            .queue
            .first_fresh()
            .or_else(|| self.queue.first_ordinary())
        {
            wakers.add(self.queue.decide(ticket, Decision::Failed(error())));
        }
    }
}

impl Place {
    /// Says that the stream has ended on both sides, so that it was not we who cut it short.
    pub(crate) fn ended(&mut self) {
        self.whole = true;
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Takes the connection out of its origin's set: it takes no more streams.
    pub(crate) fn strike_off_connection(&self) {
        self.origin.forget(self.connection);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (connection, whole) = (self.connection, self.whole);
        let mut retired = None;
        self.origin
            .change(|state, _| retired = state.members.give_back(connection, whole));
        drop(retired);
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
