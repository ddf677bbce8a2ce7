//! Many HTTP requests at once: fast, politely, with exactly one outcome for each.
//!
//! ```no_run
//! use parallel_requests::ParallelRequests;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = ParallelRequests::builder().concurrency(64).build()?;
//! let urls = (1..=1000).map(|page| format!("https://api.example/items?page={page}"));
//!
//! for outcome in client.request(urls).await {
//!     match outcome.result {
//!         Ok(response) => println!("{}: {}", outcome.index, response.status_code()),
//!         Err(error) => println!("{}: {error}", outcome.index),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # From here
//!
//! - [`ParallelRequests`] is the client: [`request`](ParallelRequests::request) gives all outcomes
//!   in the order of the input, [`stream`](ParallelRequests::stream) each as it completes, over an
//!   input of any length, [`get`](ParallelRequests::get) one.
//! - [`BatchBuilder`] is a batch with settings of its own: typed outcomes, a deadline, a
//!   cancellation, an end after too many failures, outcomes in order, progress. Its input may also
//!   be a [stream](ParallelRequests::batch_from_stream).
//! - [`RequestConfig`] is a request with everything that can be said about it; anything that
//!   becomes one, such as a `&str`, is a request too. Pairs of a key and a request give keyed
//!   outcomes: see [`BatchItem`].
//! - [`NormalizedResponse`] and [`BackendError`] are the same whatever backend is at work.
//! - [`blocking`] is for programs without an async runtime.
//!
//! # Backends and features
//!
//! A backend is compiled in by the feature of its name. Without further words a client takes the
//! first of those that are there, in this order; [`ParallelRequests::selection`] says which and why.
//!
//! | Feature | Brings |
//! |---|---|
//! | `h2` (default) | HTTP/2 with multiplexing, and HTTP/1.1 where the peer speaks nothing newer |
//! | `hyper` | HTTP/1.1, async |
//! | `blocking` | HTTP/1.1 by ureq, on threads of its own |
//! | `all` | the three of them |
//! | `gzip`, `brotli`, `zstd` (default) | responses in those content codings, decoded; `gzip` brings `deflate` too |
//! | `cookies` (default) | the jar that a client keeps cookies in |
//! | `hickory` | `HickoryResolver`, which asks name servers itself, for [`resolver`](ClientBuilder::resolver) |
//! | `metrics` | `ClientBuilder::metrics`: durations, counts and errors of requests, through the crate `metrics` |
//! | `indicatif` | `ProgressBar`, which shows on a terminal how far a batch is |
//! | `serde` | requests, responses, errors and outcomes as JSON |
//!
//! Enabling a feature never changes what code does that [names](ClientBuilder::backend) its backend.

pub mod blocking;

mod backlog;
mod batch;
mod builder;
mod client;
mod cut_off;
mod drivers;
mod engine;
mod error;
mod held;
mod item;
#[cfg(feature = "serde")]
mod json;
mod policy;
mod registry;
mod selection;
mod stack;

/// The `http` crate, whose `Method`, `StatusCode`, `Version` and `HeaderMap` this API uses.
pub use http;
#[cfg(feature = "hickory")]
pub use pr_connect::HickoryResolver;
pub use pr_core::{
    self, AddressFilter, Attempt, AttemptError, Backend, BackendError, Body, Capabilities,
    Capability, Certificate, ConnectionInfo, Delivery, DialTimings, DnsFailure, ErrorKind,
    ExchangeObserver, FailedHop, Hop, Identity, Multipart, NormalizedResponse, Part, Proxies,
    Proxy, RedirectAction, RedirectAttempt, RedirectPolicy, RequestConfig, Resolve, ResolveError,
    Roots, Stage, StreamingResponse, TimeoutPhase, Timings, TlsConfig, TlsVersion, TransportConfig,
    UserAgents, Warning,
};
#[cfg(feature = "cookies")]
pub use pr_core::{Cookie, CookieJar};
/// The `tower` crate, whose `Layer` and `Service` this API uses.
pub use tower;
/// The `url` crate, whose `Url` this API uses.
pub use url;

#[cfg(feature = "indicatif")]
pub use self::batch::ProgressBar;
#[cfg(feature = "metrics")]
pub use self::policy::Metrics;
pub use self::{
    batch::{
        Batch, BatchBuilder, BatchProgress, Cancellation, Outcome, Outcomes, PartialFailure,
        Progress,
    },
    builder::ClientBuilder,
    client::ParallelRequests,
    error::ConfigurationError,
    item::BatchItem,
    policy::{
        AdaptiveConcurrency, CircuitBreaker, CircuitState, Ending, Event, Hedge, Observer, Phase,
        PolicyOverrides, PolicyService, ProxyListError, ProxyPool, RateLimit, RateLimiter,
        RetryAfter, RetryBudget, RetryContext, RetryDecision, RetryPolicy, RotationStrategy,
        ServerLimits,
    },
    registry::{available_backends, make_backend},
    selection::{BackendChoice, Selection},
};

/// The examples of the README and of `docs/`, compiled.
#[cfg(all(doctest, feature = "h2", feature = "hyper"))]
mod documentation {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../../docs/backends.md")]
    struct Backends;

    #[doc = include_str!("../../../docs/requests.md")]
    struct Requests;

    #[doc = include_str!("../../../docs/responses.md")]
    struct Responses;

    #[cfg(feature = "cookies")]
    #[doc = include_str!("../../../docs/redirects-and-cookies.md")]
    struct RedirectsAndCookies;

    #[doc = include_str!("../../../docs/observability.md")]
    struct Observability;

    #[doc = include_str!("../../../docs/proxies-and-tls.md")]
    struct ProxiesAndTls;

    #[doc = include_str!("../../../docs/rate-limiting.md")]
    struct RateLimiting;

    #[doc = include_str!("../../../docs/retry-strategy.md")]
    struct RetryStrategy;

    #[doc = include_str!("../../../docs/batches.md")]
    struct Batches;

    #[doc = include_str!("../../../docs/migration.md")]
    struct Migration;

    #[doc = include_str!("../../../docs/timeouts-and-limits.md")]
    struct TimeoutsAndLimits;
}
