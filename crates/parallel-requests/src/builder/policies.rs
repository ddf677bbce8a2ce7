//! What is done around requests: how many, how fast, how often, through whom.

use std::{sync::Arc, time::Duration};

use pr_core::{BackendError, NormalizedResponse, RequestConfig};
use tower::{Layer, Service};

use super::ClientBuilder;
use crate::{
    AdaptiveConcurrency, CircuitBreaker, Hedge, Observer, PolicyService, ProxyPool, RateLimit,
    RateLimiter, RetryAfter, RetryBudget, RetryPolicy, ServerLimits,
};

/// # How much at once, how fast
///
/// An attempt at a request goes when, at the same instant, its host is not paused, fewer are in flight
/// to its host than may be, its host's rate and the rate for all each have a token, and fewer than
/// [`concurrency`](Self::concurrency) are in flight in all. Until then it holds nothing and waits in its
/// host's queue, first in, first out; hosts whose requests could go, but for a place or a token for all,
/// take turns. So a host that is slow, limited or paused keeps nobody else back.
///
/// | Limit | Default |
/// |---|---|
/// | [`concurrency`](Self::concurrency): in flight in all | 20 |
/// | [`concurrency_per_host`](Self::concurrency_per_host), [`concurrency_for_host`](Self::concurrency_for_host): in flight to a host | as many as in all |
/// | [`adaptive`](Self::adaptive): in flight to a host, found by itself | off |
/// | [`rate_limit`](Self::rate_limit): attempts per second in all | none |
/// | [`rate_limit_per_host`](Self::rate_limit_per_host), [`rate_limit_for_host`](Self::rate_limit_for_host): attempts per second to a host | none |
/// | [`retry_after`](Self::retry_after): pauses that a host asks for | kept, for everybody |
/// | [`queue_timeout`](Self::queue_timeout): how long an attempt waits for its turn | as long as it takes |
///
/// All of that is about requests that are in flight, each from its dispatch to the end of its response.
/// How many connections carry them is the transport's business: one for each request with HTTP/1.1,
/// one or a few for each host with HTTP/2; [`max_connections`](Self::max_connections) bounds those.
/// [`get`](crate::ParallelRequests::get) and
/// [`send`](crate::ParallelRequests::send) go by the same limits as batches;
/// [`open`](crate::ParallelRequests::open) goes by none of them.
impl ClientBuilder {
    /// How many requests are in flight to one host at a time, from 1 to 1,000,000. Default: no limit
    /// but [`concurrency`](Self::concurrency).
    ///
    /// A host is an origin: scheme, host and port (RFC 6454). A request counts for the origin of its
    /// URL from its dispatch until its response has been read to the end, or it has failed or was
    /// dropped; the hops of redirects count for it, too. What cannot go waits in its host's queue, and
    /// keeps nobody else back: it holds no place, and hosts whose requests could go take turns.
    ///
    /// This is about requests. An HTTP/1.1 connection carries one at a time, so that with HTTP/1.1 it
    /// is also the greatest number of connections to that host; an HTTP/2 connection carries many.
    ///
    /// ```
    /// use parallel_requests::ParallelRequests;
    ///
    /// # #[cfg(feature = "h2")]
    /// let client = ParallelRequests::builder()
    ///     .concurrency(500)
    ///     .concurrency_per_host(8)
    ///     .concurrency_for_host("https://api.example", 64)
    ///     .build();
    /// ```
    pub fn concurrency_per_host(mut self, in_flight: usize) -> Self {
        self.policies.limits.concurrency_per_host = Some(in_flight);
        self
    }

    /// The same for one host, in place of [`concurrency_per_host`](Self::concurrency_per_host): a URL
    /// of which only the origin counts, or a host, which stands for its `https` origin. Of two for the
    /// same host, the later counts.
    pub fn concurrency_for_host(mut self, host: impl Into<String>, in_flight: usize) -> Self {
        let limits = &mut self.policies.limits;
        limits.concurrency_for_host.push((host.into(), in_flight));
        self
    }

    /// Lets the limit of requests in flight to each host find itself, up to what
    /// [`concurrency_per_host`](Self::concurrency_per_host) says. Default: off.
    ///
    /// What has been learnt of a host is kept while it is in use, and beyond that for the 1,024 hosts
    /// that were used last.
    pub fn adaptive(mut self, adaptive: AdaptiveConcurrency) -> Self {
        self.policies.limits.adaptive = Some(adaptive);
        self
    }

    /// How long an attempt may wait for its turn, more than zero: for a pause of its host to end, a
    /// token of a rate limit, or a place among those in flight. Default: as long as it takes.
    ///
    /// One that has waited so long fails with a [timeout](crate::ErrorKind::Timeout) in the phase
    /// [`Queue`](crate::TimeoutPhase::Queue), which says what it waited for; nothing has been sent.
    /// The time that a request may take, [`timeout`](Self::timeout), is another matter: it begins when
    /// the request goes. A retry waits anew; if its turn does not come in time, the request ends with
    /// the reply that it has.
    pub fn queue_timeout(mut self, limit: Duration) -> Self {
        self.policies.limits.queue_timeout = Some(limit);
        self
    }

    /// How many requests per second are sent, all hosts together. Default: as many as go.
    ///
    /// A token is taken when an attempt goes, retries and the copies that hedging sends included, and
    /// not while it waits; the request's clock starts afterwards. To share a limit between clients,
    /// give both a clone of one [`RateLimiter`]. Requests that follow a redirect are parts of their
    /// attempt and take no token.
    pub fn rate_limit(mut self, limit: impl Into<RateLimiter>) -> Self {
        self.policies.limits.rate = Some(limit.into());
        self
    }

