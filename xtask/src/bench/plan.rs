//! What is compared with what, as data: each workload with what it stands for, and its subjects. To
//! add a comparison, add a row to `plan/workloads.rs`; a claim about it goes to `bars.rs`.

mod workloads;

pub(crate) use workloads::WORKLOADS;

use super::model::{Group, Measure};

/// A kind of work, and who does it.
#[derive(Debug)]
pub(crate) struct Workload {
    /// The name for `--only`.
    pub(crate) name: &'static str,
    /// Its heading.
    pub(crate) title: &'static str,
    /// What it stands for.
    pub(crate) what: &'static str,
    /// What `bench-subject run --workload` calls it.
    pub(crate) kind: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) tls: bool,
    /// Whether the subject gets the default multi-threaded runtime, and all cores.
    pub(crate) multi_threaded: bool,
    pub(crate) target: Target,
    /// Requests of one run, in full and with `--quick`; 0 means that `--quick` leaves it out.
    pub(crate) requests: u64,
    pub(crate) quick_requests: u64,
    pub(crate) warm_up: u64,
    pub(crate) concurrency: u64,
    pub(crate) measure: Measure,
    /// The subject that ratios refer to.
    pub(crate) reference: &'static str,
    /// How often a subject runs.
    pub(crate) rounds: Rounds,
    /// Whether it needs `--python`.
    pub(crate) python: bool,
    pub(crate) subjects: &'static [Subject],
}

/// One subject of a workload.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    /// What divides the workload's requests for this one, because it is slow.
    pub(crate) share: u64,
    /// Whether `--quick` includes it.
    pub(crate) quick: bool,
}

/// Who sends the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// `bench-subject run NAME`.
    Rust,
    /// A foreign tool, if it is installed.
    Tool(Tool),
    /// One of the Python clients.
    Python(&'static str),
}

/// A foreign tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    H2load,
    Wrk,
    /// One process, one request.
    Curl,
    /// One process with `--parallel`.
    CurlParallel,
}

/// The protocol of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    H1,
    H2,
}

/// What the requests ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A document of 1 KiB.
    Small,
    /// 1 GiB.
    Large,
    /// An answer after 50 ms. Only the test server can.
    Delayed,
    /// A place that takes 1 GiB. Only the test server can.
    Upload,
    /// The small document on 200 origins. Only the test server can.
    Origins,
    /// The small document from a server that speaks both versions: each subject takes its own.
    EitherVersion,
}

/// How often the subjects of a workload run, from what was asked for with `--runs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounds {
    /// As often.
    Asked,
    /// As often, but at most so many times: one run takes long and spreads little.
    AtMost { full: usize, quick: usize },
    /// This many times as often: one run takes no time and spreads much.
    Times(usize),
}

impl Rounds {
    /// The number of runs.
    pub(crate) fn of(self, asked: usize, in_a_hurry: bool) -> usize {
        match self {
            Self::Asked => asked,
            Self::AtMost { quick, .. } if in_a_hurry => asked.min(quick),
            Self::AtMost { full, .. } => asked.min(full),
            Self::Times(times) => asked.saturating_mul(times),
        }
    }
}

impl Tool {
    /// On whose side it is: those that only generate load do nothing that a program could use.
    pub(crate) fn group(self) -> Group {
        match self {
            Self::H2load | Self::Wrk => Group::Floor,
            Self::Curl | Self::CurlParallel => Group::Rival,
        }
    }

    /// The name of the program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::H2load => "h2load",
            Self::Wrk => "wrk",
            Self::Curl | Self::CurlParallel => "curl",
        }
    }
}

impl Workload {
    /// The requests of one run of a subject that takes its full share.
    pub(crate) fn requests(&self, quick: bool) -> u64 {
        if quick {
            self.quick_requests
        } else {
            self.requests
        }
    }
}

/// 1 GiB.
pub(crate) const LARGE: u64 = 1024 * 1024 * 1024;

/// The document of the small workloads.
pub(crate) const SMALL: usize = 1024;

/// The origins of the workload of that name.
pub(crate) const ORIGINS: usize = 200;

/// The delay of the latency workloads, in seconds.
pub(crate) const DELAY: f64 = 0.05;
