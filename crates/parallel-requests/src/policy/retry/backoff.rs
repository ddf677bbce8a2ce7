//! How long to wait before a retry: exponential backoff with full jitter.

use std::time::Duration;

/// Grows by two from a base up to a cap, and is drawn evenly from zero to there ("full jitter" in
/// "Exponential Backoff And Jitter", AWS Architecture Blog).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff {
    pub(super) base: Duration,
    pub(super) cap: Duration,
}

impl Backoff {
    /// The most that the retry of this number waits, counted from 0.
    pub(super) fn ceiling(self, retry: u32) -> Duration {
        let grown = match 1_u32.checked_shl(retry) {
            Some(factor) => self.base.saturating_mul(factor),
            None if self.base.is_zero() => Duration::ZERO,
            None => Duration::MAX,
        };
        grown.min(self.cap)
    }

    /// What it does wait.
    pub(super) fn draw(self, retry: u32) -> Duration {
        between_zero_and(self.ceiling(retry))
    }
}

/// A time from zero to this one, both included.
fn between_zero_and(most: Duration) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let nanoseconds = fastrand::u128(0..=most.as_nanos());
    // What is no more than a duration has no more seconds than one.
    let seconds = u64::try_from(nanoseconds / SECOND).unwrap_or(u64::MAX);
    let rest = u32::try_from(nanoseconds % SECOND).unwrap_or(0);
    Duration::new(seconds, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let usual = Backoff {
            base: ms(500),
            cap: Duration::from_secs(20),
        };
        let endless = Backoff {
            base: Duration::MAX,
            cap: Duration::MAX,
        };
        let none = Backoff {
            base: Duration::ZERO,
            cap: Duration::MAX,
        };
        for (backoff, retry, ceiling) in [
            (usual, 0, ms(500)),
            (usual, 1, ms(1_000)),
            (usual, 5, ms(16_000)),
            (usual, 6, ms(20_000)),
            (usual, 31, ms(20_000)),
            (usual, 32, ms(20_000)),
            (usual, u32::MAX, ms(20_000)),
            (endless, 0, Duration::MAX),
            (endless, 31, Duration::MAX),
            (endless, u32::MAX, Duration::MAX),
            (none, 3, Duration::ZERO),
            (none, u32::MAX, Duration::ZERO),
        ] {
            assert_eq!(backoff.ceiling(retry), ceiling, "{backoff:?}, {retry}");
        }
    }

    #[test]
    fn it_is_drawn_from_all_of_the_range() {
        let backoff = Backoff {
            base: ms(1_000),
            cap: ms(1_000),
        };
        let mut tenths = [0_u32; 11];
        for _ in 0..10_000 {
            tenths[usize::try_from(backoff.draw(0).as_millis() / 100).unwrap()] += 1;
        }
        // 1,000 are expected in each, with a standard deviation of 30.
        assert!(
            tenths[..10]
                .iter()
                .all(|count| (700..1_300).contains(count)),
            "{tenths:?}"
        );
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_ceiling(
            base in any::<Duration>(),
            cap in any::<Duration>(),
            retry in any::<u32>(),
        ) {
            let backoff = Backoff { base, cap };
            let drawn = backoff.draw(retry);
            prop_assert!(drawn <= backoff.ceiling(retry));
            prop_assert!(drawn <= cap);
        }
    }
}
