//! The one timer of a connection, whatever it is that happens next.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use crate::keep_alive::KeepAliveTimes;

/// How long connections live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    pub(crate) idle_timeout: Duration,
    pub(crate) max_age: Option<Duration>,
    pub(crate) keep_alive: Option<KeepAliveTimes>,
}

/// Fires when the first of several moments has come: one timer for each connection, none for a
/// request, since the cost of looking at it is paid each time that the connection's task runs.
pub(crate) struct Clock {
    lifetimes: Lifetimes,
    /// When the connection may have been idle for long enough.
    pub(crate) idle: Option<Instant>,
    /// When it is too old for new streams.
    pub(crate) age: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
    /// Whether there is a moment to wait for.
    is_set: bool,
}

/// An idle timeout of nothing at all would fire over and over on a connection that is busy.
const SHORTEST_IDLE_TIMEOUT: Duration = Duration::from_millis(1);

impl Clock {
    /// Starts it. Panics where the runtime has no time driver, so this comes before anybody relies
    /// on the connection.
    pub(crate) fn start(mut lifetimes: Lifetimes) -> Self {
        lifetimes.idle_timeout = lifetimes.idle_timeout.max(SHORTEST_IDLE_TIMEOUT);
        let now = Instant::now();
        Self {
            lifetimes,
            idle: now.checked_add(lifetimes.idle_timeout),
            age: lifetimes.max_age.and_then(|age| now.checked_add(age)),
            sleep: Box::pin(sleep(lifetimes.idle_timeout)),
            is_set: true,
        }
    }

    pub(crate) fn lifetimes(&self) -> &Lifetimes {
        &self.lifetimes
    }

    /// Waits for the next of its own moments and this one.
    pub(crate) fn set(&mut self, other: Option<Instant>) {
        let next = [self.idle, self.age, other].into_iter().flatten().min();
        self.is_set = next.is_some();
        if let Some(next) = next
            && next != self.sleep.deadline()
        {
            self.sleep.as_mut().reset(next);
        }
    }

    /// Ready, with the time that it is, when a moment has come; [`set`](Self::set) has to follow.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        if !self.is_set {
            return Poll::Pending;
        }
        ready!(self.sleep.as_mut().poll(cx));
        Poll::Ready(Instant::now())
    }
}
