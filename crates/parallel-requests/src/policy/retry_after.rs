//! What `retry-after` asks for: how long a host is left alone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{AGE, DATE, RETRY_AFTER},
};
use pr_core::NormalizedResponse;

use crate::ConfigurationError;

/// How far the header field `retry-after` is followed (RFC 9110, 10.2.3), for
/// [`retry_after`](crate::ClientBuilder::retry_after).
///
/// A response with status 429 or 503 that says when to come back pauses its host: until then the
/// client sends nothing to it, whichever request or batch it is for. Requests to other hosts go on
/// meanwhile. The response itself is an outcome like any other; if its request is
/// [retried](crate::RetryPolicy), the retry waits for the end of the pause with all the others, and
/// for its own backoff if that is longer.
///
/// Both forms are understood, seconds and dates, the latter in all three formats of RFC 9110, 5.6.7.
/// A date is compared with the response's own `date`, so that the clocks of both ends may differ;
/// without one, with the clock of this machine. A date in the past, and what is neither form, asks for
/// nothing.
///
/// Up to a tenth is added to each pause, at random, so that not all clients of a server come back
/// in the same moment. No pause is longer than [`max_pause`](Self::max_pause), whatever was asked
/// for.
///
/// ```
/// use std::time::Duration;
/// use parallel_requests::{ParallelRequests, RetryAfter, http::StatusCode};
///
/// let patient = RetryAfter::default()
///     .max_pause(Duration::from_secs(3600))
///     .statuses([StatusCode::TOO_MANY_REQUESTS, StatusCode::FORBIDDEN]);
/// let client = ParallelRequests::builder().retry_after(patient).build();
///
/// let deaf = ParallelRequests::builder().retry_after(RetryAfter::ignore()).build();
/// ```
#[derive(Clone, Debug)]
pub struct RetryAfter {
    max_pause: Duration,
    statuses: Vec<StatusCode>,
}

/// The longest pause by default, here and for what servers say of their limits.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Nobody waits longer than this for a server to come back, whatever is set.
const MAX_MAX_PAUSE: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What part of a pause is added to it at most.
const JITTER: f64 = 0.1;

impl Default for RetryAfter {
    /// Status 429 and 503, pauses of up to five minutes.
    fn default() -> Self {
        Self {
            max_pause: MAX_PAUSE,
            statuses: vec![
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::SERVICE_UNAVAILABLE,
            ],
        }
    }
}

impl RetryAfter {
    /// Pauses nothing.
    pub fn ignore() -> Self {
        Self {
            max_pause: MAX_PAUSE,
            statuses: Vec::new(),
        }
    }

    /// The longest pause, more than zero and up to 366 days, whatever the server asks for. Default:
    /// 5 minutes. When it is over, requests go again, and the server may say the same again.
    pub fn max_pause(mut self, limit: Duration) -> Self {
        self.max_pause = limit;
        self
    }

    /// The statuses of responses whose `retry-after` counts. Default: 429 and 503. With none, the
    /// same as [`ignore`](Self::ignore).
    pub fn statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// How long the host that gave this response wants to be left alone. Cheap for the statuses that
    /// do not count.
    pub(crate) fn pause_for(&self, response: &NormalizedResponse) -> Option<Duration> {
        if !self.statuses.contains(&response.status_code()) {
            return None;
        }
        let asked = asked_for(response.headers(), SystemTime::now())?;
        Some(self.bounded(asked, fastrand::f64()))
    }

    pub(crate) fn check(&self) -> Result<(), ConfigurationError> {
        check_max_pause("retry_after", self.max_pause)
    }

    /// The pause for what was asked for, with a number from 0 to 1 for chance.
    fn bounded(&self, asked: Duration, chance: f64) -> Duration {
        let share = JITTER * chance.clamp(0.0, 1.0);
        if asked < self.max_pause {
            let longer = asked.saturating_add(asked.mul_f64(share));
            longer.min(self.max_pause)
        } else {
            // It comes back too early in any case: then not together with everybody else either.
            self.max_pause.mul_f64(1.0 - share)
        }
    }
}

/// That a longest pause is one.
pub(super) fn check_max_pause(
    setting: &'static str,
    max_pause: Duration,
) -> Result<(), ConfigurationError> {
    if !max_pause.is_zero() && max_pause <= MAX_MAX_PAUSE {
        return Ok(());
    }
    Err(ConfigurationError::InvalidSetting {
        setting,
        value: format!("a max_pause of {max_pause:?}"),
        why: "it is a time between nothing and 366 days".into(),
    })
}

/// What the header fields ask for, if they ask for anything. With several, the longest.
fn asked_for(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    headers
        .get_all(RETRY_AFTER)
        .iter()
        .filter_map(|value| {
            let value = value.to_str().ok()?.trim();
            seconds(value).or_else(|| until(value, headers, now))
        })
        .filter(|asked| !asked.is_zero())
        .max()
}

