//! Runs the two programs and holds what they print against what servers saw.

use std::fs;
use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pr_testkit::{Server, TestCa};
use serde::Deserialize;
use tempfile::TempDir;

/// Longer than anything here takes on a slow machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A subject as `bench-subject list` shows it.
#[derive(Deserialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) what: String,
    pub(crate) settings: String,
    pub(crate) workloads: Vec<String>,
}

/// What `bench-subject run` prints.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) subject: String,
    pub(crate) workload: String,
    pub(crate) requests: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) body_bytes: u64,
    pub(crate) wall_s: f64,
    pub(crate) user_s: f64,
    pub(crate) system_s: f64,
    pub(crate) rss_idle_bytes: u64,
    pub(crate) rss_peak_bytes: u64,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) first_error: Option<String>,
}

pub(crate) fn list() -> Vec<Listed> {
    #[derive(Deserialize)]
    struct List {
        subjects: Vec<Listed>,
    }
    let output = program(&["list"]);
    assert!(output.status.success(), "{output:?}");
    let list: List = serde_json::from_slice(&output.stdout).unwrap();
    list.subjects
}

pub(crate) fn subject(name: &str) -> Listed {
    list().into_iter().find(|one| one.name == name).unwrap()
}

/// Runs `bench-subject` to its end, which a broken one may never come to.
pub(crate) fn program(args: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bench-subject"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (sender, read) = mpsc::channel();
    let reader = thread::spawn(move || {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        out.read_to_end(&mut stdout).unwrap();
        err.read_to_end(&mut stderr).unwrap();
        // Nobody listens any more if the patience has ended.
        let _ = sender.send((stdout, stderr));
    });
    let Ok((stdout, stderr)) = read.recv_timeout(PATIENCE) else {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("bench-subject {args:?} does not end");
    };
    reader.join().unwrap();
    Output {
        status: child.wait().unwrap(),
        stdout,
        stderr,
    }
}

/// One run, still to be made.
pub(crate) struct Case {
    subject: String,
    workload: String,
    args: Vec<String>,
    requests: u64,
    warm_up: u64,
    concurrency: u64,
    seen_before: u64,
    _ca: TempDir,
}

impl Case {
    /// It trusts the authority of the test servers.
    pub(crate) fn new(subject: &str, workload: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let ca = directory.path().join("ca.pem");
        fs::write(&ca, TestCa::shared().pem()).unwrap();
        let case = Self {
            subject: subject.to_owned(),
            workload: workload.to_owned(),
            args: Vec::new(),
            requests: 1,
            warm_up: 0,
            concurrency: 8,
            seen_before: 0,
            _ca: directory,
        };
        case.option("--ca", ca.to_str().unwrap())
    }

    pub(crate) fn url(mut self, server: &Server, path: &str) -> Self {
        self.seen_before += server.ledger().counts().requests_begun;
        let url = server.url(path);
        self.option("--url", &url)
    }

    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        self.args.extend([name.to_owned(), value.to_owned()]);
        self
    }

    pub(crate) fn requests(mut self, count: u64) -> Self {
        self.requests = count;
        self
    }

    pub(crate) fn warm_up(mut self, count: u64) -> Self {
        self.warm_up = count;
        self
    }

    pub(crate) fn concurrency(mut self, count: u64) -> Self {
        self.concurrency = count;
        self
    }

    /// The command's output, whatever its status.
    pub(crate) fn output(&self) -> Output {
        let numbers = [
            ("--requests", self.requests),
            ("--warm-up", self.warm_up),
            ("--concurrency", self.concurrency),
        ]
        .map(|(name, number)| [name.to_owned(), number.to_string()]);
        let mut args = vec!["run", &self.subject, "--workload", &self.workload];
        args.extend(numbers.iter().flatten().map(String::as_str));
        args.extend(self.args.iter().map(String::as_str));
        program(&args)
    }

    pub(crate) fn run(self) -> Ran {
        let output = self.output();
        assert!(
            output.status.success(),
            "{} {}: {output:?}",
            self.subject,
            self.workload
        );
        let report: Report = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report.subject, self.subject);
        assert_eq!(report.workload, self.workload);
        assert_eq!(report.requests, self.requests);
        assert_eq!(
            report.succeeded + report.failed,
            self.requests,
            "{report:?}"
        );
        assert!(report.wall_s > 0.0);
        Ran { case: self, report }
    }
}

/// One run that was made.
pub(crate) struct Ran {
    case: Case,
    pub(crate) report: Report,
}

impl Ran {
    /// Every request succeeded, and the servers saw as many as were asked for.
    pub(crate) fn succeeded(self, servers: &[&Server]) -> Self {
        let Report {
            succeeded,
            first_error,
            ..
        } = &self.report;
        assert_eq!(first_error.as_deref(), None, "{:?}", self.report);
        assert_eq!(*succeeded, self.case.requests);
        let seen: u64 = servers
            .iter()
            .map(|server| server.ledger().counts().requests_begun)
            .sum();
        assert_eq!(
            seen - self.case.seen_before,
            self.case.requests + self.case.warm_up,
            "{} {}: requests at the server",
            self.case.subject,
            self.case.workload
        );
        self
    }

    pub(crate) fn body_bytes(self, expected: u64) -> Self {
        assert_eq!(self.report.body_bytes, expected, "{:?}", self.report);
        self
    }
}
