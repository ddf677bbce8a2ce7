//! Metrics by OpenTelemetry's semantic conventions for HTTP clients, as the `metrics` crate records
//! them.

use ::metrics::{
    Label, SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use pr_core::RequestConfig;
use tokio::time::Instant;

use crate::policy::{
    Reply,
    admission::Gate,
    observer::{Kind, Step},
    trace,
};

/// Which metrics a client records, with whatever recorder the program has installed for the `metrics`
/// crate. Give it to [`ClientBuilder::metrics`](crate::ClientBuilder::metrics); needs the feature
/// `metrics`.
///
/// | Name | Kind | What | Labels |
/// |---|---|---|---|
/// | `http.client.request.duration` | histogram, seconds | an attempt, from when it had its place to the last byte of its response | all |
/// | `http.client.active_requests` | gauge | attempts under way | `http.request.method`, `server.address`, `server.port` |
/// | `parallel_requests.retries` | counter | attempts after the first, hedges apart | the same |
/// | `parallel_requests.hedges` | counter | copies of requests that took long | the same |
/// | `parallel_requests.paused_hosts` | gauge | hosts that are given a rest; looked at as attempts begin and end | none |
///
/// | Label | Value |
/// |---|---|
/// | `http.request.method` | the method; `_OTHER` for one that the conventions do not know |
/// | `server.address`, `server.port` | the host and port of the URL that was asked for |
/// | `http.response.status_code` | the status, if there is a response |
/// | `network.protocol.version` | `1.1` or `2`, if there is a response |
/// | `error.type` | the status if it is 4xx or 5xx, or the [kind](pr_core::ErrorKind) of the error; `cancelled` |
///
/// Several clients record into the same metrics. A recorder that is installed later is used from then
/// on, but has no descriptions, which are given as a client is built.
///
/// ```
/// use parallel_requests::{Metrics, ParallelRequests};
///
/// # #[cfg(feature = "h2")] {
/// // A crawler: a time series for each of a million hosts would be too many.
/// let client = ParallelRequests::builder()
///     .metrics(Metrics::default().by_server(false))
///     .build();
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Metrics {
    by_server: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { by_server: true }
    }
}

impl Metrics {
    /// Whether there are the labels `server.address` and `server.port`. Default: yes. A recorder keeps
    /// a time series for each combination of labels, so switch it off where hosts are many.
    pub fn by_server(mut self, by_server: bool) -> Self {
        self.by_server = by_server;
        self
    }
}

const DURATION: &str = "http.client.request.duration";
const ACTIVE: &str = "http.client.active_requests";
const RETRIES: &str = "parallel_requests.retries";
const HEDGES: &str = "parallel_requests.hedges";
const PAUSED: &str = "parallel_requests.paused_hosts";

/// Makes a [`Meter`] for each attempt, if the user wants metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meters(Option<(Metrics, Gate)>);

impl Meters {
    pub(crate) fn of(metrics: Option<Metrics>, gate: &Gate) -> Self {
        if metrics.is_some() {
            describe();
        }
        Self(metrics.map(|metrics| (metrics, gate.clone())))
    }

    pub(crate) fn are_wanted(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn begin(&self, request: &RequestConfig, step: Step) -> Option<Meter> {
        let (metrics, gate) = self.0.as_ref()?;
        let mut labels = vec![Label::new(
            "http.request.method",
            trace::known(request.method_ref()).unwrap_or("_OTHER"),
        )];
        if metrics.by_server
            && let Some(url) = request.url()
        {
            let address = trace::bare(url.host_str().unwrap_or_default()).to_owned();
            labels.push(Label::new("server.address", address));
            let port = url.port_or_known_default().unwrap_or_default();
            labels.push(Label::new("server.port", port.to_string()));
        }
        match step.kind {
            Kind::First => {}
            Kind::Retry => counter!(RETRIES, labels.clone()).increment(1),
            Kind::Hedge => counter!(HEDGES, labels.clone()).increment(1),
        }
        gauge!(ACTIVE, labels.clone()).increment(1);
        let meter = Meter {
            started: Instant::now(),
            labels,
            gate: gate.clone(),
        };
        meter.look_at_pauses();
        Some(meter)
    }
}

/// An attempt that is measured.
#[derive(Debug)]
pub(crate) struct Meter {
    started: Instant,
    labels: Vec<Label>,
    gate: Gate,
}

impl Meter {
    pub(crate) fn end(mut self, reply: &Reply) {
        self.leave();
        match reply {
            Ok(response) => {
                let status = response.status_code();
                self.label("http.response.status_code", status.as_str().to_owned());
                if let Some(version) = trace::version(response.version()) {
                    self.label("network.protocol.version", version);
                }
                if status.is_client_error() || status.is_server_error() {
                    self.label("error.type", status.as_str().to_owned());
                }
            }
            Err(error) => self.label("error.type", error.kind().as_str()),
        }
        self.record();
    }

    pub(crate) fn cancel(mut self) {
        self.leave();
        self.label("error.type", "cancelled");
        self.record();
    }

    fn leave(&self) {
        gauge!(ACTIVE, self.labels.clone()).decrement(1);
        self.look_at_pauses();
    }

    fn look_at_pauses(&self) {
        let paused = u32::try_from(self.gate.load().paused_hosts).unwrap_or(u32::MAX);
        gauge!(PAUSED).set(paused);
    }

    fn label(&mut self, name: &'static str, value: impl Into<SharedString>) {
        self.labels.push(Label::new(name, value));
    }

    fn record(self) {
        histogram!(DURATION, self.labels).record(self.started.elapsed());
    }
}

fn describe() {
    let duration = "Duration of HTTP client requests, each attempt on its own.";
    describe_histogram!(DURATION, Unit::Seconds, duration);
    let active = "Number of active HTTP requests.";
    describe_gauge!(ACTIVE, Unit::Count, active);
    let retries = "Attempts after a request's first.";
    describe_counter!(RETRIES, Unit::Count, retries);
    let hedges = "Copies of requests that took long.";
    describe_counter!(HEDGES, Unit::Count, hedges);
    let paused = "Hosts that are given a rest.";
    describe_gauge!(PAUSED, Unit::Count, paused);
}
