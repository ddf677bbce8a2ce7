//! Each attempt as it is seen from outside: its span, its events for observers, its metrics.
//!
//! It is the innermost layer, so that what it sees is what is sent, in the place that it has been
//! given and through the proxy that has been chosen.

mod span;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pr_core::{BackendError, NormalizedResponse, RequestConfig};
use tower::{Layer, Service};
use tracing::Span;

pub(crate) use self::span::is_wanted;
#[cfg(feature = "metrics")]
pub(super) use self::span::{bare, known, version};
use super::{
    Reply, RequestService,
    metrics::{Meter, Meters},
    observer::{ExchangeWatch, Journey, Kind, Phase, Step},
    proxy_pool,
};

/// Puts spans, events and metrics around a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceLayer {
    meters: Meters,
}

impl TraceLayer {
    pub(crate) fn new(meters: Meters) -> Self {
        Self { meters }
    }
}

impl<S: RequestService> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced {
            inner,
            meters: self.meters.clone(),
        }
    }
}

/// A service whose calls are seen.
#[derive(Clone, Debug)]
pub(crate) struct Traced<S> {
    inner: S,
    meters: Meters,
}

impl<S: RequestService> Service<RequestConfig> for Traced<S> {
    type Response = NormalizedResponse;
    type Error = BackendError;
    type Future = TracedCall<S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: RequestConfig) -> Self::Future {
        let journey = request.extension_ref::<Journey>().cloned();
        let is_traced = is_wanted();
        if journey.is_none() && !is_traced {
            return TracedCall::Plain(self.inner.call(request));
        }
        // Of one that began before the subscriber was there, nothing is known.
        let step = journey.as_ref().map_or(Step::FIRST, Journey::step);
        let proxy = proxy_pool::name_of(&request);
        let span = if is_traced {
            span::of(&request, step, proxy.as_deref())
        } else {
            Span::none()
        };
        let meter = self.meters.begin(&request, step);
        let attempt = Attempt {
            journey,
            step,
            span,
            meter,
            is_over: false,
        };
        if let Some(journey) = attempt.journey.as_ref().filter(|it| it.is_watched()) {
            match step.kind {
                Kind::First => {}
                Kind::Retry => journey.tell(step.number, Phase::Retried),
                Kind::Hedge => journey.tell(step.number, Phase::Hedged),
            }
            journey.tell(step.number, Phase::Dispatched { proxy });
            let own = request.exchange_observer().cloned();
            let watch = ExchangeWatch::new(journey.clone(), step.number, own);
            request = request.observe_exchange(watch);
        }
        let call = attempt.span.in_scope(|| self.inner.call(request));
        TracedCall::Seen(Box::new(Seen { call, attempt }))
    }
}

/// The future of a [`Traced`]. Boxed where anybody looks, so that it costs nothing where nobody does.
pub(crate) enum TracedCall<F> {
    Plain(F),
    Seen(Box<Seen<F>>),
}

/// An attempt that somebody looks at.
pub(crate) struct Seen<F> {
    call: F,
    attempt: Attempt,
}

impl<F: Future<Output = Reply> + Unpin> Future for TracedCall<F> {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let Seen { call, attempt } = match self.get_mut() {
            Self::Plain(call) => return Pin::new(call).poll(cx),
            Self::Seen(seen) => &mut **seen,
        };
        let reply = {
            let _inside = attempt.span.enter();
            ready!(Pin::new(call).poll(cx))
        };
        attempt.end(&reply);
        Poll::Ready(reply)
    }
}

/// Whoever looks at an attempt. Dropped before its end, it is one that was cancelled.
struct Attempt {
    journey: Option<Journey>,
    step: Step,
    span: Span,
    meter: Option<Meter>,
    is_over: bool,
}

impl Attempt {
    fn end(&mut self, reply: &Reply) {
        self.is_over = true;
        span::end(&self.span, reply);
        if let Some(meter) = self.meter.take() {
            meter.end(reply);
        }
        if let Some(journey) = &self.journey {
            journey.arrive();
            if journey.is_watched() {
                journey.tell(self.step.number, Phase::of_attempt(reply));
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        span::cancel(&self.span);
        if let Some(meter) = self.meter.take() {
            meter.cancel();
        }
        if let Some(journey) = &self.journey {
            journey.arrive();
            journey.tell(self.step.number, Phase::Cancelled);
        }
    }
}
