//! How far an exchange has come and when, readable from outside when it is cut off.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    BackendError, ConnectionInfo, Delivery, TimeoutPhase,
    observer::{Observer, Watch},
};

/// How far one exchange has come.
///
/// The backend moves it along; whoever ends the exchange from outside, because its deadline
/// passed, reads from it what the exchange was waiting for and whether it had been sent. Clones
/// share one state.
///
/// ```
/// use pr_core::{Progress, Stage};
///
/// let progress = Progress::new();
/// let seen_by_backend = progress.clone();
/// seen_by_backend.reach(Stage::Connecting);
/// assert_eq!(progress.stage(), Stage::Connecting);
/// ```
#[derive(Clone, Debug)]
pub struct Progress(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stage: AtomicU8,
    started: Instant,
    /// When sending began, in nanoseconds after the start; 0 if it has not.
    sending: AtomicU64,
    /// What is told at most once in a while, and asked for only if it was told or went wrong.
    told: Mutex<Told>,
    has_dialed: AtomicBool,
    movement: Option<Movement>,
    watch: Option<Box<Watch>>,
}

#[derive(Debug, Default)]
struct Told {
    dial: Option<Box<DialTimings>>,
    connection: Option<ConnectionInfo>,
}

/// What is noted for requests that have a time limit on their parts: when something moved last, in
/// nanoseconds after the start, and in [one bit](Self::PRODUCING) whether the request's own body is
/// waited for. Together, so that nobody reads one of before and one of after.
#[derive(Debug, Default)]
struct Movement(AtomicU64);

impl Movement {
    const PRODUCING: u64 = 1 << 63;
}

/// A stage of one exchange, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum Stage {
    /// Waits for a thread, a stream or a place in the pool. The stage at the start.
    Queued = 0,
    /// Waits for name resolution, TCP, the proxy or TLS.
    Connecting = 1,
    /// The first byte of the request may have been written.
    Sending = 2,
    /// The whole request is handed to the connection; the response's head is awaited.
    AwaitingHead = 3,
    /// The head is there; the body is read.
    ReadingBody = 4,
}

/// What opening a connection took, part by part.
///
/// ```
/// use std::time::Duration;
/// use pr_core::DialTimings;
///
/// let mut timings = DialTimings::default();
/// timings.dns = Some(Duration::from_millis(3));
/// timings.tcp = Some(Duration::from_millis(20));
/// assert_eq!(timings.total(), Duration::from_millis(23));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialTimings {
    /// Name resolution: of the proxy's name if there is one, and with `socks5` of the host's too;
    /// `None` for an address.
    pub dns: Option<Duration>,
    /// TCP, or the Unix socket.
    pub tcp: Option<Duration>,
    /// The proxy's own TLS, and asking it for a tunnel.
    pub proxy: Option<Duration>,
    /// TLS with the origin.
    pub tls: Option<Duration>,
}

impl DialTimings {
    /// All parts together.
    pub fn total(&self) -> Duration {
        let parts = [self.dns, self.tcp, self.proxy, self.tls];
        let add = |sum: Duration, part| sum.saturating_add(part);
        parts.into_iter().flatten().fold(Duration::ZERO, add)
    }
}

impl Progress {
    /// At [`Stage::Queued`], from now on.
    pub fn new() -> Self {
        Self::since(Instant::now(), false, None)
    }

    /// The same, for an exchange that began then. Only a `timed` one knows when something moved.
    pub(crate) fn since(started: Instant, timed: bool, observer: Option<&Observer>) -> Self {
        let progress = Self(Arc::new(Inner {
            stage: AtomicU8::new(Stage::Queued as u8),
            started,
            sending: AtomicU64::new(0),
            told: Mutex::default(),
            has_dialed: AtomicBool::new(false),
            movement: timed.then(Movement::default),
            watch: observer.map(|observer| Box::new(Watch::by(observer.clone()))),
        }));
        if let Some(watch) = &progress.0.watch {
            watch.tell(|observer| observer.reached(Stage::Queued));
        }
        progress
    }

