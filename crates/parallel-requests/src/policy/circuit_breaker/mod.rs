//! A circuit breaker for each host: [`CircuitBreaker`], and what it is made of.

mod circuit;
mod service;
mod verdict;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use pr_core::RequestConfig;
use tokio::{sync::Notify, time::Instant};

pub use self::circuit::CircuitState;
use self::circuit::{HostCircuit, Pass, Refusal};
pub(crate) use self::service::{Circuit, CircuitLayer, Guard, GuardLayer};
use super::{hosts::Hosts, origin::Origin};
use crate::ConfigurationError;

/// Stops asking a host that fails all the time, for a while.
///
/// Each host (an origin: scheme, host and port) has a circuit. It is *closed* while all is well. It
/// *opens* when too many of the last requests have failed; then requests to that host fail at once, with
/// kind [`CircuitOpen`](crate::ErrorKind::CircuitOpen), and nothing is sent. After a time it is
/// *half-open*: a few requests go through as probes. If they succeed, it closes; if one fails, it is open
/// again, for twice as long.
///
/// | Setting | Default |
/// |---|---|
/// | [`failure_percent`](Self::failure_percent) | 50 |
/// | [`window`](Self::window), [`min_requests`](Self::min_requests) | the last 20, from 10 on |
/// | [`consecutive_failures`](Self::consecutive_failures) | off |
/// | [`open_for`](Self::open_for), [`max_open_for`](Self::max_open_for) | 5 s, doubled up to 60 s |
/// | [`probes`](Self::probes) | 1 |
/// | [`failure_statuses`](Self::failure_statuses) | 500 to 599 |
///
/// What counts is an attempt, so each retry counts anew.
///
/// | What came of it | Counts as |
/// |---|---|
/// | a status among the [`failure_statuses`](Self::failure_statuses) | a failure |
/// | any other response, 4xx too | a success |
/// | an error of kind `Dns`, `Connect`, `Tls`, `Timeout`, `Closed`, `Truncated` or `Protocol` | a failure |
/// | a timeout in a queue or of a whole batch, and errors of all other kinds: the proxy's, the request's own | nothing |
/// | that a proxy was not there in time, or did not open a tunnel in time | nothing |
/// | what was cancelled | nothing |
/// | a failure at another origin, to which a redirect led | a success: the host has answered |
///
/// A [`RetryPolicy`](crate::RetryPolicy) does not retry what an open circuit refused: a backoff is
/// usually over before the circuit is, and to ask again would be pointless. Nor does it begin a backoff
/// that the circuit would outlast: the request then ends with the reply that it has. Requests that are waiting
/// for their turn when the circuit opens are refused then and there.
///
/// Clones are the same breaker: keep one to look at [`state`](Self::state), or give it to several
/// clients. The state of 10,000 hosts is kept, of 256 bytes at most each; if there are more, circuits
/// that are closed are forgotten first, and among those the ones that were used least recently.
///
/// ```
/// use std::time::Duration;
/// use parallel_requests::{CircuitBreaker, CircuitState, ParallelRequests};
///
/// let breaker = CircuitBreaker::default().open_for(Duration::from_secs(2));
/// # #[cfg(feature = "h2")]
/// let client = ParallelRequests::builder().circuit_breaker(breaker.clone()).build()?;
/// assert_eq!(breaker.state("https://api.example"), CircuitState::Closed);
/// # Ok::<(), parallel_requests::ConfigurationError>(())
/// ```
#[derive(Clone)]
#[must_use = "a breaker does nothing until a client is given it"]
pub struct CircuitBreaker {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    hosts: Mutex<Hosts<HostCircuit>>,
}

/// When circuits open and close.
#[derive(Clone, Debug)]
struct Settings {
    failure_percent: u32,
    window: u32,
    min_requests: u32,
    consecutive_failures: Option<u32>,
    open_for: Duration,
    max_open_for: Duration,
    probes: u32,
    /// `None`: 5xx.
    failure_statuses: Option<Vec<StatusCode>>,
}

/// Hosts whose circuits are kept.
const MOST_HOSTS: usize = 10_000;

impl CircuitBreaker {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens when so many of a hundred requests in the [`window`](Self::window) have failed, from 1
    /// to 100. Default: 50.
    ///
    /// This and all settings below start with no state, and belong to the clones made afterwards.
    pub fn failure_percent(self, percent: u32) -> Self {
        self.with(|settings| settings.failure_percent = percent)
    }

