//! Reports for tests, with figures that are easy to calculate with.

use super::bars;
use super::machine::Machine;
use super::model::{Cell, Group, Report, Run, SCHEMA, WorkloadReport};
use super::plan::WORKLOADS;

/// A run in which everything succeeded.
pub(crate) fn run(requests: u64, wall_s: f64) -> Run {
    Run {
        requests,
        succeeded: requests,
        body_bytes: requests * 1024,
        wall_s,
        user_s: wall_s / 2.0,
        system_s: wall_s / 4.0,
        rss_idle_bytes: 10 << 20,
        rss_peak_bytes: 20 << 20,
        ..Run::default()
    }
}

/// A report with a single run for each of these workloads and subjects.
pub(crate) fn report(cells: &[(&str, &str, Group, Run)]) -> Report {
    let mut workloads: Vec<WorkloadReport> = Vec::new();
    for (workload, subject, group, run) in cells {
        let planned = WORKLOADS.iter().find(|w| w.name == *workload).unwrap();
        let cell = Cell {
            subject: (*subject).to_owned(),
            group: *group,
            settings: format!("the settings of {subject}"),
            runs: vec![run.clone()],
            broken: None,
        };
        match workloads.iter_mut().find(|w| w.name == *workload) {
            Some(known) => known.cells.push(cell),
            None => workloads.push(WorkloadReport {
                name: planned.name.to_owned(),
                title: planned.title.to_owned(),
                what: planned.what.to_owned(),
                server: "nghttpd 1.52.0".to_owned(),
                cores: "server on core 1, client on core 0".to_owned(),
                concurrency: planned.concurrency,
                measure: planned.measure,
                reference: planned.reference.to_owned(),
                cells: vec![cell],
            }),
        }
    }
    let mut report = Report {
        schema: SCHEMA,
        started: "2026-01-02T03:04:05Z".to_owned(),
        quick: false,
        rounds: 1,
        machine: Machine::default(),
        workloads,
        left_out: Vec::new(),
        bars: Vec::new(),
    };
    report.bars = bars::evaluate(&report);
    report
}
