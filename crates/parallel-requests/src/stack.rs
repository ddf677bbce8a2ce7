//! The one place where policies are composed around the exchange.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pr_core::{BackendError, NormalizedResponse, RequestConfig, Session};
use tower::{Service, ServiceBuilder};

#[cfg(feature = "metrics")]
use crate::policy::Metrics;
use crate::{
    held::Held,
    policy::{
        CircuitBreaker, Hedge, Observer, ProxyPool, RetryBudget, RetryPolicy,
        admission::{Admitted, Gate, Limits, Load},
        circuit_breaker::{Circuit, CircuitLayer, Guard, GuardLayer},
        hedge::{HedgeLayer, Hedging},
        layers::{Layered, Layers},
        metrics::Meters,
        observer::{Observed, ObserverLayer, Watchers},
        proxy_pool::{ProxyPoolLayer, Rotating},
        retry::{RetryLayer, Retrying},
        trace::{TraceLayer, Traced},
    },
};

/// What the engine drives: the outermost service. From the outside in:
///
/// | Layer | Around | What it does |
/// |---|---|---|
/// | the user's [`layer`](crate::ClientBuilder::layer)s | a request with all of its attempts | whatever they do |
/// | `Observed` | | tells observers and metrics |
/// | `Retrying` | | makes attempts until one will do; waits between them without a place |
/// | `Guard` | an attempt | refuses it at once if its host fails all the time |
/// | `Admitted` | | waits for what the limits ask: host not paused, rate, places |
/// | `Circuit` | an attempt with a place | the same for those that had to wait; learns what came of it |
/// | `Hedging` | | sends a copy if it takes long |
/// | `Rotating` | one copy of an attempt | chooses its proxy |
/// | the user's [`attempt_layer`](crate::ClientBuilder::attempt_layer)s | | whatever they do |
/// | `Traced` | | its span |
/// | `Requests` | | sends it; the request's clock starts here |
pub(crate) type Stack = Layered<Observed<Retrying<Guard<Admitted<PerAttempt>>>>>;

type PerAttempt = Circuit<Hedging<Rotating<Layered<Traced<Requests>>>>>;

/// All policies of a client.
#[derive(Clone)]
pub(crate) struct Policies {
    pub(crate) layers: Layers,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    #[cfg(feature = "metrics")]
    pub(crate) metrics: Option<Metrics>,
    pub(crate) retry: RetryPolicy,
    pub(crate) retry_budget: RetryBudget,
    pub(crate) limits: Limits,
    pub(crate) circuit_breaker: Option<CircuitBreaker>,
    pub(crate) hedge: Option<Hedge>,
    pub(crate) proxy_pool: Option<Arc<ProxyPool>>,
    pub(crate) attempt_layers: Layers,
}

impl Policies {
    /// The defaults.
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            layers: Layers::default(),
            observers: Vec::new(),
            #[cfg(feature = "metrics")]
            metrics: None,
            retry: RetryPolicy::default(),
            retry_budget: RetryBudget::default(),
            limits: Limits::new(concurrency),
            circuit_breaker: None,
            hedge: None,
            proxy_pool: None,
            attempt_layers: Layers::default(),
        }
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").finish_non_exhaustive()
    }
}

/// What can be seen of a stack from outside.
#[derive(Clone, Debug)]
pub(crate) struct Gauges {
    gate: Gate,
    held: Held,
    proxy_pool: Option<Arc<ProxyPool>>,
}

impl Gauges {
    /// How busy the client is.
    pub(crate) fn load(&self) -> Load {
        self.gate.load()
    }

    /// The proxies, for what goes past the stack.
    pub(crate) fn proxy_pool(&self) -> Option<&Arc<ProxyPool>> {
        self.proxy_pool.as_ref()
    }

    /// What is held up.
    pub(crate) fn held(&self) -> &Held {
        &self.held
    }
}

/// Puts the policies around a session, in the order of [`Stack`].
pub(crate) fn compose(session: Session, policies: Policies) -> (Stack, Gauges) {
    let held = Held::default();
    let gate = Gate::new(policies.limits, held.clone());
    #[cfg(feature = "metrics")]
    let meters = Meters::of(policies.metrics, &gate);
    #[cfg(not(feature = "metrics"))]
    let meters = Meters;
    let is_hedged = policies.hedge.is_some();
    let stack = ServiceBuilder::new()
        .layer(policies.layers)
        .layer(ObserverLayer::new(
            Watchers::of(policies.observers),
            policies.proxy_pool.is_some() || meters.are_wanted(),
        ))
        .layer(RetryLayer::new(
            policies.retry,
            policies.retry_budget,
            policies.circuit_breaker.clone(),
            held.clone(),
        ))
        .layer(GuardLayer::new(policies.circuit_breaker.clone()))
        .layer(gate.clone())
        .layer(CircuitLayer::new(policies.circuit_breaker))
        .layer(HedgeLayer::new(policies.hedge, gate.clone()))
        .layer(ProxyPoolLayer::new(policies.proxy_pool.clone(), is_hedged))
        .layer(policies.attempt_layers)
        .layer(TraceLayer::new(meters))
        .service(Requests { session });
    let gauges = Gauges {
        gate,
        held,
        proxy_pool: policies.proxy_pool,
    };
    (stack, gauges)
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
