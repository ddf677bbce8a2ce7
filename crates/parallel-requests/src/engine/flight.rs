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

/// One request from its dispatch to its outcome. By hand and not an `async` block, so that a lane
/// that is cut off can tell which requests it had.
pub(super) struct Flight {
    slot: usize,
    started: Instant,
    /// `None` if it broke.
    call: Option<<Stack as Service<RequestConfig>>::Future>,
}

impl Flight {
    /// Dispatches a request through a stack that is ready for it.
    pub(super) fn dispatch(job: Job, stack: &mut Stack) -> Self {
        Self {
            slot: job.slot,
            started: Instant::now(),
            call: unless_it_panics(|| stack.call(*job.request)),
        }
    }

    /// The outcome of a request whose lane was cut off.
    pub(super) fn cut_off(&self, why: fn() -> BackendError) -> Done {
        self.land(Err(why().with_delivery(Delivery::Unknown)))
    }

    fn land(&self, result: Result<NormalizedResponse, BackendError>) -> Done {
        Done {
            slot: self.slot,
            elapsed: self.started.elapsed(),
            result,
        }
    }
}

impl Future for Flight {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done> {
        let this = &mut *self;
        let call = this.call.as_mut();
        let polled = call.and_then(|call| unless_it_panics(|| Pin::new(call).poll(cx)));
        let result = if let Some(polled) = polled {
            ready!(polled)
        } else {
            let why = "the request panicked; the panic's message is on standard error";
            Err(BackendError::new(ErrorKind::Other, why))
        };
        // What it held is free before anybody hears of the outcome.
        let _ = unless_it_panics(|| this.call = None);
        Poll::Ready(this.land(result))
    }
}

/// Whatever breaks within one request, a third party's backend or a body's factory perhaps, is that
/// request's outcome and nobody else's.
fn unless_it_panics<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
