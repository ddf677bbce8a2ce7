//! The layer that lets requests race against their copies.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use pr_core::{BackendError, NormalizedResponse, RequestConfig};
use tower::{Layer, Service};

use super::{Hedge, When, latencies::Latencies, race::Race};
use crate::policy::{
    Reply, RequestService,
    admission::{Gate, MayReport, Place},
    circuit_breaker::Probe,
    hosts::Hosts,
    origin::Origin,
};

/// Puts the policy around a service.
#[derive(Clone, Debug)]
pub(crate) struct HedgeLayer {
    shared: Option<Arc<Shared>>,
}

impl HedgeLayer {
    /// Copies get their places from this gate.
    pub(crate) fn new(hedge: Option<Hedge>, gate: Gate) -> Self {
        let shared = |hedge| {
            Arc::new(Shared {
                hedge,
                gate,
                hosts: Mutex::new(Hosts::new(MOST_HOSTS)),
            })
        };
        Self {
            shared: hedge.map(shared),
        }
    }
}

/// Hosts whose latencies are kept.
const MOST_HOSTS: usize = 256;

impl<S: RequestService> Layer<S> for HedgeLayer {
    type Service = Hedging<S>;

    fn layer(&self, inner: S) -> Hedging<S> {
        Hedging {
            inner,
            shared: self.shared.clone(),
        }
    }
}

/// A service whose calls may have copies.
#[derive(Clone, Debug)]
pub(crate) struct Hedging<S> {
    inner: S,
    shared: Option<Arc<Shared>>,
}

/// What all requests of a client share.
pub(super) struct Shared {
    hedge: Hedge,
    gate: Gate,
    hosts: Mutex<Hosts<Latencies>>,
}

impl<S: RequestService> Service<RequestConfig> for Hedging<S> {
    type Response = NormalizedResponse;
    type Error = BackendError;
    type Future = Hedged<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: RequestConfig) -> Hedged<S> {
        match &self.shared {
            Some(shared) if shared.hedge.may_copy(&request) => {
                shared.hedge.budget.deposit();
                let race = Race::start(self.inner.clone(), request, shared.clone());
                Hedged::Racing(Box::new(race))
            }
            _ => Hedged::Alone(self.inner.call(request)),
        }
    }
}

impl Hedge {
    fn may_copy(&self, request: &RequestConfig) -> bool {
        let method = request.method_ref();
        (method.is_safe() || self.idempotent_methods && method.is_idempotent())
            && request.is_replayable()
            && request.resend_setting() != Some(false)
            // Of those that try out whether a host is well again, one at a time is to go.
            && request.extension_ref::<Probe>().is_none()
    }
}

/// The future of a [`Hedging`].
pub(crate) enum Hedged<S: RequestService> {
    Alone(S::Future),
    Racing(Box<Race<S>>),
}

impl<S: RequestService> Future for Hedged<S> {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        match self.get_mut() {
            Self::Alone(call) => Pin::new(call).poll(cx),
            Self::Racing(race) => race.poll(cx),
        }
    }
}

impl<S: RequestService> MayReport for Hedged<S> {
    fn has_reported(&self) -> bool {
        match self {
            Self::Alone(_) => false,
            Self::Racing(race) => race.has_reported(),
        }
    }
}

impl Shared {
    /// Who is told of the replies to attempts, and gives copies their places.
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) fn max_hedges(&self) -> u32 {
        self.hedge.max_hedges
    }

    /// After what time a copy is made; `None` if that is not known.
    pub(super) fn patience(&self, origin: Option<&Origin>) -> Option<Duration> {
        match self.hedge.when {
            When::After(time) => Some(time),
            When::Percentile(_) => self.hosts().get(origin?.as_str())?.threshold(),
        }
    }

    /// The host that a request's time counts for, if times count at all.
    pub(super) fn measured(&self, request: &RequestConfig) -> Option<Origin> {
        match self.hedge.when {
            When::After(_) => None,
            When::Percentile(_) => Origin::of(request),
        }
    }

    /// A good reply has taken this long.
    pub(super) fn record(&self, origin: &Origin, took: Duration) {
        if let When::Percentile(share) = self.hedge.when {
            self.hosts()
                .get_or_insert(origin, Latencies::new, |_| 0)
                .record(took, share, self.hedge.min_samples);
        }
    }

    /// A place for a copy, if there is one right now and the budget has something left.
    pub(super) fn place(&self, request: &RequestConfig) -> Option<Place> {
        if !self.hedge.budget.withdraw() {
            return None;
        }
        let place = self.gate.try_admit(request);
        if place.is_none() {
            self.hedge.budget.refund();
        }
        place
    }

    fn hosts(&self) -> MutexGuard<'_, Hosts<Latencies>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("hedge", &self.hedge)
            .finish_non_exhaustive()
    }
}
