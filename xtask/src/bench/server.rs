//! The server of a workload: which program, how it is started, and that it ends with the comparison.

mod commands;
mod listening;

use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::cores::Cores;
use super::plan::{DELAY, LARGE, Protocol, SMALL, Target, Workload};
use super::scene::Scene;
use super::tools;

/// What `--server` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// nghttpd for HTTP/2 and nginx for HTTP/1.1 where they are installed, else the test server
    Auto,
    /// The test server of this project, for everything
    Testkit,
    /// nginx, but for what only the test server can: delays, uploads, many origins
    Nginx,
    /// nghttpd for HTTP/2; for the rest as with `auto`
    Nghttpd,
}

/// A server program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Testkit,
    Nginx,
    Nghttpd,
}

impl Choice {
    /// The server for a workload. `installed` says whether a program is.
    pub(crate) fn kind(self, workload: &Workload, installed: impl Fn(Kind) -> bool) -> Kind {
        let only_ours = !matches!(workload.target, Target::Small | Target::Large);
        let wanted = match (self, workload.protocol) {
            (Self::Testkit, _) => Kind::Testkit,
            (Self::Nginx, _) | (Self::Auto | Self::Nghttpd, Protocol::H1) => Kind::Nginx,
            (Self::Auto | Self::Nghttpd, Protocol::H2) => Kind::Nghttpd,
        };
        if only_ours || !installed(wanted) {
            Kind::Testkit
        } else {
            wanted
        }
    }

    /// The program that somebody asked for by name.
    pub(crate) fn named(self) -> Option<Kind> {
        match self {
            Self::Auto | Self::Testkit => None,
            Self::Nginx => Some(Kind::Nginx),
            Self::Nghttpd => Some(Kind::Nghttpd),
        }
    }
}

impl Kind {
    /// Whether it can be started here.
    pub(crate) fn is_installed(self) -> bool {
        self == Self::Testkit || tools::find(self.program()).is_some()
    }

    fn program(self) -> &'static str {
        match self {
            Self::Testkit => "bench-server",
            Self::Nginx => "nginx",
            Self::Nghttpd => "nghttpd",
        }
    }

    /// Its name for people, with its version.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Testkit => "the test server (pr-testkit)".to_owned(),
            _ => match tools::version(self.program()) {
                Some(version) => format!("{} {version}", self.program()),
                None => self.program().to_owned(),
            },
        }
    }
}

/// A server that listens. It ends when this is dropped.
pub(crate) struct Server {
    kind: Kind,
    bases: Vec<String>,
    /// The authority that signed its certificate.
    pub(crate) ca: Option<PathBuf>,
    _running: Running,
}

/// How often a start is tried: between the moment in which a port is found free and that in which
/// the server takes it, somebody else may have.
const ATTEMPTS: usize = 5;

impl Server {
    /// Starts a server for a workload and waits until it listens.
    ///
    /// # Errors
    ///
    /// If it does not, with what it said.
    pub(crate) fn start(
        kind: Kind,
        workload: &Workload,
        cores: &Cores,
        scene: &Scene,
    ) -> Result<Self, String> {
        let mut reason = String::new();
        for _ in 0..ATTEMPTS {
            match Self::attempt(kind, workload, cores, scene) {
                Ok(server) => return Ok(server),
                Err(error) => reason = error,
            }
        }
        Err(format!("{} does not start: {reason}", kind.program()))
    }

    /// Where the requests of a workload go.
    pub(crate) fn urls(&self, target: Target) -> Vec<String> {
        let path = match (target, self.kind) {
            (Target::Delayed, _) => format!("/delay/{DELAY}"),
            (Target::Upload, _) => "/upload".to_owned(),
            (Target::Large, Kind::Testkit) => format!("/bytes/{LARGE}"),
            (Target::Large, _) => "/large".to_owned(),
            (_, Kind::Testkit) => format!("/bytes/{SMALL}"),
            (_, _) => "/small".to_owned(),
        };
        let url = |base: &String| format!("{base}{path}");
        self.bases.iter().map(url).collect()
    }

