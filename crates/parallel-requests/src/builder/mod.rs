//! The settings of a client.

mod policies;
mod requests;
mod transport;

use std::{borrow::Cow, sync::Arc};

#[cfg(feature = "cookies")]
use pr_core::CookieJar;
use pr_core::{
    Capability, Proxies, RequestConfig, RequestDefaults, Session, TransportConfig, Warning,
};

use crate::{
    BackendChoice, CircuitBreaker, ConfigurationError, Hedge, ParallelRequests, blocking,
    client::Inner,
    drivers::{self, Drivers, Max},
    engine::Crew,
    selection,
    stack::{self, Policies},
};

/// Makes a [`ParallelRequests`]; from [`ParallelRequests::builder`].
///
/// | Setting | Default |
/// |---|---|
/// | [`backend`](Self::backend) | automatic: the first of h2, hyper, blocking that is compiled in |
/// | [`concurrency`](Self::concurrency) | 20 |
/// | [`threads`](Self::threads) | automatic: as many as processors, none on a current-thread runtime |
/// | [`timeout`](Self::timeout) | 30 s |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
/// | [`idle_timeout`](Self::idle_timeout) | 90 s |
/// | [`max_body_size`](Self::max_body_size) | 64 MiB, for bodies kept in memory |
/// | [`proxy`](Self::proxy) | what the [environment](pr_core::Proxies#the-environment) says |
/// | `cookie_jar` | none |
/// | [`verify_ssl`](Self::verify_ssl) | yes, by the system's trust store |
/// | [`follow_redirects`](Self::follow_redirects) | yes, up to 10 |
/// | [`http2_prior_knowledge`](Self::http2_prior_knowledge) | no |
///
/// ```
/// use std::time::Duration;
/// use parallel_requests::ParallelRequests;
///
/// # #[cfg(feature = "h2")]
/// let client = ParallelRequests::builder()
///     .concurrency(64)
///     .timeout(Duration::from_secs(5))
///     .header("authorization", "Bearer …")
///     .build();
///
/// let error = ParallelRequests::builder().concurrency(0).build().unwrap_err();
/// assert!(error.to_string().starts_with("concurrency cannot be 0"));
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until build() is called"]
pub struct ClientBuilder {
    choice: BackendChoice,
    policies: Policies,
    threads: Max,
    defaults: RequestDefaults,
    proxies: ProxyChoice,
    #[cfg(feature = "cookies")]
    cookie_jar: Option<CookieJar>,
    transport: TransportConfig,
    /// The last setting of the transport that was made, if any.
    transport_setting: Option<&'static str>,
    invalid: Option<ConfigurationError>,
}

/// Where the client's proxies come from.
#[derive(Debug)]
enum ProxyChoice {
    Environment,
    These(Proxies),
}

/// Requests in flight, all hosts together, unless said otherwise.
const DEFAULT_CONCURRENCY: usize = 20;

/// A blocking backend gets no more threads than this, however high the concurrency.
const MAX_THREADS: usize = 512;

/// More processors than this would be a first.
const MAX_DRIVERS: usize = 1_024;

