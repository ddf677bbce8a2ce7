//! One request of a batch on its way.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use pr_core::{BackendError, Delivery, ErrorKind, NormalizedResponse, RequestConfig};
use tokio::time::Instant;
use tower::Service;

use super::belt::{Done, Job};
use crate::stack::Stack;

/// One request from its turn to its outcome. By hand and not an `async` block, so that a lane that
/// is cut off can tell which requests it had.
pub(super) struct Flight {
    slot: usize,
    started: Instant,
    leg: Leg,
}

enum Leg {
    /// Waits until the stack takes it.
    Ready(Stack, Option<Box<RequestConfig>>),
    Called(<Stack as Service<RequestConfig>>::Future),
    Landed,
}

impl Flight {
    pub(super) fn new(job: Job, stack: Stack) -> Self {
        Self {
            slot: job.slot,
            started: Instant::now(),
            leg: Leg::Ready(stack, Some(job.request)),
        }
    }

    /// The outcome of a request whose lane was cut off.
    pub(super) fn cut_off(&mut self, why: fn() -> BackendError) -> Done {
        let delivery = match std::mem::replace(&mut self.leg, Leg::Landed) {
            Leg::Ready(..) => Delivery::NotSent,
            Leg::Called(_) | Leg::Landed => Delivery::Unknown,
        };
        Done {
            slot: self.slot,
            elapsed: self.started.elapsed(),
            result: Err(why().with_delivery(delivery)),
        }
    }

    fn poll_result(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<NormalizedResponse, BackendError>> {
        loop {
            match &mut self.leg {
                Leg::Ready(stack, request) => {
                    ready!(stack.poll_ready(cx))?;
                    // The clock starts here: waiting for a place is not the request's own time.
                    self.started = Instant::now();
                    let Some(request) = request.take() else {
                        return Poll::Pending;
                    };
                    self.leg = Leg::Called(stack.call(*request));
                }
                Leg::Called(call) => return Pin::new(call).poll(cx),
                Leg::Landed => return Poll::Pending,
            }
        }
    }
}

impl Future for Flight {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done> {
        let this = &mut *self;
        // Whatever breaks within one request, a third party's backend or a body's factory perhaps,
        // is that request's outcome and nobody else's.
        let polled = catch_unwind(AssertUnwindSafe(|| this.poll_result(cx)));
        let result = if let Ok(polled) = polled {
            ready!(polled)
        } else {
            let why = "the request panicked; the panic's message is on standard error";
            Err(BackendError::new(ErrorKind::Other, why))
        };
        // What it held is free before anybody hears of the outcome.
        this.leg = Leg::Landed;
        Poll::Ready(Done {
            slot: this.slot,
            elapsed: this.started.elapsed(),
            result,
        })
    }
}