    fn attempt(
        kind: Kind,
        workload: &Workload,
        cores: &Cores,
        scene: &Scene,
    ) -> Result<Self, String> {
        let log = scene.directory.join("server.log");
        let failed = |error: std::io::Error| error.to_string();
        let (mut command, port) = match kind {
            Kind::Testkit => (commands::testkit(workload, cores, scene), None),
            Kind::Nginx | Kind::Nghttpd => {
                let port = listening::free_port().map_err(failed)?;
                let command = match kind {
                    Kind::Nginx => commands::nginx(port, workload, cores, scene).map_err(failed)?,
                    _ => commands::nghttpd(port, workload, cores, scene),
                };
                (command, Some(port))
            }
        };
        // Only the test server prints something that is read; a pipe that nobody reads gets full.
        let stdout = port.map_or_else(Stdio::piped, |_| Stdio::null());
        command
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(File::create(&log).map_err(failed)?);
        let mut running = Running(command.spawn().map_err(failed)?);
        let ready = match port {
            Some(port) => listening::at_port(&mut running.0, port).map(|()| {
                let scheme = if workload.tls { "https" } else { "http" };
                let ca = workload.tls.then(|| scene.certificates().join("ca.pem"));
                (vec![format!("{scheme}://127.0.0.1:{port}")], ca)
            }),
            None => listening::as_it_says(&mut running.0),
        };
        match ready {
            Ok((bases, ca)) => Ok(Self {
                kind,
                bases,
                ca,
                _running: running,
            }),
            Err(error) => {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let said = said.trim();
                Err(format!(
                    "{error}{}{said}",
                    if said.is_empty() { "" } else { ": " }
                ))
            }
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("kind", &self.kind)
            .field("bases", &self.bases)
            .finish_non_exhaustive()
    }
}

/// A child that does not outlive this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // The test server ends when its input does, and then removes its own files.
        drop(self.0.stdin.take());
        let until = Instant::now() + Duration::from_millis(300);
        while Instant::now() < until {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        // It has ended already, or it ends now; there is nothing else to be done about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::WORKLOADS;

    fn kinds(choice: Choice, installed: &[Kind]) -> Vec<(&'static str, Kind)> {
        let has = |kind: Kind| kind == Kind::Testkit || installed.contains(&kind);
        let kind = |workload: &Workload| (workload.name, choice.kind(workload, has));
        WORKLOADS.iter().map(kind).collect()
    }

    #[test]
    fn what_is_installed_is_taken_and_else_the_test_server() {
        let all = kinds(Choice::Auto, &[Kind::Nginx, Kind::Nghttpd]);
        for expected in [
            ("http2", Kind::Nghttpd),
            ("http1", Kind::Nginx),
            ("download", Kind::Nginx),
            ("latency", Kind::Testkit),
            ("upload", Kind::Testkit),
            ("origins", Kind::Testkit),
        ] {
            assert!(all.contains(&expected), "{expected:?}");
        }
        let none = kinds(Choice::Auto, &[]);
        assert!(none.iter().all(|(_, kind)| *kind == Kind::Testkit));
    }

    #[test]
    fn a_server_that_was_asked_for_does_all_that_it_can() {
        let nginx = kinds(Choice::Nginx, &[Kind::Nginx, Kind::Nghttpd]);
        assert!(nginx.contains(&("http2", Kind::Nginx)));
        assert!(nginx.contains(&("latency", Kind::Testkit)));
        let nghttpd = kinds(Choice::Nghttpd, &[Kind::Nginx, Kind::Nghttpd]);
        assert!(nghttpd.contains(&("http1", Kind::Nginx)));
        let ours = kinds(Choice::Testkit, &[Kind::Nginx, Kind::Nghttpd]);
        assert!(ours.iter().all(|(_, kind)| *kind == Kind::Testkit));
    }

    #[cfg(unix)]
    #[test]
    fn a_server_that_ignores_the_end_of_its_input_is_killed() {
        let mut command = std::process::Command::new("sleep");
        command.arg("60").stdin(Stdio::piped());
        let running = Running(command.spawn().unwrap());
        let started = Instant::now();
        drop(running);
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
