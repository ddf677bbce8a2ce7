//! An attempt that waits for its turn: its ticket, its timers, and what it says if it gives up.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use pr_core::{BackendError, RequestConfig, TimeoutPhase};
use tokio::{
    runtime::Handle,
    task::coop::{Unconstrained, unconstrained},
    time::{Instant, Sleep, sleep_until},
};

use super::{
    gate::{Place, Shared},
    host::Obstacle,
    scheduler::{Lacking, Turn},
};

/// How long an attempt at a request may wait for its turn, in place of the client's setting: an
/// extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueTimeout(pub(crate) Duration);

/// A place in a queue, given up when it is dropped, and with it the place at the front if that has been
/// granted meanwhile.
#[derive(Debug)]
pub(super) struct Ticket {
    shared: Arc<Shared>,
    /// `None` when it has been redeemed.
    waiter: Option<usize>,
}

/// A future of the place that a ticket is for.
pub(super) struct Queued {
    ticket: Ticket,
    since: Instant,
    /// Wakes the gate, when it has something to do by the clock.
    alarm: Option<Pin<Box<Unconstrained<Sleep>>>>,
    /// Wakes this future when it has waited long enough.
    timeout: Option<(Duration, Pin<Box<Sleep>>)>,
    limit: Option<Duration>,
}

/// A point in time so far away that it is none: in thirty years.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

impl Ticket {
    pub(super) fn new(shared: Arc<Shared>, waiter: usize) -> Self {
        Self {
            shared,
            waiter: Some(waiter),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            let now = Instant::now();
            self.shared
                .with(|scheduler, effects| scheduler.give_up(waiter, now, effects));
        }
    }
}

impl Queued {
    /// Waits with this ticket, for as long as the request or else the client allows.
    pub(super) fn new(ticket: Ticket, limit: Option<Duration>, request: &RequestConfig) -> Self {
        let own = request.extension_ref::<QueueTimeout>();
        Self {
            ticket,
            since: Instant::now(),
            alarm: None,
            timeout: None,
            limit: own.map(|own| own.0).or(limit),
        }
    }

    /// The place, when its turn has come; or the error of whoever waited too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Place, BackendError>> {
        let Some(waiter) = self.ticket.waiter else {
            return Poll::Pending;
        };
        let shared = self.ticket.shared.clone();
        loop {
            // One waker goes in, another perhaps comes out, and is dropped without the lock.
            let mut waker = Some(cx.waker().clone());
            let turn = shared.scheduler().look(waiter, &mut waker);
            drop(waker);
            let due = match turn {
                Turn::Go(taken) => {
                    self.ticket.waiter = None;
                    return Poll::Ready(Ok(Place::after_waiting(&shared, taken)));
                }
                Turn::Wait(due) => due,
            };
            if Handle::try_current().is_err() {
                return Poll::Ready(Err(BackendError::no_runtime()));
            }
            self.alarm = due.map(|due| Box::pin(unconstrained(sleep_until(due))));
            let Some(alarm) = &mut self.alarm else {
                break;
            };
            let gate = shared.alarm();
            if alarm
                .as_mut()
                .poll(&mut Context::from_waker(&gate))
                .is_pending()
            {
                break;
            }
            // It came between the two looks at the clock.
            gate.wake();
        }
        self.poll_timeout(waiter, cx).map(Err)
    }

    fn poll_timeout(&mut self, waiter: usize, cx: &mut Context<'_>) -> Poll<BackendError> {
        if let Some(limit) = self.limit.take() {
            let end = self.since.checked_add(limit.min(NEVER));
            self.timeout = end.map(|end| (limit, Box::pin(sleep_until(end))));
        }
        let Some((limit, timeout)) = &mut self.timeout else {
            return Poll::Pending;
        };
        if timeout.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let lacking = self.ticket.shared.scheduler().lacking(waiter);
        Poll::Ready(too_long(*limit, lacking, Instant::now()))
    }
}

/// The error of an attempt whose turn did not come in time.
fn too_long(limit: Duration, lacking: Option<Lacking>, now: Instant) -> BackendError {
    let left = |until: Instant| seconds(until.saturating_duration_since(now));
    let (what, advice) = match lacking {
        Some(Lacking::Host(Obstacle::Paused(until))) => (
            format!(
                "its host asked to be left alone for another {}",
                left(until)
            ),
            "wait longer, or limit how long a pause may be",
        ),
        Some(Lacking::Host(Obstacle::Full(in_flight))) => (
            format!("its host has as many requests in flight as it may have: {in_flight}"),
            "wait longer, or raise the host's limit",
        ),
        Some(Lacking::Host(Obstacle::Rate(until))) => (
            format!("its host's rate allows the next request in {}", left(until)),
            "wait longer, or raise the host's rate",
        ),
        Some(Lacking::Host(Obstacle::Announced(until))) => (
            format!(
                "its host announced a limit that allows the next request in {}",
                left(until)
            ),
            "wait longer",
        ),
        Some(Lacking::Token(until)) => (
            format!(
                "the rate for all hosts allows the next request in {}",
                left(until)
            ),
            "wait longer, or raise the rate",
        ),
        Some(Lacking::Place(in_flight)) => (
            format!("as many requests are in flight as may be: {in_flight}"),
            "wait longer, or raise the concurrency",
        ),
        // Its turn came at the same instant.
        None => ("its turn came too late".to_owned(), "wait longer"),
    };
    BackendError::timeout(
        TimeoutPhase::Queue,
        format!(
            "the request waited {} for its turn and did not get it: {what}; {advice}",
            seconds(limit)
        ),
    )
}

/// A duration for people: to a tenth of a second, or finer if it is short.
fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        // Rounded up, so that what is left is never nothing.
        format!("{} ms", duration.as_micros().div_ceil(1_000))
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}
