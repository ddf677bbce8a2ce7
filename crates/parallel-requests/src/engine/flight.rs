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
use crate::{cut_off, stack::Stack};

/// One request from its dispatch to its outcome. By hand and not an `async` block, so that a lane
/// that is cut off can tell which requests it had.
pub(super) struct Flight {
    slot: usize,
    started: Instant,
    /// For whoever wants to know what it was that failed; `None` when it has landed.
    request: Option<RequestConfig>,
    /// The request is asked for even if there is a response.
    keeps_request: bool,
    /// `None` if it broke.
    call: Option<<Stack as Service<RequestConfig>>::Future>,
}

impl Flight {
    /// Dispatches a request through a stack that is ready for it.
    pub(super) fn dispatch(job: Job, stack: &mut Stack, keeps_request: bool) -> Self {
        Self {
            slot: job.slot,
            started: Instant::now(),
            request: Some(job.request.clone()),
            keeps_request,
            call: unless_it_panics(|| stack.call(job.request)),
        }
    }

    /// The outcome of a request that is given up; what it held is free. If all that is done with
    /// calls is done `in_sight`, within their futures, the layers know whether it may have been sent.
    pub(super) fn cut_off(
        &mut self,
        in_sight: bool,
        why: impl FnOnce(Delivery, Option<&RequestConfig>) -> BackendError,
    ) -> Done {
        let is_whole = self.call.is_some();
        let mut has_panicked = false;
        let remains = cut_off::watch(|| {
            has_panicked = unless_it_panics(|| self.call = None).is_none();
        });
        let knows = in_sight && is_whole && !has_panicked;
        let delivery = if knows {
            remains.delivery()
        } else {
            Delivery::Unknown
        };
        let is_under_way = remains.is_under_way() || !knows;
        let error = why(delivery, self.request.as_ref());
        let mut done = self.land(Err(error.with_earlier_attempts(remains.into_earlier())));
        if !is_under_way {
            // It was waiting for its turn, or for its next attempt.
            done.is_begun = false;
            done.retries = done.retries.saturating_sub(1);
        }
        done
    }

    fn land(&mut self, result: Result<NormalizedResponse, BackendError>) -> Done {
        let earlier = match &result {
            Ok(response) => response.earlier_attempts(),
            Err(error) => error.earlier_attempts(),
        };
        let retries = earlier.len();
        let request = if result.is_err() || self.keeps_request {
            self.request.take()
        } else {
            let _ = unless_it_panics(|| self.request = None);
            None
        };
        Done {
            slot: self.slot,
            is_begun: true,
            elapsed: self.started.elapsed(),
            retries,
            request,
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
pub(crate) fn unless_it_panics<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
