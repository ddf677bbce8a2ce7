//! Runs the binary and reads what it says, with an end to every wait.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use pr_testkit::{Latch, Server};
use serde_json::Value;

/// Longer than anything here takes on a slow machine; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The binary with these arguments.
pub(crate) fn preq<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preq"));
    command
        .args(args.into_iter().map(|arg| arg.as_ref().to_owned()))
        .env_remove("RUST_LOG")
        .env_remove("CARGO")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the binary with these arguments to its end.
pub(crate) fn run<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Finished {
    Running::start(&mut preq(args)).finish()
}

/// As [`run`], with this text on standard input.
pub(crate) fn run_with_input<S: AsRef<str>>(
    args: impl IntoIterator<Item = S>,
    input: &str,
) -> Finished {
    let mut running = Running::start(preq(args).stdin(Stdio::piped()));
    let mut stdin = running.stdin();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    running.finish()
}

/// A binary at work. Its output is read as it comes.
pub(crate) struct Running {
    child: Child,
    stdout: Option<Receiver<String>>,
    stderr: JoinHandle<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut running = Self::start_unread(command);
        let stdout = BufReader::new(running.child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        running.stdout = Some(lines);
        running
    }

    /// Leaves standard output to itself, and with it whoever writes there once the pipe is full.
    pub(crate) fn start_unread(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        Self {
            child,
            stdout: None,
            stderr: thread::spawn(move || {
                let mut text = String::new();
                stderr.read_to_string(&mut text).unwrap();
                text
            }),
        }
    }

    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// The next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        let lines = self.stdout.as_ref().unwrap();
        lines.recv_timeout(PATIENCE).expect("a line of output")
    }

    /// Closes standard output after its first line, as `head -1` does.
    pub(crate) fn take_one_line(&mut self) -> String {
        let mut stdout = BufReader::new(self.child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        line
    }

    /// Presses Ctrl-C.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        let status = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Ends it as rudely as can be, and waits until it has gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // What it has said is not wanted.
        self.stderr.join().unwrap();
    }

    /// The most memory that it has held so far, while it runs.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Finished {
        let patience = Instant::now() + PATIENCE * 2;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            if Instant::now() > patience {
                self.child.kill().unwrap();
                panic!("it does not end; stderr: {}", self.stderr.join().unwrap());
            }
            thread::sleep(Duration::from_millis(2));
        };
        Finished {
            code,
            lines: self
                .stdout
                .map_or_else(Vec::new, |lines| lines.iter().collect()),
            stderr: self.stderr.join().unwrap(),
        }
    }
}

/// What a binary left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) lines: Vec<String>,
    pub(crate) stderr: String,
}

impl Finished {
    /// The lines as JSON, in the order of the output.
    pub(crate) fn outcomes(&self) -> Vec<Value> {
        self.lines.iter().map(|line| json(line)).collect()
    }

    /// The lines as JSON, in the order of the input.
    pub(crate) fn sorted(&self) -> Vec<Value> {
        let mut outcomes = self.outcomes();
        outcomes.sort_by_key(|outcome| outcome["index"].as_u64());
        outcomes
    }

    /// What the summary says under this label.
    pub(crate) fn summary(&self, label: &str) -> Option<&str> {
        let line = |line: &'_ &str| line.starts_with("  ") && line.trim_start().starts_with(label);
        let line = self.stderr.lines().find(line)?;
        Some(line.trim_start()[label.len()..].trim())
    }
}

pub(crate) fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// The keys of an object, in order as they stand in the line.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// `/slow` is answered when the latch is opened.
pub(crate) fn server_with_a_latch() -> (Server, Latch) {
    let latch = Latch::new();
    let opened = latch.clone();
    let server = Server::builder()
        .handle("/slow", move |_| {
            let opened = opened.clone();
            async move {
                let in_time = opened.wait(PATIENCE + Duration::from_secs(10)).await;
                assert!(in_time, "nobody has opened the latch");
                http::Response::default()
            }
        })
        .start();
    (server, latch)
}
