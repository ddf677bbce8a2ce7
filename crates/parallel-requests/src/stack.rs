//! The one place where policies are composed around the exchange.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pr_core::{BackendError, NormalizedResponse, RequestConfig, Session};
use tower::{
    Layer, Service,
    limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer},
};

/// What the engine drives: the outermost service.
pub(crate) type Stack = ConcurrencyLimit<Requests>;

/// From the outside in: a place among the requests in flight, then the request itself, whose
/// clock starts only there, so that waiting for a place does not count against its timeout.
pub(crate) fn compose(session: Session, concurrency: usize) -> Stack {
    GlobalConcurrencyLimitLayer::new(concurrency).layer(Requests { session })
}

/// Whole requests as a `tower` service: the innermost.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    session: Session,
}

impl Service<RequestConfig> for Requests {
    type Response = NormalizedResponse;
    type Error = BackendError;
    type Future = Pin<Box<dyn Future<Output = Result<NormalizedResponse, BackendError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestConfig) -> Self::Future {
        Box::pin(self.session.request(request))
    }
}
