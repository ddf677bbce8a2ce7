//! What `bench-subject run` prints: one line of JSON, whose fields are an interface to
//! `cargo xtask bench`.

use std::time::Duration;

use serde::Serialize;

use crate::args::Workload;
use crate::measure::Measured;
use crate::plan::Plan;

/// One run of one subject. Times are in seconds unless the name says otherwise.
#[derive(Serialize)]
pub(crate) struct Report {
    subject: &'static str,
    workload: Workload,
    requests: u64,
    succeeded: u64,
    failed: u64,
    /// The bytes of response bodies; of request bodies in the workload `upload`.
    body_bytes: u64,
    wall_s: f64,
    user_s: f64,
    system_s: f64,
    rss_idle_bytes: u64,
    rss_peak_bytes: u64,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    first_error: Option<String>,
}

impl Report {
    pub(crate) fn new(subject: &'static str, plan: &Plan, measured: Measured) -> Self {
        let Measured {
            cost,
            tally,
            latencies,
        } = measured;
        let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
        Self {
            subject,
            workload: plan.workload,
            requests: plan.requests,
            succeeded: tally.succeeded,
            failed: tally.failed,
            body_bytes: tally.body_bytes,
            wall_s: cost.wall.as_secs_f64(),
            user_s: cost.user.as_secs_f64(),
            system_s: cost.system.as_secs_f64(),
            rss_idle_bytes: cost.rss_idle,
            rss_peak_bytes: cost.rss_peak,
            p50_us: latencies.as_ref().map(|one| micros(one.p50)),
            p99_us: latencies.as_ref().map(|one| micros(one.p99)),
            first_error: tally.first_error,
        }
    }
}
