//! The last words on standard error: what was done, how fast, and over what.

use std::{fmt, time::Duration};

use indicatif::{DecimalBytes, HumanCount};
use parallel_requests::{Selection, Warning};

use super::{End, tally::Tally};
use crate::latency::human;

/// Everything that the summary says.
pub(super) struct Summary<'a> {
    pub(super) tally: &'a Tally,
    pub(super) wall: Duration,
    pub(super) end: &'a End,
    /// Requests that were on their way when the end came.
    pub(super) cancelled: u64,
    pub(super) selection: &'a Selection,
    pub(super) warnings: &'a [Warning],
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = self.tally;
        let total = tally.total();
        write!(
            f,
            "{} {} in {}: {} succeeded, {} failed",
            HumanCount(total),
            if total == 1 { "request" } else { "requests" },
            human(self.wall),
            HumanCount(total - tally.failed()),
            HumanCount(tally.failed()),
        )?;
        let why = match self.end {
            End::Done => None,
            End::Interrupted => Some("by Ctrl-C"),
            End::Output(_) => Some("because the output cannot be written any more"),
        };
        if let Some(why) = why {
            let cancelled = HumanCount(self.cancelled);
            line(
                f,
                "stopped",
                format_args!("{why}; {cancelled} cancelled in flight"),
            )?;
        }
        if !tally.statuses.is_empty() {
            line(f, "status", Counts(&tally.statuses))?;
        }
        if !tally.errors.is_empty() {
            line(f, "errors", Counts(&tally.errors))?;
        }
        if total > 0 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "it is positive, and rounded to a whole number for a person to read"
            )]
            let rate = (total as f64 / self.wall.as_secs_f64()).round() as u64;
            line(
                f,
                "rate",
                format_args!("{} requests per second", HumanCount(rate)),
            )?;
        }
        if !tally.latencies.is_empty() {
            let [p50, p90, p99] =
                [0.5, 0.9, 0.99].map(|share| human(tally.latencies.quantile(share)));
            let max = human(tally.latencies.max());
            line(
                f,
                "latency",
                format_args!("p50 {p50}, p90 {p90}, p99 {p99}, max {max}"),
            )?;
            let bytes = DecimalBytes(tally.bytes);
            line(f, "bytes", format_args!("{bytes} in bodies"))?;
            line(f, "connections", HumanCount(tally.connections.count()))?;
        }
        line(f, "backend", self.selection)?;
        for warning in self.warnings {
            line(f, "warning", warning)?;
        }
        Ok(())
    }
}

/// How far a value stands from the left, and how far to the right it may reach.
const INDENT: usize = 15;
const WIDTH: usize = 80;

/// A label and its value, whose further lines stand below its first.
fn line(f: &mut fmt::Formatter<'_>, label: &str, value: impl fmt::Display) -> fmt::Result {
    write!(f, "\n  {label:<12}")?;
    let mut column = INDENT - 1;
    for word in value.to_string().split(' ') {
        let width = word.chars().count();
        if column > INDENT && column + 1 + width > WIDTH {
            write!(f, "\n{:INDENT$}{word}", "")?;
            column = INDENT + width;
        } else {
            write!(f, " {word}")?;
            column += 1 + width;
        }
    }
    Ok(())
}

/// `200: 990, 404: 10`.
struct Counts<'a, K>(&'a std::collections::BTreeMap<K, u64>);

impl<K: fmt::Display> fmt::Display for Counts<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (key, &count)) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}{key}: {}", HumanCount(count))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Line<'a>(&'a str);

    impl fmt::Display for Line<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            line(f, "label", self.0)
        }
    }

    #[test]
    fn long_values_go_on_below_their_beginning() {
        assert_eq!(Line("a b").to_string(), "\n  label        a b");
        let long = "word ".repeat(30);
        let text = Line(long.trim_end()).to_string();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{text}");
        assert_eq!(lines[0].len(), INDENT + "word ".repeat(13).len() - 1);
        assert!(
            lines[1..]
                .iter()
                .all(|line| line.starts_with("               word"))
        );
        let longest = "x".repeat(200);
        assert_eq!(
            Line(&longest).to_string(),
            format!("\n  label        {longest}")
        );
    }
}
