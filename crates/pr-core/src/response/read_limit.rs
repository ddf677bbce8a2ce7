//! How long a response's body may take, as a whole and from one piece to the next.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    task::coop,
    time::{Instant, Sleep, sleep_until},
};

use crate::{BackendError, Progress, Stage};

/// How long the body may take.
pub(crate) struct ReadLimit {
    total: Option<Pin<Box<Sleep>>>,
    pause: Option<Pause>,
}

/// The limit on the time between two pieces. It starts anew each time that one is waited for.
struct Pause {
    limit: Duration,
    /// Made when a piece is first waited for.
    sleep: Option<Pin<Box<Sleep>>>,
    is_running: bool,
}

impl ReadLimit {
    /// The whole body must be there by then, and each piece within that time.
    pub(crate) fn new(deadline: Option<Instant>, pause: Option<Duration>) -> Self {
        Self {
            total: deadline.map(|at| Box::pin(sleep_until(at))),
            pause: pause.map(|limit| Pause {
                limit,
                sleep: None,
                is_running: false,
            }),
        }
    }

    pub(super) fn piece_arrived(&mut self) {
        // A consumer's own slowness does not count, so the clock starts when it next waits.
        if let Some(pause) = &mut self.pause {
            pause.is_running = false;
        }
    }

    /// Ready when the time for the whole body is over.
    pub(super) fn poll_total(&mut self, cx: &mut Context<'_>) -> Poll<BackendError> {
        let Some(sleep) = &mut self.total else {
            return Poll::Pending;
        };
        ready!(sleep.as_mut().poll(cx));
        self.total = None;
        Poll::Ready(timed_out("the request's timeout"))
    }

    /// Ready when a piece has been waited for too long.
    pub(super) fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<BackendError> {
        let Some(pause) = &mut self.pause else {
            return Poll::Pending;
        };
        if !pause.is_running {
            // A limit too long to be represented is no limit, and leaves no timer.
            if let Some(end) = Instant::now().checked_add(pause.limit) {
                match &mut pause.sleep {
                    Some(sleep) => sleep.as_mut().reset(end),
                    None => pause.sleep = Some(Box::pin(sleep_until(end))),
                }
            }
            pause.is_running = true;
        }
        let Some(sleep) = &mut pause.sleep else {
            return Poll::Pending;
        };
        // Even if reading has just used up what the task may do at a time, as it does whenever much
        // comes that gives nothing.
        ready!(Pin::new(&mut coop::unconstrained(sleep.as_mut())).poll(cx));
        let limit = pause.limit;
        self.pause = None;
        Poll::Ready(timed_out(&format!("{limit:?} without a byte")))
    }
}

fn timed_out(what: &str) -> BackendError {
    let progress = Progress::new();
    progress.reach(Stage::ReadingBody);
    progress.timed_out(what)
}
