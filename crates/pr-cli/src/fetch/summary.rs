//! The last words on standard error: what was done, how fast, and over what.

use std::{fmt, path::Path, time::Duration};

use indicatif::{DecimalBytes, HumanCount};
use parallel_requests::{Selection, Warning};

use super::{End, stop::Why, tally::Tally};
use crate::latency::human;

/// Everything that the summary says.
pub(super) struct Summary<'a> {
    pub(super) tally: &'a Tally,
    pub(super) wall: Duration,
    pub(super) end: &'a End,
    pub(super) journal: Option<Journaled<'a>>,
    pub(super) selection: &'a Selection,
    pub(super) warnings: &'a [Warning],
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = self.tally;
        let total = tally.total();
        write!(
            f,
            "{} {} in {}: {} {}, {} failed",
            HumanCount(total),
            if total == 1 { "request" } else { "requests" },
            human(self.wall),
            HumanCount(total - tally.failed()),
            if tally.fail { "succeeded" } else { "answered" },
            HumanCount(tally.failed()),
        )?;
        let cancelled = HumanCount(tally.cancelled);
        let stopped = match self.end {
            End::Done => None,
            End::Stopped(why) => Some(format!("{why}; {cancelled} cancelled in flight")),
            End::Output(_) => Some("because the output cannot be written any more".to_owned()),
            End::Journal(_) => Some("because the journal cannot be written any more".to_owned()),
        };
        if let Some(stopped) = stopped {
            line(f, "stopped", stopped)?;
        }
        if !tally.statuses.is_empty() {
            line(f, "status", Counts(&tally.statuses))?;
        }
        if !tally.errors.is_empty() {
            line(f, "errors", Counts(&tally.errors))?;
        }
        if !tally.retries.is_empty() {
            let requests = HumanCount(tally.retried);
            let plural = if tally.retried == 1 {
                "request"
            } else {
                "requests"
            };
            let why = Counts(&tally.retries);
            line(
                f,
                "retried",
                format_args!("{requests} {plural}, after {why}"),
            )?;
        }
        if let Some(journal) = &self.journal {
            line(f, "journal", journal)?;
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

/// What there is to say about the journal.
pub(super) struct Journaled<'a> {
    pub(super) path: &'a Path,
    /// How many requests had an outcome before, and how many of these have failed.
    pub(super) before: u64,
    pub(super) failed_before: u64,
}

impl fmt::Display for Journaled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if self.before > 0 {
            write!(f, "; {} done before", HumanCount(self.before))?;
        }
        if self.failed_before > 0 {
            write!(f, ", {} of them failed", HumanCount(self.failed_before))?;
        }
        Ok(())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("by Ctrl-C"),
            Self::Deadline(limit) => write!(f, "by the deadline of {limit:?}"),
            Self::Failures(1) => f.write_str("after a failure"),
            Self::Failures(failures) => write!(f, "after {} failures", HumanCount(*failures)),
        }
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
