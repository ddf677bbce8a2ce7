//! What makes a claim met, missed or not measured.

use super::super::model::{Group, Run};
use super::super::samples;
use super::*;

fn verdict(report: &Report, claim: &str) -> (Verdict, Option<String>) {
    let bars = evaluate(report);
    let bar = bars
        .iter()
        .find(|bar| bar.bar.contains(claim))
        .unwrap_or_else(|| panic!("no claim reads {claim}"));
    (bar.verdict, bar.figure.clone())
}

#[test]
fn a_claim_holds_up_to_its_limit() {
    for (seconds, expected) in [(1.0, Verdict::Met), (1.01, Verdict::Missed)] {
        let report = samples::report(&[
            (
                "http2",
                "facade-h2",
                Group::Ours,
                samples::run(300, seconds),
            ),
            ("http2", "reqwest", Group::Rival, samples::run(100, 1.0)),
        ]);
        let claim = "at least 3 times the throughput of reqwest";
        assert_eq!(verdict(&report, claim).0, expected, "{seconds}");
    }
}

#[test]
fn what_was_not_run_is_not_measured() {
    let report = samples::report(&[("http2", "facade-h2", Group::Ours, samples::run(300, 1.0))]);
    let unmeasured = (Verdict::NotMeasured, None);
    assert_eq!(verdict(&report, "throughput of reqwest"), unmeasured);
    assert_eq!(verdict(&report, "throughput of niquests"), unmeasured);
}

#[test]
fn failed_requests_never_meet_a_claim() {
    let failing = Run {
        failed: 1,
        ..samples::run(900, 1.0)
    };
    let fine = samples::run(100, 1.0);
    let claim = "3 times the throughput of reqwest";
    let ours = samples::report(&[
        ("http2", "facade-h2", Group::Ours, failing.clone()),
        ("http2", "reqwest", Group::Rival, fine.clone()),
    ]);
    assert_eq!(verdict(&ours, claim).0, Verdict::Missed);
    let theirs = samples::report(&[
        ("http2", "facade-h2", Group::Ours, fine),
        ("http2", "reqwest", Group::Rival, failing),
    ]);
    assert_eq!(verdict(&theirs, claim).0, Verdict::NotMeasured);
}

#[test]
fn time_is_held_against_the_ideal_and_memory_against_idle() {
    let slow = Run {
        wall_s: 0.6,
        rss_idle_bytes: 10 << 20,
        rss_peak_bytes: 30 << 20,
        ..samples::run(10_000, 1.0)
    };
    let report = samples::report(&[
        ("latency", "facade-h2", Group::Ours, slow.clone()),
        ("million", "facade-h2", Group::Ours, slow),
    ]);
    let ideal = verdict(&report, "1.05 times the ideal");
    assert_eq!(ideal, (Verdict::Missed, Some("1.20 times".to_owned())));
    let memory = verdict(&report, "32 MiB above idle");
    assert_eq!(memory, (Verdict::Met, Some("20.0 MiB".to_owned())));
}

#[test]
fn every_claim_is_about_cells_of_the_plan() {
    for bar in BARS {
        let workload = super::super::plan::WORKLOADS
            .iter()
            .find(|workload| workload.name == bar.workload)
            .unwrap_or_else(|| panic!("there is no workload {}", bar.workload));
        let mut subjects = vec![bar.subject];
        if let Figure::Throughput(other) | Figure::Bandwidth(other) | Figure::Cpu(other) =
            bar.figure
        {
            subjects.push(other);
        }
        for subject in subjects {
            assert!(
                workload.subjects.iter().any(|s| s.name == subject),
                "{}: {subject}",
                bar.workload
            );
        }
    }
}
