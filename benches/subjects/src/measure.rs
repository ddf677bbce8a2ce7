//! What a run costs the process, by the operating system's accounts, and what came of its requests.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::failure::Failure;

/// Everything that was found out.
pub(crate) struct Measured {
    pub(crate) cost: Cost,
    pub(crate) tally: Tally,
    pub(crate) latencies: Option<Quantiles>,
}

impl Measured {
    /// Ends the measurement: everything that was to be measured has been done.
    pub(crate) fn end(meter: Meter, tally: Tally, latencies: &Latencies) -> Self {
        Self {
            cost: meter.stop(),
            tally,
            latencies: latencies.quantiles(),
        }
    }
}

/// What the process spent between [`Meter::start`] and [`Measured::end`].
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// Resident memory in bytes when the measurement began; 0 where the system does not tell.
    pub(crate) rss_idle: u64,
    /// The most resident memory in bytes since then; 0 where the system does not tell.
    pub(crate) rss_peak: u64,
}

/// A measurement under way.
pub(crate) struct Meter {
    rss_idle: u64,
    user: Duration,
    system: Duration,
    started: Instant,
}

impl Meter {
    pub(crate) fn start() -> Self {
        // From here on the kernel's high-water mark is ours. Where that is refused, the mark of
        // the warm-up stays in, which can only make the figure worse.
        let _ = fs::write("/proc/self/clear_refs", "5");
        let rss_idle = memory("VmRSS:");
        let (user, system) = processor_time();
        Self {
            rss_idle,
            user,
            system,
            started: Instant::now(),
        }
    }

    fn stop(self) -> Cost {
        let wall = self.started.elapsed();
        let (user, system) = processor_time();
        Cost {
            wall,
            user: user.saturating_sub(self.user),
            system: system.saturating_sub(self.system),
            rss_idle: self.rss_idle,
            rss_peak: memory("VmHWM:"),
        }
    }
}

/// What came of a number of requests.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) body_bytes: u64,
    pub(crate) first_error: Option<String>,
}

impl Tally {
    pub(crate) fn record(&mut self, result: Result<u64, Failure>) {
        match result {
            Ok(bytes) => {
                self.succeeded += 1;
                self.body_bytes += bytes;
            }
            Err(failure) => {
                self.failed += 1;
                self.first_error.get_or_insert_with(|| failure.into_text());
            }
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.body_bytes += other.body_bytes;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// A warm-up that failed has warmed nothing up, so that there is nothing to measure.
    pub(crate) fn must_be_clean(self) -> Result<(), Failure> {
        match self.first_error {
            None => Ok(()),
            Some(error) => Err(Failure::new(format!(
                "{} of {} requests failed in the warm-up: {error}",
                self.failed,
                self.failed + self.succeeded
            ))),
        }
    }
}

/// How long requests took. It is made of several histograms, so that workers on different threads
/// seldom meet at one, and of few, so that its memory does not depend on the number of workers.
pub(crate) struct Latencies(Vec<Mutex<Histogram<u64>>>);

/// The quantiles that are reported.
pub(crate) struct Quantiles {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

const SHARDS: usize = 8;
const LONGEST: Duration = Duration::from_secs(600);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::new(histogram())).collect())
    }

    pub(crate) fn record(&self, worker: usize, elapsed: Duration) {
        let mut shard = self.0[worker % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        shard.saturating_record(nanoseconds(elapsed));
    }

    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        let mut whole = histogram();
        for shard in &self.0 {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            whole
                .add(&*shard)
                .expect("all histograms have the same range");
        }
        let at = |quantile| Duration::from_nanos(whole.value_at_quantile(quantile));
        (!whole.is_empty()).then(|| Quantiles {
            p50: at(0.5),
            p99: at(0.99),
        })
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, nanoseconds(LONGEST), 2)
        .expect("the bounds are constant and in order")
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A line of `/proc/self/status`, in bytes; 0 where there is no such thing.
fn memory(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|one| one.strip_prefix(line))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// User and system time of all threads so far.
#[cfg(unix)]
fn processor_time() -> (Duration, Duration) {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeVal;

    let duration = |time: TimeVal| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
        Duration::from_secs(seconds) + Duration::from_micros(micros)
    };
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may read its own accounts");
    (duration(usage.user_time()), duration(usage.system_time()))
}

/// Elsewhere the times stay 0.
#[cfg(not(unix))]
fn processor_time() -> (Duration, Duration) {
    (Duration::ZERO, Duration::ZERO)
}
