//! `bench-subject`, the Rust clients under measurement: what it knows and how it is run. Each run is
//! a process of its own, so that none inherits another's warm allocator.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::cores::Cores;
use super::model::{Group, Run};
use super::plan::{LARGE, Protocol, Target, Workload};
use super::process::{self, Ended};
use crate::report::Failure;

/// What `bench-subject list` says.
#[derive(Deserialize)]
pub(crate) struct List {
    subjects: Vec<Known>,
}

/// A subject that it knows.
#[derive(Deserialize)]
pub(crate) struct Known {
    name: String,
    pub(crate) group: Group,
    pub(crate) settings: String,
    workloads: Vec<String>,
}

impl List {
    /// Asks the program.
    ///
    /// # Errors
    ///
    /// If it does not answer, or in another language.
    pub(crate) fn ask(program: &Path) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.arg("list");
        let rerun = format!("{} list", program.display());
        let ended = process::run(command).map_err(|error| Failure::new(error, &rerun))?;
        let output = ended
            .output()
            .map_err(|error| Failure::new(error, &rerun))?;
        serde_json::from_str(output).map_err(|error| Failure::new(error.to_string(), &rerun))
    }

    /// A subject, if it takes part in this kind of workload.
    pub(crate) fn find(&self, name: &str, kind: &str) -> Option<&Known> {
        let takes_part = |known: &&Known| known.workloads.iter().any(|w| w == kind);
        let mut named = self.subjects.iter().filter(|known| known.name == name);
        named.find(takes_part)
    }
}

/// Runs a subject once.
///
/// # Errors
///
/// If it says that nothing could be measured, or does not print the line that it should.
pub(crate) fn run(
    program: &Path,
    name: &str,
    workload: &Workload,
    requests: u64,
    (urls, ca): (&[String], Option<&Path>),
    cores: &Cores,
) -> Result<Run, String> {
    let mut command = cores.client(&program.to_string_lossy());
    command.args(["run", name, "--workload", workload.kind]);
    for url in urls {
        command.args(["--url", url]);
    }
    command.args(["--requests", &requests.to_string()]);
    command.args(["--warm-up", &workload.warm_up.min(requests).to_string()]);
    command.args(["--concurrency", &workload.concurrency.to_string()]);
    let runtime = if workload.multi_threaded {
        "multi"
    } else {
        "current"
    };
    command.args(["--runtime", runtime]);
    match (workload.target, workload.protocol) {
        // Everybody speaks the newest version that it can.
        (Target::Origins | Target::EitherVersion, _) => {}
        (_, Protocol::H1) => drop(command.args(["--protocol", "h1"])),
        (_, Protocol::H2) => drop(command.args(["--protocol", "h2"])),
    }
    if workload.target == Target::Upload {
        command.args(["--upload-bytes", &LARGE.to_string()]);
    }
    if let Some(ca) = ca {
        command.arg("--ca").arg(ca);
    }
    parse(&process::run(command)?)
}

/// The line of JSON that subjects and Python clients end with.
pub(crate) fn parse(ended: &Ended) -> Result<Run, String> {
    let output = ended.output()?;
    let line = output.lines().next_back().unwrap_or_default();
    let mut run: Run =
        serde_json::from_str(line).map_err(|error| format!("printed `{line}`: {error}"))?;
    run.process_s = ended.wall.as_secs_f64();
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_known_for_its_workloads() {
        let list: List = serde_json::from_str(
            r#"{"subjects":[{"name":"raw-h2","group":"floor","what":"w","settings":"s",
                "workloads":["small"]}]}"#,
        )
        .unwrap();
        let known = list.find("raw-h2", "small").unwrap();
        assert_eq!(known.group, Group::Floor);
        assert!(list.find("raw-h2", "origins").is_none());
        assert!(list.find("reqwest", "small").is_none());
    }
}
