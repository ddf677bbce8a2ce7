//! `docs/performance.md`: the figures of a full run as a document. What people wrote there by hand
//! stands between two marker comments and stays.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::format::NONE;
use super::model::{Cell, LeftOut, Report, WorkloadReport};
use super::table;
use crate::report::Failure;

const BEGIN: &str = "<!-- written by hand: `cargo xtask bench --markdown` keeps what follows -->";
const END: &str = "<!-- end of what is written by hand -->";

/// The document as it is now.
pub(crate) struct Document {
    by_hand: String,
}

impl Document {
    /// Reads what was written by hand; a file that is not there has nothing of it.
    ///
    /// # Errors
    ///
    /// If the file has no markers: it is not ours to overwrite.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: String| {
            let path = path.display();
            Failure::new(
                format!("{path}: {error}"),
                format!("cargo xtask bench --markdown {path}"),
            )
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self {
                    by_hand: "\n".to_owned(),
                });
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        Self::parse(&text).ok_or_else(|| {
            failed(format!(
                "it has no lines `{BEGIN}` and `{END}`, so that nothing in it would survive"
            ))
        })
    }

    /// The document with the figures of a run.
    pub(crate) fn filled(&self, report: &Report) -> String {
        let mut text = String::from(
            "# Performance\n\n\
             What the backends cost, next to what one would take otherwise: measured by one command, \
             which you can run yourself.\n\n\
             ```text\ncargo xtask bench\n```\n\n",
        );
        let _ = writeln!(text, "{BEGIN}{}{END}\n", self.by_hand);
        text.push_str(&machine(report));
        text.push_str(&bars(report));
        text.push_str("## Workloads\n");
        for workload in &report.workloads {
            text.push_str(&section(workload));
        }
        text.push_str(&settings(report));
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(BEGIN)?;
        let (by_hand, _) = rest.split_once(END)?;
        Some(Self {
            by_hand: by_hand.to_owned(),
        })
    }
}

fn machine(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = String::from("## Where and how this was measured\n\n");
    let date = report.started.split('T').next().unwrap_or_default();
    let tools: Vec<String> = machine
        .tools
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    for (name, value) in [
        (
            "Processor",
            format!("{}, cores: {}", machine.cpu, machine.cores),
        ),
        ("Memory", machine.memory.clone()),
        ("Kernel", machine.kernel.clone()),
        ("Compiler", machine.rustc.clone()),
        ("Commit", machine.commit.clone()),
        ("Date", date.to_owned()),
        ("Foreign tools", tools.join(", ")),
    ] {
        let value = if value.is_empty() { NONE } else { &value };
        let _ = writeln!(text, "- {name}: {value}");
    }
    let quick = if report.quick {
        " This was a `--quick` run: fewer requests, fewer subjects."
    } else {
        ""
    };
    let _ = writeln!(
        text,
        "\nEach run is a process of its own, warmed up where the workload is not about the start; \
         the subjects of a workload run in turns, {} times each unless a workload says otherwise. \
         Figures are medians, with the smallest and the largest next to them. CPU time is user and \
         system time of the process by the operating system's accounts, memory is what was resident \
         at the peak above what was resident before the first measured request. The server is \
         another process on the same machine. Absolute figures are those of this machine; ratios \
         travel better.{quick}\n",
        report.rounds
    );
    if let Some(warning) = machine.warning() {
        let _ = writeln!(text, "Note: {warning}.\n");
    }
    for LeftOut { subject, why } in &report.left_out {
        let _ = writeln!(text, "Left out: {subject}: {why}.\n");
    }
    text
}

fn bars(report: &Report) -> String {
    let mut text = String::from(
        "## Bars\n\nWhat the project demands of itself, with the figures of this run.\n\n\
         | Bar | Claim | Measured | |\n|---|---|---:|---|\n",
    );
    for bar in &report.bars {
        let figure = bar.figure.as_deref().unwrap_or(NONE);
        let (name, claim, verdict) = (&bar.name, &bar.bar, bar.verdict.word());
        let _ = writeln!(text, "| {name} | {claim} | {figure} | {verdict} |");
    }
    text.push('\n');
    text
}

fn section(workload: &WorkloadReport) -> String {
    let mut text = format!("\n### {}\n\n{}\n\n", workload.title, workload.what);
    let _ = writeln!(
        text,
        "Server: {}. Cores: {}. In flight: {}.\n",
        workload.server, workload.cores, workload.concurrency
    );
    let headings = table::headings(workload);
    let _ = writeln!(text, "| {} |", headings.join(" | "));
    text.push_str("|---|---:|---:|---:|---:|---:|\n");
    for cell in &workload.cells {
        let row = table::row(workload, cell);
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    for cell in &workload.cells {
        if let Some(problem) = cell.problem() {
            let _ = writeln!(text, "\n**Failed**: {}: {problem}", cell.subject);
        }
    }
    text
}

/// Who was set how. A subject that is set differently for different workloads has several lines.
fn settings(report: &Report) -> String {
    let mut known: BTreeMap<(&str, &str), &Cell> = BTreeMap::new();
    for cell in report.workloads.iter().flat_map(|workload| &workload.cells) {
        known.insert((&cell.subject, &cell.settings), cell);
    }
    let mut text = String::from(
        "\n## Subjects\n\nEach with its best honest settings.\n\n\
         | Subject | Side | Settings |\n|---|---|---|\n",
    );
    for cell in known.into_values() {
        let settings = cell.settings.replace('|', "\\|");
        let _ = writeln!(
            text,
            "| {} | {} | {settings} |",
            cell.subject,
            cell.group.word()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::model::Group;
    use super::super::samples;
    use super::*;

    fn sample() -> Report {
        samples::report(&[
            ("http2", "facade-h2", Group::Ours, samples::run(3_000, 0.1)),
            ("http2", "reqwest", Group::Rival, samples::run(1_000, 0.1)),
        ])
    }

    #[test]
    fn what_was_written_by_hand_survives() {
        let first = Document::parse(&format!("x\n{BEGIN}\n## Advice\n\nMeasure.\n\n{END}\ny"));
        let text = first.unwrap().filled(&sample());
        assert!(
            text.contains("\n## Advice\n\nMeasure.\n\n<!-- end"),
            "{text}"
        );
        let again = Document::parse(&text).unwrap().filled(&sample());
        assert_eq!(again, text);
        assert!(Document::parse("# Somebody else's page\n").is_none());
    }

    #[test]
    fn a_file_that_is_not_there_is_begun() {
        let document = Document::open(Path::new("no/such/file.md")).unwrap();
        assert!(Document::parse(&document.filled(&sample())).is_some());
    }

    #[test]
    fn every_table_row_has_its_columns() {
        let text = Document {
            by_hand: String::new(),
        }
        .filled(&sample());
        let mut columns = 0;
        for line in text.lines() {
            let count = line.matches('|').count();
            if line.starts_with('|') && columns > 0 {
                assert_eq!(count, columns, "{line}");
            }
            columns = if line.starts_with('|') { count } else { 0 };
        }
        assert!(
            text.contains("| facade-h2 | 30,000 | 30,000..30,000 |"),
            "{text}"
        );
        assert!(text.contains("| facade-h2 | ours | the settings of facade-h2 |"));
    }
}
