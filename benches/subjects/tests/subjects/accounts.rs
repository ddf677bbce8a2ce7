//! What the programs print besides successes: errors, costs, settings, and refusals.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use pr_testkit::{Server, TestCa, closed_port};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Case, list, program};

#[test]
fn the_list_says_what_each_subject_is() {
    for subject in list() {
        let group = subject.group.as_str();
        assert!(["ours", "floor", "rival"].contains(&group), "{group}");
        assert!(!subject.what.is_empty());
        assert!(!subject.settings.is_empty());
        assert!(subject.workloads.contains(&"small".to_owned()));
    }
}

#[test]
fn a_status_other_than_200_is_a_failure() {
    let server = Server::start();
    for subject in list() {
        let ran = Case::new(&subject.name, "small")
            .url(&server, "/status/404")
            .requests(20)
            .run();
        assert_eq!((ran.report.succeeded, ran.report.failed), (0, 20));
        assert_eq!(ran.report.body_bytes, 0);
        let error = ran.report.first_error.unwrap();
        assert!(error.contains("404"), "{}: {error}", subject.name);
        assert_eq!(ran.report.p50_us, None, "failures have no latency");
    }
}

#[test]
fn another_protocol_than_the_one_asked_for_is_a_failure() {
    let server = Server::builder()
        .tls(TestCa::shared().localhost())
        .http1_only()
        .start();
    for name in ["hyper-util", "reqwest", "backend-h2", "facade-h2"] {
        let case = |protocol| {
            Case::new(name, "cold")
                .url(&server, "/bytes/10")
                .option("--protocol", protocol)
                .concurrency(1)
                .run()
                .report
        };
        assert_eq!(case("h1").succeeded, 1, "{name}");
        assert_eq!(case("h2").failed, 1, "{name}");
    }
}

#[test]
fn a_subject_without_the_protocol_measures_nothing() {
    let server = Server::start();
    for (name, other) in [
        ("raw-h2", "h1"),
        ("hyper-conn-http1", "h2"),
        ("ureq", "h2"),
        ("backend-hyper", "h2"),
        ("backend-blocking", "h2"),
        ("facade-hyper", "h2"),
        ("facade-blocking", "h2"),
    ] {
        let output = Case::new(name, "small")
            .url(&server, "/bytes/10")
            .option("--protocol", other)
            .output();
        assert!(!output.status.success(), "{name}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains("speaks"), "{name}: {message}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_warm_up_that_fails_measures_nothing() {
    let closed = closed_port().unwrap();
    for name in ["reqwest", "ureq", "facade-h2"] {
        let output = Case::new(name, "small")
            .option("--url", &closed.url("/"))
            .warm_up(5)
            .output();
        assert!(!output.status.success(), "{name}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(
            message.contains("5 of 5 requests failed in the warm-up"),
            "{message}"
        );
    }
}

#[test]
fn latencies_are_those_of_the_server() {
    let server = Server::start();
    for name in ["raw-h2", "ureq", "facade-h2"] {
        let report = Case::new(name, "latency")
            .url(&server, "/delay/0.05")
            .requests(20)
            .concurrency(20)
            .run()
            .report;
        let (p50, p99) = (report.p50_us.unwrap(), report.p99_us.unwrap());
        // Two digits of precision are kept.
        assert!(p50 >= 49_000.0, "{name}: {p50} microseconds");
        assert!(p99 >= p50);
        assert!(report.wall_s >= 0.05);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn time_and_memory_are_accounted_for() {
    let server = Server::start();
    let report = Case::new("reqwest", "small")
        .url(&server, "/bytes/1024")
        .requests(500)
        .run()
        .report;
    assert!(report.user_s + report.system_s > 0.0);
    assert!(report.user_s + report.system_s < 60.0);
    assert!(report.rss_idle_bytes > 1 << 20);
    assert!(report.rss_peak_bytes >= report.rss_idle_bytes);
}

#[test]
fn the_server_serves_until_its_input_ends() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_bench-server"))
        .args(["serve", "--protocol", "both", "--tls", "--origins", "2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["ready"], true);
    let urls = ready["urls"].as_array().unwrap();
    assert_eq!(urls.len(), 2);
    let ca = ready["ca"].as_str().unwrap();

    let mut args = vec!["run", "facade-h2", "--workload", "origins", "--ca", ca];
    let urls: Vec<String> = urls
        .iter()
        .map(|url| format!("{}/bytes/1024", url.as_str().unwrap()))
        .collect();
    for url in &urls {
        args.extend(["--url", url]);
    }
    args.extend(["--requests", "10", "--concurrency", "2"]);
    let done = program(&args);
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(report["succeeded"], 10, "{report}");

    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
    assert!(!std::fs::exists(ca).unwrap(), "nothing is left behind");
}

#[test]
fn certificates_are_written_for_other_servers() {
    let directory = TempDir::new().unwrap();
    let place = directory.path().join("certificates");
    let done = Command::new(env!("CARGO_BIN_EXE_bench-server"))
        .arg("certificates")
        .arg(&place)
        .status()
        .unwrap();
    assert!(done.success());
    for (file, holds) in [
        ("ca.pem", "BEGIN CERTIFICATE"),
        ("cert.pem", "BEGIN CERTIFICATE"),
        ("key.pem", "BEGIN PRIVATE KEY"),
    ] {
        let text = std::fs::read_to_string(place.join(file)).unwrap();
        assert!(text.contains(holds), "{file}");
    }
}