    /// How many requests per second are sent to each host, besides
    /// [`rate_limit`](Self::rate_limit). Default: as many as go.
    ///
    /// A host that has no token keeps nobody else back. What a host is, see
    /// [`concurrency_per_host`](Self::concurrency_per_host). A host is remembered until its tokens are
    /// all there again, so that a slow rate with a large burst costs memory for many hosts.
    pub fn rate_limit_per_host(mut self, limit: RateLimit) -> Self {
        self.policies.limits.rate_per_host = Some(limit);
        self
    }

    /// The same for one host, in place of [`rate_limit_per_host`](Self::rate_limit_per_host): a URL of
    /// which only the origin counts, or a host, which stands for its `https` origin. Of two for the
    /// same host, the later counts.
    pub fn rate_limit_for_host(mut self, host: impl Into<String>, limit: RateLimit) -> Self {
        let limits = &mut self.policies.limits;
        limits.rate_for_host.push((host.into(), limit));
        self
    }

    /// How far the header field `retry-after` is followed (RFC 9110, 10.2.3): what a host asks for in a
    /// response with status 429 or 503 pauses it for everybody, this client's other batches included.
    /// Default: [`RetryAfter::default`], pauses of up to five minutes; [`RetryAfter::ignore`] is off.
    pub fn retry_after(mut self, policy: RetryAfter) -> Self {
        self.policies.limits.retry_after = Some(policy);
        self
    }

    /// Follows what hosts announce of their limits, in `RateLimit`, `X-RateLimit-Remaining` and similar
    /// header fields: the requests that remain are spread over the time until the reset, and when none
    /// do, the host is paused until then. Default: off, as it costs the reading of header fields for
    /// each response and slows requests to generous hosts down, too.
    pub fn server_limits(mut self, policy: ServerLimits) -> Self {
        self.policies.limits.announced = Some(policy);
        self
    }

    /// How requests are retried; see [`RetryPolicy`] for which, when and how often. A request may
    /// [say otherwise](crate::PolicyOverrides::retry). Default: up to 3 times, after 0 to 0.5, 1 and 2
    /// seconds, if their method is idempotent or they have not been processed.
    ///
    /// ```
    /// use parallel_requests::{ParallelRequests, RetryPolicy};
    ///
    /// # #[cfg(feature = "h2")]
    /// let client = ParallelRequests::builder().retry(RetryPolicy::never()).build();
    /// ```
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policies.retry = policy;
        self
    }

    /// How often a request is retried at most; short for a [`retry`](Self::retry) policy that differs
    /// in that only. Default: 3; with 0, [never](RetryPolicy::never).
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.policies.retry = match retries {
            0 => RetryPolicy::never(),
            retries => self.policies.retry.max_retries(retries),
        };
        self
    }

    /// How much of the client's traffic retries may be, whatever the policies of its requests. One that
    /// there is nothing left for is not made, and the request ends with the reply that it has.
    /// Default: 20 % of the requests, and 100.
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.policies.retry_budget = budget;
        self
    }

    /// Stops asking a host that fails all the time, for a while: its requests then end at once, with
    /// kind [`CircuitOpen`](crate::ErrorKind::CircuitOpen), and nothing is sent. See
    /// [`CircuitBreaker`]. Default: none.
    pub fn circuit_breaker(mut self, breaker: CircuitBreaker) -> Self {
        self.policies.circuit_breaker = Some(breaker);
        self
    }

    /// Sends a second copy of requests that take long, if they may be sent twice and there is a place
    /// at once, and takes the reply that is there first. See [`Hedge`]. Default: none.
    pub fn hedge(mut self, hedge: Hedge) -> Self {
        self.policies.hedge = Some(hedge);
        self
    }

    /// Sends each attempt at a request through a proxy of this pool, in place of the client's
    /// [`proxy`](Self::proxy) and of those of the environment; see [`ProxyPool`] for which requests.
    /// Default: none.
    pub fn proxy_pool(mut self, pool: ProxyPool) -> Self {
        self.policies.proxy_pool = Some(Arc::new(pool));
        self
    }

    /// Tells `observer` what happens to requests while it happens, besides those that are told already;
    /// see [`Observer`]. Default: none.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.policies.observers.push(Arc::new(observer));
        self
    }

    /// Records [these metrics](crate::Metrics), with the recorder that the program has installed for
    /// the crate `metrics`. Default: none.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, metrics: crate::Metrics) -> Self {
        self.policies.metrics = Some(metrics);
        self
    }

    /// Puts a `tower` layer of yours around each request with all of its attempts, outside of the
    /// layers that are there.
    ///
    /// It sees a request before any policy does: if it sends it to another host, that host's limits,
    /// circuit and proxy count.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<PolicyService> + Send + Sync + 'static,
        L::Service: Service<RequestConfig, Response = NormalizedResponse, Error = BackendError>
            + Clone
            + Send
            + Sync
            + 'static,
        <L::Service as Service<RequestConfig>>::Future: Send + 'static,
    {
        self.policies.layers.push(layer);
        self
    }

    /// Puts a `tower` layer of yours around each attempt at a request, when it has its place and its
    /// proxy; outside of those that are there.
    ///
    /// It may refine the request, by header fields say, but must never replace it by one of its own: that
    /// would have lost its proxy, and nobody would observe it. Nor should it send it to another
    /// host, for the policies have let it through, and go on to judge it, as one to the host that it was
    /// for; [`layer`](Self::layer) is the place for that.
    pub fn attempt_layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<PolicyService> + Send + Sync + 'static,
        L::Service: Service<RequestConfig, Response = NormalizedResponse, Error = BackendError>
            + Clone
            + Send
            + Sync
            + 'static,
        <L::Service as Service<RequestConfig>>::Future: Send + 'static,
    {
        self.policies.attempt_layers.push(layer);
        self
    }
}
