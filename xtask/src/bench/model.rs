//! What a comparison produces, as the types that `--json` writes and `--baseline` reads. The schema:
//!
//! - `schema`: 1. A change that an older reader would misunderstand raises it.
//! - `machine`: what the figures were measured on and with (see [`Machine`]).
//! - `started`, `quick`, `rounds`: when (UTC), whether `--quick`, and the runs of each subject.
//! - `workloads`: a list of [`WorkloadReport`], each with the server, how the two sides were kept on
//!   different cores, and its `cells`: one [`Cell`] per subject with all its `runs` in order, nothing
//!   averaged.
//! - `left_out`: subjects that could not take part, each with the reason.
//! - `bars`: the project's claims, each with the figure of this very run (see [`BarReport`]).
//!
//! Sizes are bytes, times are seconds unless the name ends in `_us`.

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::stats::Spread;

/// The version of the schema.
pub(crate) const SCHEMA: u32 = 1;

/// Everything that one call of `cargo xtask bench` found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) started: String,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) machine: Machine,
    pub(crate) workloads: Vec<WorkloadReport>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) bars: Vec<BarReport>,
}

/// One workload: what it was, and how each subject did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkloadReport {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) what: String,
    /// The server, with its version where it says one.
    pub(crate) server: String,
    /// Which cores the server and the subjects had.
    pub(crate) cores: String,
    pub(crate) concurrency: u64,
    pub(crate) measure: Measure,
    /// The subject that ratios refer to.
    pub(crate) reference: String,
    pub(crate) cells: Vec<Cell>,
}

/// One subject in one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) subject: String,
    pub(crate) group: Group,
    pub(crate) settings: String,
    pub(crate) runs: Vec<Run>,
    /// Why a run gave no figures at all; the subject is not run again after that.
    pub(crate) broken: Option<String>,
}

/// What one process measured: the line that `bench-subject` prints, or the same for a foreign tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) requests: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) body_bytes: u64,
    pub(crate) wall_s: f64,
    pub(crate) user_s: f64,
    pub(crate) system_s: f64,
    /// Resident memory after the warm-up; 0 where that cannot be known.
    pub(crate) rss_idle_bytes: u64,
    /// The most that was resident afterwards; 0 where that cannot be known.
    pub(crate) rss_peak_bytes: u64,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) first_error: Option<String>,
    /// The life of the whole process, start and end included, as its parent saw it.
    #[serde(default)]
    pub(crate) process_s: f64,
}

/// On whose side a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Group {
    /// Ours: the facade, or one of its backends alone.
    Ours,
    /// What the protocol costs when hardly anything stands above it.
    Floor,
    /// What one would take otherwise.
    Rival,
}

impl Group {
    /// The class in the page and the word in the tables.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Floor => "floor",
            Self::Rival => "rival",
        }
    }
}

/// What counts in a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Measure {
    /// Requests per second: more is better.
    Requests,
    /// Bytes per second: more is better.
    Bytes,
    /// The time until all is done: less is better.
    Time,
    /// Memory above idle: less is better.
    Memory,
}

/// A subject that did not take part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    pub(crate) subject: String,
    pub(crate) why: String,
}

/// One of the project's claims, held against this run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BarReport {
    pub(crate) name: String,
    /// The claim in words.
    pub(crate) bar: String,
    /// The figure of this run in words; absent where its cells were not run.
    pub(crate) figure: Option<String>,
    pub(crate) verdict: Verdict,
}

/// How a claim fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Met,
    Missed,
    NotMeasured,
}

impl Verdict {
    /// The verdict as it is printed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::NotMeasured => "not measured",
        }
    }
}

impl Report {
    /// The cell of a subject in a workload.
    pub(crate) fn cell(&self, workload: &str, subject: &str) -> Option<&Cell> {
        self.workloads
            .iter()
            .find(|candidate| candidate.name == workload)?
            .cell(subject)
    }

    /// Whether any request failed or any subject gave no figures.
    pub(crate) fn has_failures(&self) -> bool {
        self.workloads
            .iter()
            .flat_map(|workload| &workload.cells)
            .any(|cell| cell.problem().is_some())
    }
}

impl WorkloadReport {
    /// The cell of a subject.
    pub(crate) fn cell(&self, subject: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.subject == subject)
    }

    /// The headline figure of a cell.
    pub(crate) fn headline(&self, cell: &Cell) -> Option<Spread> {
        match self.measure {
            Measure::Requests => cell.requests_per_second(),
            Measure::Bytes => cell.bytes_per_second(),
            Measure::Time => cell.wall(),
            Measure::Memory => cell.memory(),
        }
    }

    /// How many times the reference's headline figure a cell's is.
    pub(crate) fn ratio(&self, cell: &Cell) -> Option<f64> {
        let reference = self.headline(self.cell(&self.reference)?)?.median;
        super::stats::ratio(self.headline(cell)?.median, reference)
    }
}

impl Cell {
    /// Requests per second.
    pub(crate) fn requests_per_second(&self) -> Option<Spread> {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        Spread::of(self.good(|run| run.succeeded as f64 / run.wall_s))
    }

    /// Bytes of bodies per second.
    pub(crate) fn bytes_per_second(&self) -> Option<Spread> {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        Spread::of(self.good(|run| run.body_bytes as f64 / run.wall_s))
    }

    /// Seconds until all was done.
    pub(crate) fn wall(&self) -> Option<Spread> {
        Spread::of(self.good(|run| run.wall_s))
    }

    /// Microseconds of CPU time for each request that succeeded.
    pub(crate) fn cpu_us_per_request(&self) -> Option<Spread> {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        Spread::of(self.good(|run| (run.user_s + run.system_s) * 1e6 / run.succeeded as f64))
    }

    /// Bytes of memory above idle at the peak, where both are known.
    pub(crate) fn memory(&self) -> Option<Spread> {
        let known = |run: &&Run| run.rss_idle_bytes > 0 && run.rss_peak_bytes > 0;
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
        let above = |run: &Run| run.rss_peak_bytes.saturating_sub(run.rss_idle_bytes) as f64;
        Spread::of(self.runs.iter().filter(known).map(above))
    }

    /// What went wrong, in a sentence; nothing if every request succeeded.
    pub(crate) fn problem(&self) -> Option<String> {
        if let Some(broken) = &self.broken {
            return Some(broken.clone());
        }
        let failed: u64 = self.runs.iter().map(|run| run.failed).sum();
        let requests: u64 = self.runs.iter().map(|run| run.requests).sum();
        if failed == 0 {
            return None;
        }
        let first = self.runs.iter().find_map(|run| run.first_error.as_deref());
        Some(format!(
            "{failed} of {requests} requests failed, the first with: {}",
            first.unwrap_or("no reason given")
        ))
    }

    /// A figure of each run in which something succeeded.
    fn good<'a>(&'a self, figure: impl Fn(&Run) -> f64 + 'a) -> impl Iterator<Item = f64> + 'a {
        let worked = |run: &&Run| run.succeeded > 0 && run.wall_s > 0.0;
        self.runs.iter().filter(worked).map(figure)
    }
}
