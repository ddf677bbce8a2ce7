//! What is done around a request besides sending it: a file or folder for each policy. Where they
//! stand relative to each other is in `stack.rs`.

pub(crate) mod adaptive;
pub(crate) mod admission;
pub(crate) mod circuit_breaker;
pub(crate) mod hedge;
pub(crate) mod hosts;
pub(crate) mod layers;
pub(crate) mod metrics;
pub(crate) mod observer;
pub(crate) mod origin;
mod overrides;
pub(crate) mod proxy_pool;
pub(crate) mod rate_limit;
pub(crate) mod retry;
pub(crate) mod retry_after;
pub(crate) mod server_limits;
mod service;
pub(crate) mod trace;

#[cfg(feature = "metrics")]
pub use self::metrics::Metrics;
pub(crate) use self::service::{BoxedReply, Reply, RequestService};
pub use self::{
    adaptive::AdaptiveConcurrency,
    circuit_breaker::{CircuitBreaker, CircuitState},
    hedge::Hedge,
    layers::PolicyService,
    observer::{Ending, Event, Observer, Phase},
    overrides::PolicyOverrides,
    proxy_pool::{ProxyListError, ProxyPool, RotationStrategy},
    rate_limit::{RateLimit, RateLimiter},
    retry::{RetryBudget, RetryContext, RetryDecision, RetryPolicy},
    retry_after::RetryAfter,
    server_limits::ServerLimits,
};