/// A number of seconds, however large. Fractions are not in the grammar, and are sent.
pub(super) fn seconds(value: &str) -> Option<Duration> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    // All digits and still no number: it is too large for one.
    let whole = Duration::from_secs(whole.parse().unwrap_or(u64::MAX));
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    let millis = Duration::from_millis(millis.parse().unwrap_or(0));
    Some(whole.saturating_add(millis))
}

/// The time until a date.
fn until(value: &str, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date = httpdate::parse_http_date(value).ok()?;
    Some(
        date.duration_since(servers_now(headers, now))
            .unwrap_or(Duration::ZERO),
    )
}

/// What time it is for the server that sent these header fields: now, if it does not say.
pub(super) fn servers_now(headers: &HeaderMap, now: SystemTime) -> SystemTime {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    let Some(date) = text(DATE).and_then(|date| httpdate::parse_http_date(date.trim()).ok()) else {
        return now;
    };
    // What comes from a cache was sent a while ago.
    let age = text(AGE).and_then(|age| seconds(age.trim()));
    age.and_then(|age| date.checked_add(age))
        .filter(|date| date.duration_since(UNIX_EPOCH).is_ok())
        .unwrap_or(date)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const NOW: u64 = 784_111_777;

    fn asked(lines: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        asked_for(&headers, UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[test]
    fn understands_both_forms() {
        let cases: &[(&str, Option<u64>)] = &[
            ("120", Some(120_000)),
            (" 120 ", Some(120_000)),
            ("1.5", Some(1_500)),
            ("0.25", Some(250)),
            ("1000000000", Some(1_000_000_000_000)),
            // The three formats of RFC 9110, 5.6.7, half a minute later.
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30_000)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30_000)),
            ("Sun Nov  6 08:50:07 1994", Some(30_000)),
            // Nothing to wait for.
            ("0", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("Thu, 01 Jan 1970 00:00:00 GMT", None),
            // Neither.
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            (".5", None),
            ("1.-5", None),
            ("soon", None),
            ("Sun, 32 Nov 1994 08:50:07 GMT", None),
        ];
        for (value, millis) in cases {
            let expected = millis.map(Duration::from_millis);
            assert_eq!(asked(&[("retry-after", value)]), expected, "{value}");
        }
        for huge in [
            "18446744073709551615",
            "18446744073709551616.9",
            &"9".repeat(400),
        ] {
            let asked = asked(&[("retry-after", huge)]).unwrap();
            assert!(asked.as_secs() == u64::MAX, "{huge}");
        }
    }

    #[test]
    fn takes_the_longest_and_the_servers_own_time() {
        assert_eq!(
            asked(&[
                ("retry-after", "x"),
                ("retry-after", "5"),
                ("retry-after", "2")
            ]),
            Some(Duration::from_secs(5))
        );
        let date = ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT");
        let cases: &[(&str, &str, u64)] = &[
            // The server's clock is 20 seconds ahead, and a day behind.
            ("Sun, 06 Nov 1994 08:49:57 GMT", "", 10),
            ("Sat, 05 Nov 1994 08:49:57 GMT", "", 86_410),
            // From a cache, where it was for four seconds.
            ("Sun, 06 Nov 1994 08:49:57 GMT", "4", 6),
            ("Sun, 06 Nov 1994 08:49:57 GMT", "old", 10),
            ("who knows", "4", 30),
        ];
        for (now, age, seconds) in cases {
            assert_eq!(
                asked(&[date, ("date", now), ("age", age)]),
                Some(Duration::from_secs(*seconds)),
                "{now} {age}"
            );
        }
        let ages = [
            ("date", "Fri, 31 Dec 9999 23:59:59 GMT"),
            ("age", "99999999999999999999"),
        ];
        assert_eq!(asked(&[date, ages[0], ages[1]]), None);
    }

    proptest! {
        #[test]
        fn a_pause_is_what_was_asked_for_and_a_tenth_up_to_the_cap(
            asked in any::<u64>().prop_flat_map(|most| 1..=most.max(1)),
            cap in 1_u64..10_000_000_000,
            chance in 0.0_f64..1.0,
        ) {
            let [asked, cap] = [asked, cap].map(Duration::from_millis);
            let pause = RetryAfter::default().max_pause(cap).bounded(asked, chance);
            prop_assert!(pause <= cap);
            prop_assert!(pause >= asked.min(cap.mul_f64(0.9)));
            prop_assert!(pause <= asked.saturating_add(asked / 10 + Duration::from_nanos(1)));
        }

        #[test]
        fn no_text_breaks_it(value in "[ -~]{0,40}", date in "[ -~]{0,40}", age in "[0-9]{0,30}") {
            asked(&[("retry-after", &value), ("date", &date), ("age", &age)]);
        }
    }

    #[test]
    fn chances_differ() {
        let policy = RetryAfter::default();
        for seconds in [10, 1_000_000] {
            let asked = Duration::from_secs(seconds);
            assert_ne!(policy.bounded(asked, 0.1), policy.bounded(asked, 0.9));
        }
    }
}
