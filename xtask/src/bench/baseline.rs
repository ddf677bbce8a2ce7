//! What changed since an earlier run. Only what lies beyond the spread of both is worth a line, and a
//! single run has no spread.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::format;
use super::model::{Cell, Measure, Report, SCHEMA, WorkloadReport};
use super::stats::{Spread, ratio};
use crate::report::Failure;

/// Changes smaller than this are those of the weather, however close the runs lie to each other.
const SMALLEST: f64 = 0.03;

/// Reads an earlier report.
///
/// # Errors
///
/// If the file is not one, or one that this program does not understand.
pub(crate) fn read(path: &Path) -> Result<Report, Failure> {
    let failed = |error: String| {
        let path = path.display();
        Failure::new(
            format!("{path}: {error}"),
            format!("cargo xtask bench --baseline {path}"),
        )
    };
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    if report.schema != SCHEMA {
        return Err(failed(format!(
            "its schema is {} and not {SCHEMA}",
            report.schema
        )));
    }
    Ok(report)
}

/// What got better and what worse, in lines.
pub(crate) fn compare(before: &Report, now: &Report) -> String {
    let mut text = format!("Since {} ({})\n", before.started, before.machine.commit);
    if before.quick != now.quick {
        text.push_str("  one of the two was --quick: its ranges are wide\n");
    }
    if before.machine.cpu != now.machine.cpu || before.machine.cores != now.machine.cores {
        text.push_str("  the machines differ: only ratios can be compared\n");
    }
    let (mut compared, mut single) = (0, 0);
    let mut changed = String::new();
    for workload in &now.workloads {
        for cell in &workload.cells {
            let Some(old) = before.cell(&workload.name, &cell.subject) else {
                continue;
            };
            if old.runs.len() < 2 || cell.runs.len() < 2 {
                single += 1;
                continue;
            }
            compared += 1;
            changed.push_str(&changes(workload, old, cell));
        }
    }
    if changed.is_empty() {
        let _ = writeln!(text, "  no change beyond the ranges, in {compared} cells");
    }
    text.push_str(&changed);
    if single > 0 {
        let _ = writeln!(
            text,
            "  not compared, because of single runs: {single} cells"
        );
    }
    text
}

/// The lines about one cell.
fn changes(workload: &WorkloadReport, old: &Cell, new: &Cell) -> String {
    let more_is_better = matches!(workload.measure, Measure::Requests | Measure::Bytes);
    let name = match workload.measure {
        Measure::Requests | Measure::Bytes => "throughput",
        Measure::Time => "time",
        Measure::Memory => "memory",
    };
    let figures = [
        (
            name,
            more_is_better,
            workload.headline(old),
            workload.headline(new),
        ),
        (
            "CPU time",
            false,
            old.cpu_us_per_request(),
            new.cpu_us_per_request(),
        ),
    ];
    let mut text = String::new();
    for (name, more_is_better, old, new_figure) in figures {
        let (Some(old), Some(figure)) = (old, new_figure) else {
            continue;
        };
        if let Some(change) = change(old, figure) {
            let word = if (figure.median > old.median) == more_is_better {
                "better"
            } else {
                "WORSE"
            };
            let _ = writeln!(
                text,
                "  {word}: {}, {}: {change} the {name}",
                workload.name, new.subject
            );
        }
    }
    text
}

/// How much a figure changed, if no run of one side reached into the range of the other.
fn change(old: Spread, new: Spread) -> Option<String> {
    let ratio = ratio(new.median, old.median)?;
    let counts = old.is_apart_from(new) && (ratio - 1.0).abs() >= SMALLEST;
    counts.then(|| format::times(ratio))
}

#[cfg(test)]
mod tests {
    use super::super::model::{Group, Run};
    use super::super::samples;
    use super::*;

    fn report(walls: &[f64]) -> Report {
        let mut report = samples::report(&[(
            "http2",
            "facade-h2",
            Group::Ours,
            samples::run(1_000, walls[0]),
        )]);
        let runs: Vec<Run> = walls
            .iter()
            .map(|wall| samples::run(1_000, *wall))
            .collect();
        report.workloads[0].cells[0].runs = runs;
        report
    }

    #[test]
    fn only_what_lies_beyond_both_ranges_is_a_change() {
        let before = report(&[1.0, 1.2]);
        let better = compare(&before, &report(&[0.5, 0.6]));
        assert!(
            better.contains("better: http2, facade-h2: 2.00 times the throughput"),
            "{better}"
        );
        assert!(better.contains("0.50 times the CPU time"), "{better}");
        let worse = compare(&before, &report(&[2.0, 2.4]));
        assert!(
            worse.contains("WORSE: http2, facade-h2: 0.50 times the throughput"),
            "{worse}"
        );
        let close = compare(&report(&[1.0, 1.001]), &report(&[1.01, 1.011]));
        assert!(close.contains("no change beyond"), "{close}");
        let single = compare(&report(&[1.0]), &report(&[9.0]));
        assert!(single.contains("single runs: 1 cells"), "{single}");
        assert!(!single.contains("WORSE"), "{single}");
        let same = compare(&before, &report(&[1.1, 9.0]));
        assert!(
            same.contains("no change beyond the ranges, in 1 cells"),
            "{same}"
        );
    }

    #[test]
    fn a_report_survives_the_file() {
        let report = report(&[1.0, 0.333_333_333_333]);
        let text = serde_json::to_string_pretty(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let error = read(Path::new("no/such/file.json")).unwrap_err();
        assert!(error.output.contains("no/such/file.json"));
    }
}
