//! Values of the command line that are more than a number or a text.

use std::{num::NonZeroU32, time::Duration};

use clap::builder::RangedU64ValueParser;

/// So many requests in so much time, as in `100`, `100/s`, `30/m` or `500/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) requests: NonZeroU32,
    pub(crate) per: Duration,
}

/// Reads a [`Rate`].
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    const HINT: &str = "not a rate such as 100, 100/s, 30/m or 500/h";
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(HINT.to_owned()),
    };
    let number: u32 = number.parse().map_err(|_| HINT.to_owned())?;
    let requests = NonZeroU32::new(number).ok_or("must be more than 0")?;
    Ok(Rate {
        requests,
        per: Duration::from_secs(seconds),
    })
}

/// Reads a time in seconds, with a fraction or without.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds, such as 2.5".to_owned())?;
    match Duration::try_from_secs_f64(number) {
        Ok(limit) if !limit.is_zero() => Ok(limit),
        _ => Err("must be more than 0, and finite".to_owned()),
    }
}

/// How many requests may be in flight.
pub(super) fn concurrency() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_positive_and_may_have_a_fraction() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for wrong in ["", "x", "0", "-1", "inf", "NaN", "1e300"] {
            seconds(wrong).unwrap_err();
        }
    }

    #[test]
    fn rates_are_whole_numbers_a_unit_of_time() {
        for (text, requests, seconds) in [
            ("100", 100, 1),
            ("100/s", 100, 1),
            ("30/m", 30, 60),
            ("4294967295/h", u32::MAX, 3600),
        ] {
            let read = rate(text).unwrap();
            assert_eq!(
                (read.requests.get(), read.per.as_secs()),
                (requests, seconds)
            );
        }
        for wrong in [
            "",
            "/",
            "/s",
            "1/",
            "0",
            "0/s",
            "-1",
            "1.5",
            "1/d",
            "1/S",
            "1/s/s",
            "4294967296",
        ] {
            rate(wrong).unwrap_err();
        }
    }
}
