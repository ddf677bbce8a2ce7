//! A program that does one request over one backend: written to a temporary directory, built there
//! from nothing, and deleted.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::RERUN;
use crate::report::Failure;
use crate::shell::Shell;
use crate::workspace::Workspace;

/// The program's directory; dropping it deletes it.
pub(super) struct Program {
    directory: PathBuf,
    target: String,
}

/// What building it took and gave.
pub(super) struct Built {
    pub(super) time: Duration,
    /// The size of the stripped executable.
    pub(super) bytes: u64,
}

/// Without a runtime of its own, so that it has nothing but what the facade brings.
const MAIN: &str = r#"use parallel_requests::blocking::ParallelRequests;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("a URL, please")?;
    let response = ParallelRequests::new()?.get(url)?.error_for_status()?;
    println!("{}", response.text());
    Ok(())
}
"#;

impl Program {
    /// Writes the program that has the facade with this feature only.
    pub(super) fn new(feature: &str, workspace: &Workspace) -> Result<Self, Failure> {
        let name = format!("parallel-requests-sizes-{}-{feature}", process::id());
        let directory = env::temp_dir().join(name);
        let target = directory.join("target").to_string_lossy().into_owned();
        let program = Self { directory, target };
        program
            .write(feature, &workspace.root)
            .map_err(|error| program.failure(&error))?;
        // Downloading is not building.
        Shell::cargo("fetch").run(&program.directory)?;
        Ok(program)
    }

    /// How many crates are compiled into it for this platform, itself left out.
    pub(super) fn crates(&self) -> Result<usize, Failure> {
        let listing = Shell::cargo("tree -e normal --prefix none").read(&self.directory)?;
        Ok(count(&listing))
    }

    /// Builds it from nothing.
    pub(super) fn build(&self) -> Result<Built, Failure> {
        let command = Shell::cargo("build --release --message-format json")
            .env("CARGO_TARGET_DIR", &self.target)
            // A compiler cache would make the build anything but cold.
            .env("RUSTC_WRAPPER", "");
        let started = Instant::now();
        let messages = command.read(&self.directory)?;
        let time = started.elapsed();
        let executable = executable(&messages)
            .ok_or_else(|| Failure::new("cargo names no executable", command.typed()))?;
        let bytes = fs::metadata(executable)
            .map_err(|error| self.failure(&error))?
            .len();
        Ok(Built { time, bytes })
    }

    fn write(&self, feature: &str, root: &Path) -> io::Result<()> {
        fs::create_dir_all(self.directory.join("src"))?;
        fs::write(self.directory.join("src/main.rs"), MAIN)?;
        fs::write(
            self.directory.join("Cargo.toml"),
            manifest(feature, &root.join("crates/parallel-requests")),
        )?;
        // The same versions as in the workspace; cargo drops those that are not needed here.
        fs::copy(root.join("Cargo.lock"), self.directory.join("Cargo.lock"))?;
        Ok(())
    }

    fn failure(&self, error: &io::Error) -> Failure {
        Failure::new(format!("{}: {error}", self.directory.display()), RERUN)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("{} is left behind: {error}", self.directory.display());
        }
    }
}

fn manifest(feature: &str, facade: &Path) -> String {
    // A string of JSON is a basic string of TOML too.
    let facade = Value::from(facade.to_string_lossy());
    format!(
        r#"[package]
name = "sizes"
version = "0.0.0"
edition = "2024"

[dependencies]
parallel-requests = {{ path = {facade}, default-features = false, features = ["{feature}"] }}

[profile.release]
strip = true

[workspace]
"#
    )
}

/// The packages of a listing whose first line is the program itself. One that several others need is
/// there as often, and its `(*)` says that its own dependencies were listed before.
fn count(listing: &str) -> usize {
    let packages: BTreeSet<&str> = listing
        .lines()
        .skip(1)
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    packages.len()
}

/// The program's path, from the messages of `cargo build`, one JSON document a line.
fn executable(messages: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_comes_more_than_once_counts_once() {
        let listing = "sizes v0.0.0 (/tmp/sizes)\nbytes v1.11.0\nhttp v1.5.0\nbytes v1.11.0\n\
                       http v1.5.0 (*)\nhttp v0.2.0\nserde_derive v1.0.0 (proc-macro)\n\n";
        assert_eq!(count(listing), 4);
    }

    #[test]
    fn the_executable_is_the_one_that_cargo_names() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
                        {\"reason\":\"compiler-artifact\",\"executable\":\"/t/release/sizes\"}\n\
                        {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(
            executable(messages),
            Some(PathBuf::from("/t/release/sizes"))
        );
        assert_eq!(executable("not json\n"), None);
    }

    #[test]
    fn a_path_is_quoted_in_the_manifest() {
        let manifest = manifest("h2", Path::new(r#"/a "b"\c"#));
        assert!(manifest.contains(r#"path = "/a \"b\"\\c""#), "{manifest}");
        assert!(manifest.contains(r#"features = ["h2"]"#), "{manifest}");
    }
}
