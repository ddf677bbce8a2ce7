//! What the figures were measured on: without it they mean nothing to anybody else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::shell::Shell;

/// The machine, the compiler and the commit. What cannot be found out reads `unknown`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory: String,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) commit: String,
    /// How many processes wanted a core in the minute before the start, on average.
    pub(crate) load: Option<String>,
    /// The versions of the foreign tools that took part.
    pub(crate) tools: BTreeMap<String, String>,
}

impl Machine {
    /// Looks at the machine that this runs on.
    pub(crate) fn look(root: &Path) -> Self {
        let line = |program: &str, args: &str| {
            let output = Shell::new(program, args).read(root).ok()?;
            Some(output.lines().next()?.trim().to_owned())
        };
        let changed = Shell::new("git", "status --porcelain")
            .read(root)
            .is_ok_and(|output| !output.trim().is_empty());
        let commit = line("git", "rev-parse --short=12 HEAD").map(|commit| {
            let note = if changed { " with changes" } else { "" };
            format!("{commit}{note}")
        });
        let known = |fact: Option<String>| fact.unwrap_or_else(|| "unknown".to_owned());
        Self {
            cpu: known(
                proc_field("/proc/cpuinfo", "model name")
                    .or_else(|| line("sysctl", "-n machdep.cpu.brand_string")),
            ),
            cores: super::cores::available(),
            memory: known(
                proc_field("/proc/meminfo", "MemTotal").and_then(|text| gibibytes(&text)),
            ),
            kernel: known(line("uname", "-s -r -m")),
            rustc: known(line("rustc", "--version")),
            commit: known(commit),
            load: fs::read_to_string("/proc/loadavg")
                .ok()
                .and_then(|text| text.split(' ').next().map(str::to_owned)),
            tools: BTreeMap::new(),
        }
    }

    /// What to say if others were at work on the machine: then times are theirs as well.
    pub(crate) fn warning(&self) -> Option<String> {
        let load = self.load.as_deref()?;
        let busy = load.parse::<f64>().ok()?;
        let cores = u32::try_from(self.cores).ok()?;
        (busy > f64::from(cores) / 2.0).then(|| {
            format!(
                "the machine was busy when this began (load {load}, cores: {cores}): do not rely on \
                 throughput and times; CPU time and memory are steadier"
            )
        })
    }

    /// The machine in one line.
    pub(crate) fn line(&self) -> String {
        let cores = match self.cores {
            1 => "1 core".to_owned(),
            cores => format!("{cores} cores"),
        };
        format!(
            "{}, {cores}, {} of memory, {}, {}, commit {}",
            self.cpu, self.memory, self.kernel, self.rustc, self.commit
        )
    }
}

/// The current time in UTC, as ISO 8601 writes it.
pub(crate) fn now() -> String {
    // A clock before 1970 is not worth an error: the date is for people.
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    iso(since.map_or(0, |duration| duration.as_secs()))
}

/// Seconds since 1970 as a date and a time.
fn iso(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut day) = (1970, days);
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let day = day + 1;
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The value of a `name : value` line of one of Linux's files.
fn proc_field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// `24567890 kB` in GiB.
fn gibibytes(text: &str) -> Option<String> {
    let kibibytes: u64 = text.split_whitespace().next()?.parse().ok()?;
    let tenths = kibibytes * 10 / (1024 * 1024);
    Some(format!("{}.{} GiB", tenths / 10, tenths % 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(iso(seconds), expected);
        }
    }

    #[test]
    fn a_machine_with_other_work_is_told_of() {
        let machine = |load: &str| Machine {
            cores: 4,
            load: Some(load.to_owned()),
            ..Machine::default()
        };
        assert_eq!(machine("2.00").warning(), None);
        assert!(machine("2.01").warning().unwrap().contains("load 2.01"));
        assert_eq!(Machine::default().warning(), None);
    }

    #[test]
    fn memory_is_told_in_gibibytes() {
        assert_eq!(gibibytes("24567890 kB").as_deref(), Some("23.4 GiB"));
        assert_eq!(gibibytes("much"), None);
    }
}