    /// How many of a host's last requests are looked at, from 1 to 128. Default: 20.
    pub fn window(self, requests: u32) -> Self {
        self.with(|settings| settings.window = requests)
    }

    /// How many of them there have to be before [`failure_percent`](Self::failure_percent) means
    /// anything, from 1 to [`window`](Self::window). Default: 10.
    pub fn min_requests(self, requests: u32) -> Self {
        self.with(|settings| settings.min_requests = requests)
    }

    /// Opens also when so many requests in a row have failed, from 1. Default: this is not looked at.
    pub fn consecutive_failures(self, requests: u32) -> Self {
        self.with(|settings| settings.consecutive_failures = Some(requests))
    }

    /// For how long a circuit is open at first; twice as long each time that a probe fails. More than
    /// zero. Default: 5 s.
    pub fn open_for(self, time: Duration) -> Self {
        self.with(|settings| settings.open_for = time)
    }

    /// For how long a circuit is open at most; not less than [`open_for`](Self::open_for).
    /// Default: 60 s.
    pub fn max_open_for(self, time: Duration) -> Self {
        self.with(|settings| settings.max_open_for = time)
    }

    /// How many requests a half-open circuit lets through at a time, and how many of them have to
    /// succeed before it closes, from 1. Default: 1.
    pub fn probes(self, requests: u32) -> Self {
        self.with(|settings| settings.probes = requests)
    }

    /// The statuses that are failures of the host, in place of all from 500 to 599.
    pub fn failure_statuses(self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        let statuses = statuses.into_iter().collect();
        self.with(|settings| settings.failure_statuses = Some(statuses))
    }

    /// The circuit of this host: a URL, of which the origin counts, or a host by itself for `https`.
    /// One of which nothing is known is closed.
    pub fn state(&self, host: &str) -> CircuitState {
        let circuit = |origin: Origin| {
            let mut hosts = self.hosts();
            let circuit = hosts.get(origin.as_str())?;
            Some(circuit.state(Instant::now()))
        };
        Origin::parse(host)
            .and_then(circuit)
            .unwrap_or(CircuitState::Closed)
    }

