//! The result on the terminal.

use std::fmt::Write as _;

use super::format::{self, NONE, Unit};
use super::model::{Cell, LeftOut, Measure, Report, WorkloadReport};

/// A whole report as text.
pub(crate) fn report(report: &Report) -> String {
    let mut text = format!("{}\n", report.machine.line());
    if let Some(warning) = report.machine.warning() {
        let _ = writeln!(text, "{warning}");
    }
    for workload in &report.workloads {
        text.push('\n');
        text.push_str(&one(workload));
    }
    if !report.left_out.is_empty() {
        text.push_str("\nLeft out\n");
        for LeftOut { subject, why } in &report.left_out {
            let _ = writeln!(text, "  {subject}: {why}");
        }
    }
    text.push_str("\nBars\n");
    let rows = report.bars.iter().map(|bar| {
        let figure = bar.figure.clone().unwrap_or_else(|| NONE.to_owned());
        vec![
            bar.name.clone(),
            bar.bar.clone(),
            figure,
            bar.verdict.word().to_owned(),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    text.push_str(&align(&["bar", "claim", "measured", ""], &rows, &[2]));
    text
}

fn one(workload: &WorkloadReport) -> String {
    let (title, server, cores) = (&workload.title, &workload.server, &workload.cores);
    let mut text = format!("{title} ({})\n  {server}; {cores}\n", workload.name);
    let headings = headings(workload);
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = workload
        .cells
        .iter()
        .map(|cell| row(workload, cell))
        .collect();
    text.push_str(&align(&headings, &rows, &[1, 2, 3, 4, 5]));
    for cell in &workload.cells {
        if let Some(problem) = cell.problem() {
            let _ = writeln!(text, "  FAILED: {}: {problem}", cell.subject);
        }
    }
    text
}

/// The headings of a workload's table.
pub(crate) fn headings(workload: &WorkloadReport) -> [String; 6] {
    [
        "subject".to_owned(),
        Unit::of(workload).heading.to_owned(),
        "range".to_owned(),
        Unit::cpu(workload).heading.to_owned(),
        if workload.measure == Measure::Memory {
            "requests/s".to_owned()
        } else {
            "memory above idle".to_owned()
        },
        format!("vs {}", workload.reference),
    ]
}

/// A subject's row in that table.
pub(crate) fn row(workload: &WorkloadReport, cell: &Cell) -> Vec<String> {
    let unit = Unit::of(workload);
    let none = || NONE.to_owned();
    let headline = workload.headline(cell);
    let cpu = cell.cpu_us_per_request();
    // The column would repeat the headline where that is the memory already.
    let other = if workload.measure == Measure::Memory {
        let speed = cell.requests_per_second();
        speed.map(|spread| format::thousands(spread.median, 0))
    } else {
        cell.memory().map(|spread| format::mebibytes(spread.median))
    };
    vec![
        cell.subject.clone(),
        headline.map_or_else(none, |spread| unit.tell(spread.median)),
        headline.map_or_else(none, |spread| unit.range(spread)),
        cpu.map_or_else(none, |spread| Unit::cpu(workload).tell(spread.median)),
        other.unwrap_or_else(none),
        workload.ratio(cell).map_or_else(none, format::factor),
    ]
}

/// Columns of equal width, those in `right` set to the right.
fn align(headings: &[&str], rows: &[Vec<String>], right: &[usize]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(headings[column].chars().count())
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    let mut line = |cells: Vec<&str>| {
        let mut line = String::new();
        for (column, cell) in cells.into_iter().enumerate() {
            let width = widths[column];
            let _ = if right.contains(&column) {
                write!(line, "  {cell:>width$}")
            } else {
                write!(line, "  {cell:<width$}")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line(headings.to_vec());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::model::{Group, Run};
    use super::super::samples;
    use super::*;

    #[test]
    fn a_table_shows_medians_ranges_and_ratios() {
        let text = report(&samples::report(&[
            ("http2", "facade-h2", Group::Ours, samples::run(3_000, 0.1)),
            ("http2", "reqwest", Group::Rival, samples::run(1_000, 0.1)),
        ]));
        let ours = text
            .lines()
            .find(|line| line.contains("facade-h2 "))
            .unwrap();
        for expected in ["30,000", "30,000..30,000", "3.00x", "10.0 MiB"] {
            assert!(ours.contains(expected), "{ours}");
        }
        assert!(text.contains("not measured"), "{text}");
    }

    #[test]
    fn failed_requests_are_loud() {
        let failing = Run {
            failed: 2,
            first_error: Some("a reset".to_owned()),
            ..samples::run(10, 0.1)
        };
        let text = report(&samples::report(&[(
            "http2",
            "facade-h2",
            Group::Ours,
            failing,
        )]));
        assert!(
            text.contains("FAILED: facade-h2: 2 of 10 requests failed"),
            "{text}"
        );
        assert!(text.contains("a reset"), "{text}");
    }
}
