//! What servers say of their limits in header fields, and the pace that a host is sent requests at
//! because of it.

mod fields;

use std::time::{Duration, SystemTime};

use pr_core::NormalizedResponse;
use tokio::time::Instant;

use super::retry_after::{MAX_PAUSE, check_max_pause};
use crate::ConfigurationError;

/// Follows what servers say of their limits in each response, for
/// [`server_limits`](crate::ClientBuilder::server_limits).
///
/// From the requests that remain and the time until they are renewed comes a pace: a host's requests
/// are spread evenly over that time. When none remain, the host is paused until then. Requests to
/// other hosts go on meanwhile.
///
/// These fields are understood, the first that is there:
///
/// | Fields | As in |
/// |---|---|
/// | `RateLimit: "default";r=50;t=30`, with `RateLimit-Policy: "default";q=100;w=60` | [draft-ietf-httpapi-ratelimit-headers](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/), from version 8 on; policies that count something other than requests (`qu`) are left out |
/// | `RateLimit: limit=100, remaining=50, reset=30` | its version 7 |
/// | `RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset` | its versions up to 6 |
/// | `X-RateLimit-Limit`, `X-RateLimit-Remaining`, `X-RateLimit-Reset` | GitHub and many others |
/// | `X-Rate-Limit-Limit`, `X-Rate-Limit-Remaining`, `X-Rate-Limit-Reset` | X (Twitter) and others |
///
/// A reset below 10⁹ is a number of seconds, one from 10⁹ on is a Unix time, one from 10¹² on a Unix
/// time in milliseconds: 10⁹ seconds would be 31 years to wait, and as a time is the year 2001. Unix
/// times are compared with the response's `date`, if there is one. With several policies in one
/// field the slowest rules. What is not understood is ignored, and so is a reset in the past.
///
/// The first requests to a host, before its first response, know nothing of its limits: how many
/// those are is for [`concurrency_per_host`](crate::ClientBuilder::concurrency_per_host). The pace of
/// a generous server is slow, too: 5,000 requests that remain for an hour are 1.4 in a second.
///
/// ```
/// use std::time::Duration;
/// use parallel_requests::{ParallelRequests, ServerLimits};
///
/// let client = ParallelRequests::builder()
///     .server_limits(ServerLimits::default().max_pause(Duration::from_secs(3600)))
///     .concurrency_per_host(4)
///     .build();
/// ```
#[derive(Clone, Debug)]
pub struct ServerLimits {
    max_pause: Duration,
}

impl Default for ServerLimits {
    /// Never more than five minutes between two requests.
    fn default() -> Self {
        Self {
            max_pause: MAX_PAUSE,
        }
    }
}

impl ServerLimits {
    /// The longest time without a request to a host that has some waiting, more than zero and up to
    /// 366 days, whatever the server says. Default: 5 minutes.
    pub fn max_pause(mut self, limit: Duration) -> Self {
        self.max_pause = limit;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigurationError> {
        check_max_pause("server_limits", self.max_pause)
    }
}

/// What a response says of its server's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    /// Requests that may be sent until the reset.
    remaining: u64,
    /// The time until there are new ones; not zero.
    reset: Duration,
    /// How many there are after that.
    limit: Option<u64>,
    /// For how long those are.
    window: Option<Duration>,
}

/// The pace of one host's requests.
#[derive(Clone, Debug)]
pub(crate) struct ServerPace {
    max_pause: Duration,
    window: Option<Window>,
    /// When the last request went, or else when the first response came.
    last: Instant,
}

/// The time until a reset.
#[derive(Clone, Copy, Debug)]
struct Window {
    ends: Instant,
    /// Of what was told, less what was sent since.
    remaining: u64,
    /// What is known of the next one.
    limit: Option<u64>,
    length: Duration,
}

/// Resets that are so close to each other are the same: they are told in whole seconds, and take
/// their time to arrive.
const SAME_RESET: Duration = Duration::from_millis(1_500);

/// The longest that a reset is believed to be away.
const MAX_RESET: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl ServerPace {
    /// No pace, until a response asks for one.
    pub(crate) fn new(limits: &ServerLimits) -> Self {
        Self {
            max_pause: limits.max_pause,
            window: None,
            last: Instant::now(),
        }
    }

    /// Takes from a response what it says of the limits.
    pub(crate) fn observe(&mut self, response: &NormalizedResponse, now: Instant) {
        if let Some(told) = fields::read(response.headers(), SystemTime::now()) {
            self.hear(told, now);
        }
    }

    /// When the next request may go; nothing if it may at once.
    pub(crate) fn ready_at(&self, now: Instant) -> Option<Instant> {
        let (window, last) = self.current(now)?;
        let due = match u32::try_from(window.remaining) {
            Ok(0) => window.ends,
            // So many, and the same time after the last of them.
            Ok(remaining) => last + (window.ends - last) / remaining.saturating_add(1),
            Err(_) => return None,
        };
        let due = due.min(last + self.max_pause);
        (due > now).then_some(due)
    }

    /// A request goes.
    pub(crate) fn take(&mut self, now: Instant) {
        self.window = self.current(now).map(|(mut window, _)| {
            window.remaining = window.remaining.saturating_sub(1);
            window
        });
        self.last = now;
    }

    /// Until when there is something to remember, if there is.
    pub(crate) fn idle_at(&self, now: Instant) -> Option<Instant> {
        let ends = self.window?.ends;
        (ends > now).then_some(ends)
    }

    fn hear(&mut self, told: Told, now: Instant) {
        let reset = told.reset.min(MAX_RESET);
        let ends = now + reset;
        let mut length = told.window.unwrap_or(reset).max(reset).min(MAX_RESET);
        let mut window = Window {
            ends,
            remaining: told.remaining,
            limit: told.limit,
            length,
        };
        match self.current(now) {
            None => self.last = self.last.max(now),
            Some((known, _)) => {
                if told.window.is_none() {
                    length = length.max(known.length);
                }
                window.length = length;
                let apart = ends.max(known.ends) - ends.min(known.ends);
                if apart <= SAME_RESET {
                    // Responses overtake each other, and the server has not seen yet what is under
                    // way to it. Of one window there is less with time, never more.
                    window.remaining = told.remaining.min(known.remaining);
                    // The first word stands, or many small differences would make a large one.
                    window.ends = known.ends;
                }
            }
        }
        self.window = Some(window);
    }

    /// The window that is now, and since when its requests are spread. After the end of one that the
    /// server spoke of, the next is taken to be like it, lest all that wait go in its first moment.
    fn current(&self, now: Instant) -> Option<(Window, Instant)> {
        let mut window = self.window?;
        if now < window.ends {
            return Some((window, self.last.min(now)));
        }
        window.remaining = window.limit?;
        let (late, length) = (now - window.ends, window.length);
        let begun = if late < length { window.ends } else { now };
        window.ends = begun + length;
        Some((window, self.last.max(begun)))
    }
}

#[cfg(test)]
mod tests;
