//! The Python clients: a virtual environment with their libraries, and one small program for each,
//! which prints the line that `bench-subject` prints.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cores::Cores;
use super::model::Run;
use super::plan::{Protocol, Workload};
use super::process;
use super::scene::Scene;
use super::subjects;

/// A client: the library that it needs, its program, and its settings in words.
struct Client {
    library: &'static str,
    source: &'static str,
    settings: &'static str,
}

const CLIENTS: &[Client] = &[
    Client {
        library: "niquests",
        source: include_str!("python/client_niquests.py"),
        settings: "one AsyncSession, HTTP/2 by ALPN or prior knowledge, as many tasks as requests \
                   in flight",
    },
    Client {
        library: "fastreq",
        source: include_str!("python/client_fastreq.py"),
        settings: "one FastRequests with its default transport (niquests), concurrency as given, \
                   return_type response, no retries, no rate limit, one user agent",
    },
    Client {
        library: "aiohttp",
        source: include_str!("python/client_aiohttp.py"),
        settings: "one ClientSession, connector limit and number of tasks as requests in flight",
    },
    Client {
        library: "requests",
        source: include_str!("python/client_requests.py"),
        settings: "one Session, as many threads and pooled connections as requests in flight",
    },
];

/// What all of them share.
const COMMON: &str = include_str!("python/common.py");

/// A virtual environment with what could be installed.
pub(crate) struct Environment {
    python: PathBuf,
    scripts: PathBuf,
    /// The version of each library that is there.
    pub(crate) versions: BTreeMap<String, String>,
    /// Why a library is not there.
    pub(crate) missing: BTreeMap<String, String>,
}

impl Environment {
    /// Makes the environment below the target directory, or takes the one of last time.
    ///
    /// # Errors
    ///
    /// If there is no Python, or none that can make environments.
    pub(crate) fn make(target: &Path, scene: &Scene) -> Result<Self, String> {
        if cfg!(windows) {
            return Err("they ask Unix what they have used".to_owned());
        }
        let directory = target.join("bench-python");
        let python = directory.join("bin").join("python");
        if !python.is_file() {
            eprintln!("making a virtual environment for Python");
            let mut command = Command::new("python3");
            command.args(["-m", "venv"]).arg(&directory);
            process::run(command)?.output()?;
        }
        let scripts = scene.directory.join("python");
        write(&scripts).map_err(|error| format!("{}: {error}", scripts.display()))?;
        let mut environment = Self {
            python,
            scripts,
            versions: BTreeMap::new(),
            missing: BTreeMap::new(),
        };
        for client in CLIENTS {
            environment.install(client.library);
        }
        Ok(environment)
    }

    /// Runs a client once.
    ///
    /// # Errors
    ///
    /// If it fails or does not print the line that it should.
    pub(crate) fn run(
        &self,
        library: &str,
        workload: &Workload,
        requests: u64,
        (url, ca): (&str, Option<&Path>),
        cores: &Cores,
    ) -> Result<Run, String> {
        let mut command = cores.client(&self.python.to_string_lossy());
        command.arg(self.scripts.join(script(library)));
        command.args(["--url", url, "--requests", &requests.to_string()]);
        command.args([
            "--warm-up",
            &workload.warm_up.min(requests / 10).to_string(),
        ]);
        command.args(["--concurrency", &workload.concurrency.to_string()]);
        let protocol = match workload.protocol {
            Protocol::H1 => "h1",
            Protocol::H2 => "h2",
        };
        command.args(["--protocol", protocol]);
        if let Some(ca) = ca {
            command.arg("--ca").arg(ca);
        }
        subjects::parse(&process::run(command)?)
    }

    fn install(&mut self, library: &str) {
        let installed = self.version(library).or_else(|_| {
            eprintln!("installing {library}");
            let mut command = Command::new(&self.python);
            let pip = [
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ];
            command.args(pip).arg(library);
            process::run(command)?.output()?;
            self.version(library)
        });
        match installed {
            Ok(version) => drop(self.versions.insert(library.to_owned(), version)),
            Err(error) => {
                let why = format!("pip cannot install it: {error}");
                self.missing.insert(library.to_owned(), why);
            }
        }
    }

    fn version(&self, library: &str) -> Result<String, String> {
        let mut command = Command::new(&self.python);
        command.args([
            "-c",
            "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))",
        ]);
        command.arg(library);
        let ended = process::run(command)?;
        Ok(ended.output()?.trim().to_owned())
    }
}

/// The settings of a client in words.
pub(crate) fn settings(library: &str) -> &'static str {
    let client = CLIENTS.iter().find(|client| client.library == library);
    client.map_or("", |client| client.settings)
}

fn write(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("common.py"), COMMON)?;
    for client in CLIENTS {
        fs::write(directory.join(script(client.library)), client.source)?;
    }
    Ok(())
}

/// A name that does not hide the library from its own client.
fn script(library: &str) -> String {
    format!("client_{library}.py")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::{Program, WORKLOADS};

    #[test]
    fn every_python_subject_of_the_plan_has_a_client() {
        let subjects = WORKLOADS.iter().flat_map(|workload| workload.subjects);
        for subject in subjects {
            if let Program::Python(library) = subject.program {
                assert!(CLIENTS.iter().any(|client| client.library == library));
                assert_ne!(settings(library), "");
            }
        }
    }
}
