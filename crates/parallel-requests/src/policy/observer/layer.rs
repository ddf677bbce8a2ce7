//! The layer that tells of whole requests, and gives them what tells their attempts apart.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pr_core::{BackendError, NormalizedResponse, RequestConfig};
use tower::{Layer, Service};

use super::{Ending, Journey, Phase, Watchers};
use crate::policy::{Reply, RequestService, trace};

/// Puts observers around a service.
#[derive(Clone, Debug)]
pub(crate) struct ObserverLayer {
    watchers: Option<Watchers>,
    is_needed: bool,
}

impl ObserverLayer {
    /// `is_needed` says that a layer further inside has to tell attempts apart, whether or not there
    /// are observers.
    pub(crate) fn new(watchers: Option<Watchers>, is_needed: bool) -> Self {
        Self {
            is_needed: is_needed || watchers.is_some(),
            watchers,
        }
    }
}

impl<S: RequestService> Layer<S> for ObserverLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            policy: self.clone(),
        }
    }
}

/// A service that is watched.
#[derive(Clone, Debug)]
pub(crate) struct Observed<S> {
    inner: S,
    policy: ObserverLayer,
}

impl<S: RequestService> Service<RequestConfig> for Observed<S> {
    type Response = NormalizedResponse;
    type Error = BackendError;
    type Future = ObservedCall<S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: RequestConfig) -> Self::Future {
        if !self.policy.is_needed && !trace::is_wanted() {
            return ObservedCall {
                call: self.inner.call(request),
                request: None,
            };
        }
        let journey = Journey::begin(self.policy.watchers.as_ref(), &request);
        journey.tell(0, Phase::Queued);
        // Made first: whatever happens further inside, a panic too, its end is told.
        let request_under_way = UnderWay(Some(journey.clone()));
        ObservedCall {
            call: self.inner.call(request.extension(journey)),
            request: Some(request_under_way),
        }
    }
}

/// The future of an [`Observed`].
pub(crate) struct ObservedCall<F> {
    call: F,
    request: Option<UnderWay>,
}

impl<F: Future<Output = Reply> + Unpin> Future for ObservedCall<F> {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let reply = ready!(Pin::new(&mut self.call).poll(cx));
        if let Some(request) = self.request.take() {
            request.end(Ending::of(&reply));
        }
        Poll::Ready(reply)
    }
}

/// A request whose end has not been told.
struct UnderWay(Option<Journey>);

impl UnderWay {
    fn end(mut self, ending: Ending) {
        self.tell(ending);
    }

    fn tell(&mut self, ending: Ending) {
        if let Some(journey) = self.0.take() {
            journey.tell(journey.attempts(), Phase::Done(ending));
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.tell(Ending::Cancelled);
    }
}