impl ClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            choice: BackendChoice::Auto,
            policies: Policies::new(DEFAULT_CONCURRENCY),
            threads: Max::Automatic,
            defaults: RequestDefaults::default(),
            proxies: ProxyChoice::Environment,
            #[cfg(feature = "cookies")]
            cookie_jar: None,
            transport: TransportConfig::default(),
            transport_setting: None,
            invalid: None,
        }
    }

    /// Chooses the backend: by name (`"auto"`, `"h2"`, `"hyper"`, `"blocking"`), or by value, as an
    /// `Arc` of anything that is a [`Backend`](pr_core::Backend). One given by value keeps its own
    /// transport settings, so that setting them here as well is an error.
    pub fn backend(mut self, choice: impl Into<BackendChoice>) -> Self {
        self.choice = choice.into();
        self
    }

    /// How many requests are in flight at a time, over all hosts and all batches of this client;
    /// from 1 to 1,000,000. With an HTTP/1.1 backend this is also the greatest number of
    /// connections that they use; [`open`](ParallelRequests::open) adds its own. The blocking
    /// backend runs each on a thread, of which it takes at most 512.
    pub fn concurrency(mut self, in_flight: usize) -> Self {
        self.policies.limits.concurrency = in_flight;
        self
    }

    /// How many threads of its own the client drives batches on, from 1 to 1,024; with 0 it has
    /// none, and batches run on the Tokio runtime of whoever sends them.
    ///
    /// A connection and the requests on it cost least if they are all on one thread. Without a word
    /// from you, a batch that is sent from a current-thread runtime stays there, and all others, be
    /// they sent from a multi-threaded runtime, from another executor or from none, run on as many
    /// threads as there are processors. All requests of batches to one host run on the same thread;
    /// a thread is started when the first of its hosts is asked. Streamed request bodies are polled
    /// on these threads, too, and should not block them.
    ///
    /// Single requests, by [`get`](ParallelRequests::get) and [`send`](ParallelRequests::send), run
    /// on the Tokio runtime that they are sent from, because to have one request done elsewhere costs
    /// more than it saves; from anywhere else they run on these threads. Connections stay with the
    /// runtime that they were made on, so that batches and single requests may have connections of
    /// their own to the same host.
    ///
    /// The threads of the blocking backend are not counted here; see
    /// [`concurrency`](Self::concurrency).
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = Max::Of(count);
        self
    }

    /// Makes the client. No connection is opened yet, and no thread is started.
    pub fn build(mut self) -> Result<ParallelRequests, ConfigurationError> {
        let concurrency = self.policies.limits.concurrency;
        if let Max::Of(count) = self.threads
            && count > MAX_DRIVERS
        {
            self.invalid
                .get_or_insert(ConfigurationError::InvalidSetting {
                    setting: "threads",
                    value: count.to_string(),
                    why: "each is to have a processor for itself; it is at most 1,024".into(),
                });
        }
        let checked = [
            self.policies.limits.check(),
            self.policies.retry.check(),
            self.policies.retry_budget.check("retry_budget"),
            (self.policies.circuit_breaker.as_ref()).map_or(Ok(()), CircuitBreaker::check),
            (self.policies.hedge.as_ref()).map_or(Ok(()), Hedge::check),
        ];
        let pool = self
            .policies
            .proxy_pool
            .as_ref()
            .map_or(Ok(()), |pool| pool.check());
        if let Some(error) = checked.into_iter().chain([pool]).find_map(Result::err) {
            self.invalid.get_or_insert(error);
        }
        let probe = RequestConfig::get("http://localhost/").headers(self.defaults.headers.clone());
        if let Err(error) = probe.check() {
            self.refuse("header", error.message().to_owned());
        }
        let limits = [
            ("timeout", self.defaults.timeout),
            ("first_byte_timeout", self.defaults.first_byte_timeout),
            ("read_timeout", self.defaults.read_timeout),
            ("write_timeout", self.defaults.write_timeout),
        ];
        for (setting, limit) in limits {
            if limit.is_some_and(|limit| limit.is_zero()) {
                self.refuse(setting, "zero would let nothing ever be in time");
            }
        }
        let proxies = match (&self.proxies, &self.choice) {
            (ProxyChoice::These(proxies), _) => proxies.clone(),
            // A backend of the user's own has its own ways.
            (ProxyChoice::Environment, BackendChoice::Given(_)) => Proxies::none(),
            (ProxyChoice::Environment, _) => Proxies::from_env()?,
        };
        self.defaults.proxies = (!proxies.is_none()).then_some(proxies);
        if let (BackendChoice::Given(_), Some(setting)) = (&self.choice, self.transport_setting) {
            self.refuse(
                setting,
                "a backend given by value has its own transport settings",
            );
        }
        if let Some(invalid) = self.invalid {
            return Err(invalid);
        }
        let transport = for_so_many(self.transport, concurrency);
        let (backend, selection) = selection::select(self.choice, transport)?;
        let (name, capabilities) = (backend.name(), backend.capabilities());
        if self.defaults.http2 == Some(true) && !capabilities.has(Capability::Http2) {
            backend
                .warnings()
                .raise(Warning::Http2Unsupported { backend: name });
        }
        if self.policies.retry.is_never() {
            // For what goes past the policies, too: `open`.
            self.defaults.resend = Some(false);
        }
        let session = Session::new(backend.clone()).with_defaults(self.defaults);
        #[cfg(feature = "cookies")]
        let session = match self.cookie_jar {
            Some(jar) => session.with_cookie_jar(jar),
            None => session,
        };
        let (stack, gauges) = stack::compose(session.clone(), self.policies);
        let crew = Crew {
            backend,
            stack,
            gauges,
            drivers: Arc::new(Drivers::new(self.threads)),
            concurrency,
        };
        Ok(ParallelRequests::from_inner(Inner {
            session,
            crew: Arc::new(crew),
            selection,
        }))
    }

    /// Makes a client for programs without an async runtime:
    /// [`blocking::ParallelRequests::from_builder`].
    ///
    /// ```no_run
    /// use parallel_requests::ParallelRequests;
    ///
    /// let client = ParallelRequests::builder().concurrency(64).build_blocking()?;
    /// for outcome in client.request(["https://example.org/"; 10])? {
    ///     println!("{}: {}", outcome.index, outcome.is_ok());
    /// }
    /// # Ok::<(), parallel_requests::ConfigurationError>(())
    /// ```
    pub fn build_blocking(self) -> Result<blocking::ParallelRequests, ConfigurationError> {
        blocking::ParallelRequests::from_builder(self)
    }

    /// Never on a runtime of the caller's, even if that is a current-thread one.
    pub(crate) fn on_own_threads(mut self) -> Self {
        if let Max::Automatic = self.threads {
            self.threads = Max::Of(drivers::processors());
        }
        self
    }

    /// Whether the client is to have no thread to drive requests on.
    pub(crate) fn drives_nothing(&self) -> bool {
        matches!(self.threads, Max::Of(0))
    }

    fn refuse(&mut self, setting: &'static str, why: impl Into<Cow<'static, str>>) {
        self.invalid
            .get_or_insert(ConfigurationError::InvalidSetting {
                setting,
                value: "the given value".to_owned(),
                why: why.into(),
            });
    }
}

/// The transport's settings for that many requests at a time. What a wave of them leaves idle is kept for
/// the next one: to dial costs more than an exchange. A number that somebody has chosen stays.
fn for_so_many(mut transport: TransportConfig, concurrency: usize) -> TransportConfig {
    let default = TransportConfig::default();
    if transport.max_idle_per_origin == default.max_idle_per_origin {
        transport.max_idle_per_origin = transport.max_idle_per_origin.max(concurrency);
    }
    if transport.max_idle == default.max_idle {
        transport.max_idle = transport.max_idle.max(concurrency);
    }
    transport.max_threads(concurrency.min(MAX_THREADS))
}
