//! How long a host's replies have taken of late.

use std::time::Duration;

use hdrhistogram::Histogram;

/// After so many replies, those before them are forgotten with the next as many.
pub(super) const GENERATION: u32 = 1_000;

/// After so many replies the percentile is worked out anew.
const REFRESH: u32 = 20;

/// What is counted: tenths of milliseconds.
const UNIT: Duration = Duration::from_micros(100);

/// The last one to two generations of replies.
#[derive(Debug)]
pub(super) struct Latencies {
    current: Option<Histogram<u32>>,
    previous: Option<Histogram<u32>>,
    count: u32,
    threshold: Option<Duration>,
}

impl Latencies {
    pub(super) fn new() -> Self {
        Self {
            current: empty(),
            previous: None,
            count: 0,
            threshold: None,
        }
    }

    /// What this share of the replies did not take longer than; `None` before there are enough.
    pub(super) fn threshold(&self) -> Option<Duration> {
        self.threshold
    }

    /// Takes a reply in.
    pub(super) fn record(&mut self, took: Duration, share: f64, min_samples: u32) {
        let Some(current) = &mut self.current else {
            return;
        };
        let units = took.as_nanos().div_ceil(UNIT.as_nanos());
        let units = u64::try_from(units).unwrap_or(LONGEST).clamp(1, LONGEST);
        if current.record(units).is_err() {
            return;
        }
        self.count += 1;
        let is_enough = self.previous.is_some() || self.count >= min_samples;
        let is_due = self.threshold.is_none() || self.count.is_multiple_of(REFRESH);
        if is_enough && is_due {
            self.threshold = self.percentile(share);
        }
        if self.count >= GENERATION {
            self.previous = self.current.take();
            self.current = empty();
            self.count = 0;
        }
    }

    fn percentile(&self, share: f64) -> Option<Duration> {
        let mut all = self.current.clone()?;
        if let Some(previous) = &self.previous {
            all.add(previous).ok()?;
        }
        let units = u32::try_from(all.value_at_quantile(share)).unwrap_or(u32::MAX);
        Some(UNIT.saturating_mul(units))
    }
}

/// An hour, in units.
const LONGEST: u64 = 36_000_000;

/// It grows with the longest time in it: 4 KiB for a second.
fn empty() -> Option<Histogram<u32>> {
    Histogram::new(2).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn nothing_is_known_before_there_are_enough() {
        let mut latencies = Latencies::new();
        for _ in 0..99 {
            latencies.record(MILLISECOND, 0.9, 100);
            assert_eq!(latencies.threshold(), None);
        }
        latencies.record(MILLISECOND, 0.9, 100);
        assert_eq!(latencies.threshold(), Some(MILLISECOND));
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut latencies = Latencies::new();
        for _ in 0..GENERATION {
            latencies.record(1_000 * MILLISECOND, 0.5, 1);
        }
        for _ in 0..2 * GENERATION {
            assert!(latencies.threshold().unwrap() >= MILLISECOND);
            latencies.record(MILLISECOND, 0.5, 1);
        }
        assert_eq!(latencies.threshold(), Some(MILLISECOND));
        latencies.record(Duration::MAX, 0.5, 1);
    }

    proptest! {
        #[test]
        fn it_is_within_a_hundredth_of_the_percentile(
            mut times in prop::collection::vec(1..100_000_u64, 100..500),
            percent in 1..100_u32,
        ) {
            let share = f64::from(percent) / 100.0;
            let mut latencies = Latencies::new();
            // A multiple of what it takes to be worked out anew.
            times.truncate(times.len() / 20 * 20);
            for time in &times {
                latencies.record(Duration::from_millis(*time), share, 1);
            }
            times.sort_unstable();
            // A share such as 0.55 is not exact, so that its rank may be the next.
            let rank = (times.len() * percent as usize).div_ceil(100) - 1;
            let next = (rank + 1).min(times.len() - 1);
            let (least, most) = (times[rank.saturating_sub(1)], times[next]);
            let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
            let found = latencies.threshold().unwrap();
            prop_assert!(found >= least, "{found:?} is less than {least:?}");
            prop_assert!(found <= most + most / 90 + UNIT, "{found:?} is more than {most:?}");
        }
    }
}
