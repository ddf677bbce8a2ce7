//! The settings of a client.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pr_core::{
    Capability, Proxy, RequestConfig, RequestDefaults, Roots, Session, TransportConfig, Warning,
};

use crate::{
    BackendChoice, ConfigurationError, ParallelRequests,
    client::Inner,
    drivers::{self, Drivers, Max},
    engine::Crew,
    selection, stack,
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
    concurrency: usize,
    threads: Max,
    defaults: RequestDefaults,
    transport: TransportConfig,
    /// The last setting of the transport that was made, if any.
    transport_setting: Option<&'static str>,
    invalid: Option<ConfigurationError>,
}

/// Requests in flight, all hosts together, unless said otherwise.
const DEFAULT_CONCURRENCY: usize = 20;

/// Beyond this a number is a mistake, or should be several clients.
const MAX_CONCURRENCY: usize = 1_000_000;

/// A blocking backend gets no more threads than this, however high the concurrency.
const MAX_THREADS: usize = 512;

/// More processors than this would be a first.
const MAX_DRIVERS: usize = 1_024;

impl ClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            choice: BackendChoice::Auto,
            concurrency: DEFAULT_CONCURRENCY,
            threads: Max::Automatic,
            defaults: RequestDefaults::default(),
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
        self.concurrency = in_flight;
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

    /// The total time of a request that does not set its own; see
    /// [`RequestConfig::timeout`](crate::RequestConfig::timeout).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.defaults.timeout = Some(limit);
        self
    }

    /// The time for name resolution, TCP, proxy and TLS together.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.transport = self.transport.connect_timeout(limit);
        self.transport_setting = Some("connect_timeout");
        self
    }

    /// How long a connection may be idle before it is closed.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.transport = self.transport.idle_timeout(limit);
        self.transport_setting = Some("idle_timeout");
        self
    }

    /// Adds a header field to every request that has none of that name.
    pub fn header(
        mut self,
        name: impl TryInto<HeaderName>,
        value: impl TryInto<HeaderValue>,
    ) -> Self {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => {
                if self.defaults.headers.try_append(name, value).is_err() {
                    self.refuse("header", "there are too many header fields");
                }
            }
            (Err(_), _) => self.refuse("header", "the name is not a token (RFC 9110, section 5.1)"),
            (_, Err(_)) => self.refuse(
                "header",
                "the value has characters that a header cannot hold (RFC 9110, section 5.5)",
            ),
        }
        self
    }

    /// Adds these header fields to every request that has none of the same name.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        let mut last = None;
        for (name, value) in headers {
            last = name.or(last);
            if let Some(name) = &last {
                self = self.header(name, value);
            }
        }
        self
    }

    /// What the client calls itself, in place of `parallel-requests/<version>`.
    pub fn user_agent(mut self, name: impl TryInto<HeaderValue>) -> Self {
        match name.try_into() {
            Ok(name) => {
                self.defaults.headers.insert(header::USER_AGENT, name);
            }
            Err(_) => self.refuse("user_agent", "it has characters that a header cannot hold"),
        }
        self
    }

    /// Whether requests ask for HTTP/2 or refuse it; see
    /// [`RequestConfig::http2`](crate::RequestConfig::http2). `true` with a backend that has no
    /// HTTP/2 raises a [warning](ParallelRequests::warnings).
    pub fn http2(mut self, http2: bool) -> Self {
        self.defaults.http2 = Some(http2);
        self
    }

    /// Whether `http://` peers are known to speak HTTP/2 (RFC 9113, section 3.3). Only h2 can.
    pub fn http2_prior_knowledge(mut self, known: bool) -> Self {
        self.transport = self.transport.http2_prior_knowledge(known);
        self.transport_setting = Some("http2_prior_knowledge");
        self
    }

    /// Whether redirects are followed.
    pub fn follow_redirects(mut self, follow: bool) -> Self {
        self.defaults.follow_redirects = Some(follow);
        self
    }

    /// Whether certificates must be valid.
    pub fn verify_ssl(mut self, verify: bool) -> Self {
        self.defaults.verify_ssl = Some(verify);
        self
    }

    /// Whom to trust.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.transport = self.transport.roots(roots);
        self.transport_setting = Some("roots");
        self
    }

    /// The proxy of every request that names none.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.defaults.proxy = Some(proxy);
        self
    }

    /// All settings of the transport at once, in place of those that were set before. The number of
    /// threads still follows the [`concurrency`](Self::concurrency).
    pub fn transport(mut self, transport: TransportConfig) -> Self {
        self.transport = transport;
        self.transport_setting = Some("transport");
        self
    }

    /// Makes the client. No connection is opened yet, and no thread is started.
    pub fn build(mut self) -> Result<ParallelRequests, ConfigurationError> {
        if !(1..=MAX_CONCURRENCY).contains(&self.concurrency) {
            self.invalid
                .get_or_insert(ConfigurationError::InvalidSetting {
                    setting: "concurrency",
                    value: self.concurrency.to_string(),
                    why: "it is the number of requests in flight, from 1 to 1,000,000".into(),
                });
        }
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
        let probe = RequestConfig::get("http://localhost/").headers(self.defaults.headers.clone());
        if let Err(error) = probe.check() {
            self.refuse("header", error.message().to_owned());
        }
        if self.defaults.timeout.is_some_and(|limit| limit.is_zero()) {
            self.refuse("timeout", "zero would let nothing ever arrive");
        }
        if let (BackendChoice::Given(_), Some(setting)) = (&self.choice, self.transport_setting) {
            self.refuse(
                setting,
                "a backend given by value has its own transport settings",
            );
        }
        if let Some(invalid) = self.invalid {
            return Err(invalid);
        }
        let transport = self
            .transport
            .max_threads(self.concurrency.min(MAX_THREADS));
        let (backend, selection) = selection::select(self.choice, transport)?;
        let (name, capabilities) = (backend.name(), backend.capabilities());
        if self.defaults.http2 == Some(true) && !capabilities.has(Capability::Http2) {
            backend
                .warnings()
                .raise(Warning::Http2Unsupported { backend: name });
        }
        let session = Session::new(backend.clone()).with_defaults(self.defaults);
        let crew = Crew {
            backend,
            stack: stack::compose(session.clone(), self.concurrency),
            drivers: Arc::new(Drivers::new(self.threads)),
            concurrency: self.concurrency,
        };
        Ok(ParallelRequests::from_inner(Inner {
            session,
            crew: Arc::new(crew),
            selection,
        }))
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
