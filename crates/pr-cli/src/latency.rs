//! How long requests took, for any number of them at constant memory.

use std::time::Duration;

use hdrhistogram::Histogram;

/// A distribution of durations, exact to three digits, from a microsecond to an hour.
pub(crate) struct Latencies {
    microseconds: Histogram<u64>,
}

/// Whatever takes longer is counted as an hour.
const LONGEST: Duration = Duration::from_secs(3600);

impl Latencies {
    pub(crate) fn new() -> Self {
        let longest = u64::try_from(LONGEST.as_micros()).unwrap_or(u64::MAX);
        Self {
            microseconds: Histogram::new_with_bounds(1, longest, 3)
                .expect("the bounds are constant and in order"),
        }
    }

    pub(crate) fn record(&mut self, took: Duration) {
        let microseconds = took.min(LONGEST).as_micros();
        self.microseconds
            .saturating_record(u64::try_from(microseconds).unwrap_or(u64::MAX));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.microseconds.is_empty()
    }

    /// The duration that this share of all, from 0 to 1, did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.microseconds.value_at_quantile(share))
    }

    pub(crate) fn max(&self) -> Duration {
        Duration::from_micros(self.microseconds.max())
    }
}

/// A duration for people to read, with three digits, such as `21.3 ms` or `2.15 s`.
pub(crate) fn human(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    match milliseconds {
        ..9.995 => format!("{milliseconds:.2} ms"),
        ..99.95 => format!("{milliseconds:.1} ms"),
        ..999.5 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_known_durations() {
        let mut latencies = Latencies::new();
        assert!(latencies.is_empty());
        for milliseconds in 1..=100 {
            latencies.record(Duration::from_millis(milliseconds));
        }
        for (share, milliseconds) in [(0.5, 50.0), (0.9, 90.0), (0.99, 99.0)] {
            let found = latencies.quantile(share).as_secs_f64() * 1e3;
            assert!((found - milliseconds).abs() < 0.1, "{share}: {found}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_counts_at_the_bound() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::ZERO);
        latencies.record(Duration::MAX);
        assert!(latencies.max() >= LONGEST);
        assert!(latencies.max() < LONGEST * 2);
    }

    #[test]
    fn durations_for_people() {
        for (microseconds, text) in [
            (120, "0.12 ms"),
            (9_990, "9.99 ms"),
            (21_340, "21.3 ms"),
            (999_400, "999 ms"),
            (2_154_000, "2.15 s"),
        ] {
            assert_eq!(human(Duration::from_micros(microseconds)), text);
        }
    }
}