    /// Says that the exchange has reached a stage. Going back is allowed: a stream that was never
    /// sent may wait for another connection.
    pub fn reach(&self, stage: Stage) {
        self.mark_movement(true);
        // Whoever sees the stage sees the movement that led to it.
        let before = self.0.stage.swap(stage as u8, Ordering::AcqRel);
        let sending = Stage::Sending as u8;
        if stage < Stage::Sending {
            self.0.sending.store(0, Ordering::Relaxed);
            if before >= sending {
                // It has left the connection on which it was to be sent.
                self.told().connection = None;
            }
        } else if before < sending {
            self.0.sending.store(self.nanos(), Ordering::Relaxed);
        }
        if let Some(watch) = &self.0.watch {
            watch.tell(|observer| observer.reached(stage));
        }
    }

    /// Something of the request moved, or its own body is now waited for.
    pub(crate) fn mark_movement(&self, moved: bool) {
        if let Some(movement) = &self.0.movement {
            let producing = if moved { 0 } else { Movement::PRODUCING };
            let word = (self.nanos() & !Movement::PRODUCING) | producing;
            movement.0.store(word, Ordering::Relaxed);
        }
    }

    /// When something moved last; `None` while the request's own body is waited for, which it is
    /// only as long as the request is being sent.
    pub(crate) fn moved(&self) -> Option<Instant> {
        let word = self.0.movement.as_ref()?.0.load(Ordering::Relaxed);
        let last = Duration::from_nanos(word & !Movement::PRODUCING);
        let is_producing = word & Movement::PRODUCING != 0 && self.stage() == Stage::Sending;
        (!is_producing).then_some(self.0.started + last)
    }

    /// The time since the start, never 0.
    fn nanos(&self) -> u64 {
        let nanos = u64::try_from(self.0.started.elapsed().as_nanos());
        nanos.unwrap_or(u64::MAX).max(1)
    }

    /// The stage that was reached last.
    pub fn stage(&self) -> Stage {
        match self.0.stage.load(Ordering::Acquire) {
            0 => Stage::Queued,
            1 => Stage::Connecting,
            2 => Stage::Sending,
            3 => Stage::AwaitingHead,
            _ => Stage::ReadingBody,
        }
    }

    /// Says what it took to open a connection for this exchange. An exchange that waits for a
    /// connection which another one is opening does not say it.
    pub fn dialed(&self, timings: DialTimings) {
        self.told().dial = Some(Box::new(timings));
        self.0.has_dialed.store(true, Ordering::Release);
        if let Some(watch) = &self.0.watch {
            watch.tell(|observer| observer.dialed(&timings));
        }
    }

    /// Says which connection carries this exchange, as soon as that is known. If the exchange moves to
    /// another one, because nothing was sent yet, that one counts.
    pub fn connected(&self, connection: ConnectionInfo) {
        self.told().connection = Some(connection);
        if let Some(watch) = &self.0.watch {
            watch.tell(|observer| observer.connected(connection));
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that carries the exchange, if the backend said it.
    pub(crate) fn connection(&self) -> Option<ConnectionInfo> {
        self.told().connection
    }

    /// For a backend that does not say which connection it is before it has the response.
    pub(crate) fn answered_on(&self, connection: ConnectionInfo) {
        if self.0.watch.is_some() && connection.id != 0 && self.connection().is_none() {
            self.connected(connection);
        }
    }

    /// Takes out what it took to open the connection, if one was opened for this exchange.
    pub(crate) fn take_dial_timings(&self) -> Option<Box<DialTimings>> {
        let has_dialed = self.0.has_dialed.load(Ordering::Acquire);
        has_dialed.then(|| self.told().dial.take())?
    }

    /// How long after its start the exchange began to be sent.
    pub(crate) fn sending_began(&self) -> Option<Duration> {
        match self.0.sending.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// The error of an exchange that is cut off now, because `what` (such as "the deadline of 2 s")
    /// passed.
    pub fn timed_out(&self, what: &str) -> BackendError {
        let stage = self.stage();
        let (phase, waiting_for) = match stage {
            Stage::Queued => (TimeoutPhase::Queue, "a free connection, stream or thread"),
            Stage::Connecting => (TimeoutPhase::Connect, "the connection"),
            Stage::Sending => (TimeoutPhase::Write, "the peer to take the request"),
            Stage::AwaitingHead => (TimeoutPhase::Head, "the response's head"),
            Stage::ReadingBody => (TimeoutPhase::Read, "the response's body"),
        };
        let delivery = if stage < Stage::Sending {
            Delivery::NotSent
        } else {
            Delivery::Unknown
        };
        BackendError::timeout(
            phase,
            format!("{what} passed while waiting for {waiting_for}"),
        )
        .with_delivery(delivery)
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