    /// The origins whose circuits are not closed, in order, and how they are.
    pub fn troubled(&self) -> Vec<(String, CircuitState)> {
        let now = Instant::now();
        let hosts = self.hosts();
        let states = hosts
            .iter()
            .map(|(origin, circuit)| (origin.to_string(), circuit.state(now)));
        let mut troubled: Vec<_> = states
            .filter(|(_, state)| *state != CircuitState::Closed)
            .collect();
        drop(hosts);
        troubled.sort_by(|one, other| one.0.cmp(&other.0));
        troubled
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), ConfigurationError> {
        let Settings {
            failure_percent,
            window,
            min_requests,
            consecutive_failures,
            open_for,
            max_open_for,
            probes,
            failure_statuses: _,
        } = self.inner.settings;
        let refuse = |value: String, why: &'static str| {
            Err(ConfigurationError::InvalidSetting {
                setting: "circuit_breaker",
                value,
                why: why.into(),
            })
        };
        if !(1..=100).contains(&failure_percent) {
            return refuse(
                format!("failure_percent {failure_percent}"),
                "it is a share of the requests in percent, from 1 to 100",
            );
        }
        if !(1..=circuit::LARGEST_WINDOW).contains(&window) {
            return refuse(
                format!("window {window}"),
                "it is a number of requests, from 1 to 128",
            );
        }
        if !(1..=window).contains(&min_requests) {
            return refuse(
                format!("min_requests {min_requests}"),
                "it is a number of requests from 1 to that of the window",
            );
        }
        if consecutive_failures == Some(0) {
            return refuse(
                "consecutive_failures 0".to_owned(),
                "it is a number of requests, from 1",
            );
        }
        if open_for.is_zero() || max_open_for < open_for {
            return refuse(
                format!("open_for {open_for:?} up to {max_open_for:?}"),
                "it is more than zero, and no more than max_open_for",
            );
        }
        if probes == 0 {
            return refuse(
                "probes 0".to_owned(),
                "without a probe no circuit would ever close",
            );
        }
        Ok(())
    }

    /// Whether a request may begin to queue: not if it would be refused right now.
    fn look(&self, request: &RequestConfig) -> Result<(), Refused> {
        let Some(key) = request.url().and_then(Origin::key) else {
            return Ok(());
        };
        let now = Instant::now();
        match self.hosts().get(&key) {
            None => Ok(()),
            Some(circuit) => circuit
                .look(now, &self.inner.settings)
                .map_err(|refusal| Refused::new(&key, refusal)),
        }
    }

    /// Whether the circuit of this request's host is open, and will still be after this time.
    pub(crate) fn is_open_for(&self, request: &RequestConfig, time: Duration) -> bool {
        let refused = self.look(request).err();
        refused.is_some_and(|refused| match refused.refusal {
            Refusal::Open(left) => left > time,
            // The probes may be back by then.
            Refusal::Probing => false,
        })
    }

    /// What tells that the circuit of this request's host has been opened.
    fn opened(&self, request: &RequestConfig) -> Option<Arc<Notify>> {
        let origin = Origin::of(request)?;
        let mut hosts = self.hosts();
        let circuit = hosts.get_or_insert(&origin, HostCircuit::default, HostCircuit::worth);
        Some(circuit.opened())
    }

    /// Lets an attempt through, or not. Without a host, it fails without any help.
    fn pass(&self, request: &RequestConfig) -> Result<Option<Permit>, Refused> {
        let Some(origin) = Origin::of(request) else {
            return Ok(None);
        };
        let now = Instant::now();
        let mut hosts = self.hosts();
        let circuit = hosts.get_or_insert(&origin, HostCircuit::default, HostCircuit::worth);
        let passed = circuit.pass(now, &self.inner.settings);
        drop(hosts);
        match passed {
            Ok(pass) => Ok(Some(Permit {
                breaker: self.clone(),
                origin,
                pass: Some(pass),
            })),
            Err(refusal) => Err(Refused::new(origin.as_str(), refusal)),
        }
    }

    fn hosts(&self) -> MutexGuard<'_, Hosts<HostCircuit>> {
        let hosts = self.inner.hosts.lock();
        hosts.unwrap_or_else(PoisonError::into_inner)
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.inner.settings.clone();
        change(&mut settings);
        Self::of(settings)
    }

    fn of(settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings,
                hosts: Mutex::new(Hosts::new(MOST_HOSTS)),
            }),
        }
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::of(Settings::default())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failure_percent: 50,
            window: 20,
            min_requests: 10,
            consecutive_failures: None,
            open_for: Duration::from_secs(5),
            max_open_for: Duration::from_secs(60),
            probes: 1,
            failure_statuses: None,
        }
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

/// A request that has been let through; dropped without a word, it says nothing of its host, and gives
/// back its probe if it is one.
pub(crate) struct Permit {
    breaker: CircuitBreaker,
    origin: Origin,
    pass: Option<Pass>,
}

/// Marks an attempt that tries out a host: an extension of its request. One at a time is to go, so it
/// has no copies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe;

impl Permit {
    /// Whether it is for a half-open circuit.
    fn is_probe(&self) -> bool {
        self.pass.as_ref().is_some_and(|pass| pass.is_probe)
    }

    /// What came of it, if that says anything of the host: whether it was a success.
    fn report(mut self, succeeded: Option<bool>) {
        self.settle(succeeded);
    }

    fn settle(&mut self, succeeded: Option<bool>) {
        let Some(pass) = self.pass.take() else {
            return;
        };
        let now = Instant::now();
        let settings = &self.breaker.inner.settings;
        let mut hosts = self.breaker.hosts();
        // It may have been forgotten meanwhile.
        let Some(circuit) = hosts.get(self.origin.as_str()) else {
            return;
        };
        let was = circuit.state(now);
        let opened = circuit.settle(&pass, succeeded, now, settings);
        let is = circuit.state(now);
        drop(hosts);
        if let Some(opened) = opened {
            opened.notify_waiters();
        }
        if std::mem::discriminant(&was) != std::mem::discriminant(&is) {
            let host = self.origin.as_str();
            tracing::debug!(host, from = %was, to = %is, "circuit breaker");
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.settle(None);
    }
}

/// Why a request was not let through.
struct Refused {
    origin: String,
    refusal: Refusal,
}

impl Refused {
    fn new(origin: &str, refusal: Refusal) -> Self {
        Self {
            origin: origin.to_owned(),
            refusal,
        }
    }
}
