//! The two places where an open circuit stops a request: before it queues, and before it is sent.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pr_core::{BackendError, ErrorKind, NormalizedResponse, RequestConfig};
use tokio::{sync::futures::OwnedNotified, time::Instant};
use tower::{Layer, Service};

use super::{CircuitBreaker, Permit, Probe, Refused, circuit::Refusal};
use crate::policy::{
    Reply, RequestService,
    admission::{MayQueue, MayReport},
};

/// Stands before the queue: what would be refused anyway need not wait for a place.
#[derive(Clone, Debug)]
pub(crate) struct GuardLayer {
    breaker: Option<CircuitBreaker>,
}

impl GuardLayer {
    pub(crate) fn new(breaker: Option<CircuitBreaker>) -> Self {
        Self { breaker }
    }
}

impl<S> Layer<S> for GuardLayer
where
    S: RequestService,
    S::Future: MayQueue,
{
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard {
            inner,
            breaker: self.breaker.clone(),
        }
    }
}

/// A service that refuses what an open circuit would.
#[derive(Clone, Debug)]
pub(crate) struct Guard<S> {
    inner: S,
    breaker: Option<CircuitBreaker>,
}

impl<S> Service<RequestConfig> for Guard<S>
where
    S: RequestService,
    S::Future: MayQueue,
{
    type Response = NormalizedResponse;
    type Error = BackendError;
    type Future = Guarded<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: RequestConfig) -> Self::Future {
        let Some(breaker) = &self.breaker else {
            return Guarded::Through {
                call: self.inner.call(request),
                watch: None,
            };
        };
        if let Err(refused) = breaker.look(&request) {
            return Guarded::Refused(Some(refused.into_error(&request)));
        }
        let call = self.inner.call(request.clone());
        let watch = call.is_queued().then(|| {
            Box::new(Watch {
                breaker: breaker.clone(),
                request,
                opened: None,
            })
        });
        Guarded::Through { call, watch }
    }
}

/// The future of a [`Guard`].
pub(crate) enum Guarded<F> {
    Through {
        call: F,
        /// While it waits for its turn.
        watch: Option<Box<Watch>>,
    },
    Refused(Option<BackendError>),
}

impl<F: Future<Output = Reply> + MayQueue + Unpin> Future for Guarded<F> {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let this = self.get_mut();
        if let Self::Through { call, watch } = this {
            if let Poll::Ready(reply) = Pin::new(&mut *call).poll(cx) {
                return Poll::Ready(reply);
            }
            let Some(watching) = watch else {
                return Poll::Pending;
            };
            if !call.is_queued() {
                *watch = None;
                return Poll::Pending;
            }
            let error = ready!(watching.poll(cx));
            // It leaves its queue with this.
            *this = Self::Refused(Some(error));
        }
        match this {
            Self::Through { .. } => Poll::Pending,
            Self::Refused(error) => refuse(error),
        }
    }
}

impl<F: MayQueue> MayQueue for Guarded<F> {
    fn is_queued(&self) -> bool {
        match self {
            Self::Through { call, .. } => call.is_queued(),
            Self::Refused(_) => false,
        }
    }

    fn admitted_at(&self) -> Option<Instant> {
        match self {
            Self::Through { call, .. } => call.admitted_at(),
            Self::Refused(_) => None,
        }
    }
}

/// What a request in a queue looks out for: that the circuit of its host opens.
pub(crate) struct Watch {
    breaker: CircuitBreaker,
    request: RequestConfig,
    opened: Option<Pin<Box<OwnedNotified>>>,
}

impl Watch {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<BackendError> {
        loop {
            if let Some(opened) = &mut self.opened {
                ready!(opened.as_mut().poll(cx));
                self.opened = None;
            }
            let Some(opened) = self.breaker.opened(&self.request) else {
                return Poll::Pending;
            };
            // From here on it hears of it; and before that it may have happened.
            self.opened = Some(Box::pin(opened.notified_owned()));
            if let Err(refused) = self.breaker.look(&self.request) {
                return Poll::Ready(refused.into_error(&self.request));
            }
        }
    }
}

/// Stands around each attempt that has its place: lets it through or not, and learns from it.
#[derive(Clone, Debug)]
pub(crate) struct CircuitLayer {
    breaker: Option<CircuitBreaker>,
}

impl CircuitLayer {
    pub(crate) fn new(breaker: Option<CircuitBreaker>) -> Self {
        Self { breaker }
    }
}

impl<S: RequestService> Layer<S> for CircuitLayer {
    type Service = Circuit<S>;

    fn layer(&self, inner: S) -> Circuit<S> {
        Circuit {
            inner,
            breaker: self.breaker.clone(),
        }
    }
}

/// A service with a circuit for each host.
#[derive(Clone, Debug)]
pub(crate) struct Circuit<S> {
    inner: S,
    breaker: Option<CircuitBreaker>,
}

impl<S: RequestService> Service<RequestConfig> for Circuit<S> {
    type Response = NormalizedResponse;
    type Error = BackendError;
    type Future = Conducted<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: RequestConfig) -> Self::Future {
        let permit = match &self.breaker {
            None => None,
            Some(breaker) => match breaker.pass(&request) {
                Ok(permit) => {
                    if permit.as_ref().is_some_and(Permit::is_probe) {
                        request = request.extension(Probe);
                    }
                    permit.map(Box::new)
                }
                Err(refused) => {
                    return Conducted::Refused(Some(refused.into_error(&request)));
                }
            },
        };
        Conducted::Through {
            call: self.inner.call(request),
            permit,
        }
    }
}

/// The future of a [`Circuit`].
pub(crate) enum Conducted<F> {
    Through {
        call: F,
        /// Boxed, because most clients have no breaker, and each request would be larger by it.
        permit: Option<Box<Permit>>,
    },
    Refused(Option<BackendError>),
}

impl<F: Future<Output = Reply> + Unpin> Future for Conducted<F> {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        match self.get_mut() {
            Self::Through { call, permit } => {
                let reply = ready!(Pin::new(call).poll(cx));
                if let Some(permit) = permit.take() {
                    let settings = &permit.breaker.inner.settings;
                    let verdict = settings.judge(&permit.origin, &reply);
                    permit.report(verdict);
                }
                Poll::Ready(reply)
            }
            Self::Refused(error) => refuse(error),
        }
    }
}

impl<F: MayReport> MayReport for Conducted<F> {
    fn has_reported(&self) -> bool {
        match self {
            Self::Through { call, .. } => call.has_reported(),
            Self::Refused(_) => false,
        }
    }
}

fn refuse(error: &mut Option<BackendError>) -> Poll<Reply> {
    match error.take() {
        Some(error) => Poll::Ready(Err(error)),
        // It has been given, and nothing is to come.
        None => Poll::Pending,
    }
}

impl Refused {
    fn into_error(self, request: &RequestConfig) -> BackendError {
        let Self { origin, refusal } = self;
        let message = match refusal {
            Refusal::Open(left) => format!(
                "the circuit of {origin} is open, because too many requests to it have failed; it is \
                 tried again in {left:.1?}"
            ),
            Refusal::Probing => format!(
                "the circuit of {origin} is half-open: other requests are trying it right now; it is \
                 tried again when they are done"
            ),
        };
        let error = BackendError::new(ErrorKind::CircuitOpen, message);
        match request.url() {
            Some(url) => error.with_url(url),
            None => error,
        }
    }
}
