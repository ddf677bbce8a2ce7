//! A request's wait for its turn, which may include dialing on behalf of everybody who waits.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pr_core::{BackendError, Progress, Stage};

use crate::{
    dial::{Dialer, Report},
    lease::{Lease, StreamLease},
    origin::Origin,
    queue::Wakers,
    state::Decision,
};

/// A request that waits for its lease.
pub(crate) struct Waiting<'a> {
    origin: &'a Arc<Origin>,
    dialer: &'a Arc<Dialer>,
    fresh: bool,
    progress: &'a Progress,
    ticket: Option<u64>,
    /// Of the dial that this request has begun.
    report: Option<Report>,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(
        origin: &'a Arc<Origin>,
        dialer: &'a Arc<Dialer>,
        fresh: bool,
        progress: &'a Progress,
    ) -> Self {
        Self {
            origin,
            dialer,
            fresh,
            progress,
            ticket: None,
            report: None,
        }
    }

    fn poll_decision(&mut self, cx: &mut Context<'_>) -> Poll<Result<Decision, BackendError>> {
        let origin = self.origin;
        // In this order, so that they are woken when the lock is free.
        let mut wakers = Wakers::default();
        let mut state = origin.lock();
        let ticket = match self.ticket {
            Some(ticket) => ticket,
            None if state.closed => return Poll::Ready(Err(BackendError::backend_closed())),
            None => {
                let ticket = state.queue.enter(self.fresh, cx);
                self.ticket = Some(ticket);
                state.serve(&mut wakers);
                ticket
            }
        };
        if let Some(decision) = state.queue.poll(ticket, cx) {
            self.ticket = None;
            if let Some(took) = self.report.as_ref().and_then(|report| report.get()) {
                self.progress.dialed(*took);
            }
            return Poll::Ready(Ok(decision));
        }
        let waits_for_connection = self.fresh || state.members.is_empty();
        let waits_for_connection = waits_for_connection && !state.is_dial_queued();
        self.progress.reach(if waits_for_connection {
            Stage::Connecting
        } else {
            Stage::Queued
        });
        if state.needs_dial() {
            let number = state.next_dial();
            let mut prepared = self
                .dialer
                .prepare(origin, number, state.can_do_without())?;
            self.report = Some(prepared.report());
            state.begin_dial(number, prepared.stop());
            // A runtime that shuts down drops what is spawned on it at once, and that needs the
            // lock.
            drop(state);
            prepared.spawn();
        }
        Poll::Pending
    }
}

impl Future for Waiting<'_> {
    type Output = Result<Lease, BackendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_decision(cx).map(|decision| match decision? {
            Decision::Stream(grant) => {
                Ok(Lease::Stream(StreamLease::new(self.origin.clone(), grant)))
            }
            Decision::Http1(connected) => Ok(Lease::Http1(connected)),
            Decision::Failed(error) => Err(error),
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut decision = None;
        let mut abandoned = None;
        self.origin.change(|state, _| {
            decision = state.queue.leave(ticket);
            if let Some(Decision::Stream(grant)) = &decision {
                state.members.return_unused(grant.info.id);
            }
            abandoned = state.abandon_unwanted_dial();
        });
        // The first dial to an origin lasts as long as somebody waits for it.
        if let Some(dial) = abandoned {
            dial.now();
        }
    }
}
