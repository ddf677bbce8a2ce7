//! Requests per second: the limit as a value, and the bucket that clients can share.

mod bucket;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use self::bucket::Bucket;
pub(crate) use self::bucket::TokenBucket;
use crate::ConfigurationError;

/// So many requests in so much time, for [`rate_limit`](crate::ClientBuilder::rate_limit) and
/// [`rate_limit_per_host`](crate::ClientBuilder::rate_limit_per_host).
///
/// It is a token bucket. A request takes a token when it is dispatched, before the clock of its
/// timeout starts, and waits if there is none; so does each retry, and each copy of a hedged
/// request. Tokens come one by one, evenly spaced: `per_minute(60)` is one each second, not sixty at
/// the start of each minute. The bucket holds up to [`burst`](Self::burst) of them for when nothing
/// was sent for a while. In any stretch of time there are at most as many requests as the limit
/// gives for that time, and a burst.
///
/// ```
/// use std::time::Duration;
/// use parallel_requests::{ParallelRequests, RateLimit};
///
/// let client = ParallelRequests::builder()
///     // All hosts together: 200 in a second, never more than 20 of them at once.
///     .rate_limit(RateLimit::per_second(200).burst(20))
///     // Each host: one every three seconds.
///     .rate_limit_per_host(RateLimit::every(Duration::from_secs(3)))
///     .build();
///
/// let error = ParallelRequests::builder().rate_limit(RateLimit::per_second(0)).build();
/// assert!(error.unwrap_err().to_string().starts_with("rate_limit cannot be 0 in 1s"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    requests: u32,
    period: Duration,
    burst: Option<u32>,
}

/// How long without a request the default burst makes up for. Timers are late by a millisecond, on a
/// busy machine by more; what is due meanwhile must not be lost, or the rate would never be reached.
const DEFAULT_BURST_TIME: Duration = Duration::from_millis(50);

/// From this interval on the lateness of timers is below a percent, and the default burst is one.
const SLOW: Duration = Duration::from_millis(250);

/// The longest time between two requests that is not taken for a mistake.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest time that a burst may make up for.
const MAX_BURST_TIME: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl RateLimit {
    /// So many requests per second.
    pub const fn per_second(requests: u32) -> Self {
        Self::per(Duration::from_secs(1), requests)
    }

    /// So many requests per minute.
    pub const fn per_minute(requests: u32) -> Self {
        Self::per(Duration::from_secs(60), requests)
    }

    /// So many requests per hour.
    pub const fn per_hour(requests: u32) -> Self {
        Self::per(Duration::from_secs(60 * 60), requests)
    }

    /// One request in each interval, for rates below one in a second.
    pub const fn every(interval: Duration) -> Self {
        Self::per(interval, 1)
    }

    /// So many requests, at least 1, in each period. That must come to something between one a day
    /// and one a nanosecond, or the client is not built.
    pub const fn per(period: Duration, requests: u32) -> Self {
        Self {
            requests,
            period,
            burst: None,
        }
    }

    /// How many requests may go at once after a pause, from 1.
    ///
    /// Default: what 50 milliseconds bring and at least 2 (10 for 200 in a second), so that a timer
    /// that is late costs nothing; 1 for rates up to four in a second. With 1, the time between two
    /// requests is never shorter than the interval, and, as timers are late by up to a millisecond
    /// or two each time, rates over ten in a second are not quite reached.
    pub const fn burst(mut self, requests: u32) -> Self {
        self.burst = Some(requests);
        self
    }

    /// That this can be a limit, for the setting of this name.
    pub(crate) fn check(&self, setting: &'static str) -> Result<(), ConfigurationError> {
        let invalid = |value: String, why: &'static str| {
            Err(ConfigurationError::InvalidSetting {
                setting,
                value,
                why: why.into(),
            })
        };
        let value = format!("{} in {:?}", self.requests, self.period);
        if self.requests == 0 {
            return invalid(value, "nothing would ever be sent");
        }
        if self.period.as_nanos() < u128::from(self.requests) {
            return invalid(
                value,
                "at most one in a nanosecond can be told from no limit",
            );
        }
        if self.period.as_nanos() / u128::from(self.requests) > MAX_INTERVAL.as_nanos() {
            return invalid(value, "the slowest limit is one in a day");
        }
        match self.burst {
            Some(0) => invalid(
                "a burst of 0".to_owned(),
                "each request takes one token, so that the bucket must hold at least one",
            ),
            Some(burst) if self.interval().saturating_mul(burst) > MAX_BURST_TIME => invalid(
                format!("a burst of {burst}"),
                "it would take more than a year to fill",
            ),
            _ => Ok(()),
        }
    }

    /// The time between two tokens, rounded up. Within bounds whatever was set.
    fn interval(&self) -> Duration {
        let nanos = self
            .period
            .as_nanos()
            .div_ceil(u128::from(self.requests.max(1)));
        let bounded = nanos.clamp(1, MAX_INTERVAL.as_nanos());
        Duration::from_nanos(u64::try_from(bounded).unwrap_or(u64::MAX))
    }

    /// How many tokens the bucket holds. Within bounds whatever was set.
    fn capacity(&self) -> u32 {
        let interval = self.interval();
        let most = MAX_BURST_TIME.as_nanos() / interval.as_nanos();
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let capacity = self.burst.unwrap_or_else(|| {
            if interval >= SLOW {
                return 1;
            }
            let due = DEFAULT_BURST_TIME.as_nanos() / interval.as_nanos();
            u32::try_from(due).unwrap_or(u32::MAX).max(2)
        });
        capacity.clamp(1, most)
    }
}

/// The bucket of a [`RateLimit`], shared by whoever has a clone of it: clients, too.
///
/// ```
/// use parallel_requests::{ParallelRequests, RateLimit, RateLimiter};
///
/// // Both clients together send at most ten requests per second.
/// let limiter = RateLimiter::new(RateLimit::per_second(10));
/// let first = ParallelRequests::builder().rate_limit(limiter.clone()).build();
/// let second = ParallelRequests::builder().rate_limit(limiter).build();
/// ```
///
/// Clients that share one take tokens as they come to it: there are no turns among them.
#[derive(Clone)]
pub struct RateLimiter(Arc<Shared>);

struct Shared {
    limit: RateLimit,
    bucket: Bucket,
}

impl RateLimiter {
    /// A full bucket. If the limit cannot work, the client that is given it is not built.
    pub fn new(limit: RateLimit) -> Self {
        let bucket = Bucket::new(&limit);
        Self(Arc::new(Shared { limit, bucket }))
    }

    /// The limit.
    pub fn limit(&self) -> &RateLimit {
        &self.0.limit
    }

    /// A token at once, or when the next is due: later than now, and no promise, as somebody else
    /// may take it.
    pub(crate) fn try_take(&self, now: Instant) -> Result<(), Instant> {
        self.0.bucket.try_take(now)
    }

    /// See [`RateLimit::check`].
    pub(crate) fn check(&self, setting: &'static str) -> Result<(), ConfigurationError> {
        self.0.limit.check(setting)
    }
}

impl From<RateLimit> for RateLimiter {
    fn from(limit: RateLimit) -> Self {
        Self::new(limit)
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimiter").field(&self.0.limit).finish()
    }
}
