//! What a comparison needs on the disk: the documents that servers serve, certificates, and the two
//! programs of `benches/subjects`. It lies below cargo's target directory and is removed at the end.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::plan::{LARGE, SMALL};
use super::process;
use crate::report::Failure;
use crate::shell::Shell;

/// The files of one comparison.
pub(crate) struct Scene {
    /// A directory of this process alone.
    pub(crate) directory: PathBuf,
    /// `bench-subject`.
    pub(crate) subject: PathBuf,
    /// `bench-server`.
    pub(crate) server: PathBuf,
}

impl Scene {
    /// Builds the subjects and writes the files.
    ///
    /// # Errors
    ///
    /// If the subjects do not build or the disk is full.
    pub(crate) fn set(root: &Path) -> Result<Self, Failure> {
        let (subject, server) = build(root)?;
        let parent = target_directory(root).join("bench");
        remove_orphans(&parent);
        let directory = parent.join(std::process::id().to_string());
        let scene = Self {
            directory,
            subject,
            server,
        };
        scene.write().map_err(|error| {
            let directory = scene.directory.display();
            Failure::new(format!("{directory}: {error}"), "cargo xtask bench")
        })?;
        scene.certify()?;
        Ok(scene)
    }

    /// The documents.
    pub(crate) fn documents(&self) -> PathBuf {
        self.directory.join("documents")
    }

    /// The certificates: `ca.pem`, `cert.pem` and `key.pem`.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.directory.join("certificates")
    }

    fn write(&self) -> std::io::Result<()> {
        let documents = self.documents();
        fs::create_dir_all(&documents)?;
        fs::create_dir_all(self.certificates())?;
        fs::write(documents.join("small"), vec![b'x'; SMALL])?;
        // One hole: as long as any other file, and no room on the disk.
        File::create(documents.join("large"))?.set_len(LARGE)
    }

    fn certify(&self) -> Result<(), Failure> {
        let mut command = Command::new(&self.server);
        command.arg("certificates").arg(self.certificates());
        process::run(command)
            .and_then(|ended| ended.output().map(drop))
            .map_err(|error| Failure::new(error, "bench-server certificates DIR"))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Nothing depends on it any more, and it lies where `cargo clean` looks.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Removes what comparisons left behind that were interrupted. Each directory is named after its
/// process, so that those still running are left alone; without `/proc` nobody can tell.
fn remove_orphans(parent: &Path) {
    let processes = Path::new("/proc");
    if !processes.join("self").exists() {
        return;
    }
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries {
        if !processes.join(entry.file_name()).exists() {
            // Left where it is, it costs a few kilobytes.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory(root: &Path) -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root.join(directory),
        None => root.join("target"),
    }
}

/// Builds `bench-subject` and `bench-server`, and says where they are.
fn build(root: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    eprintln!("building the subjects; the first time that takes some minutes");
    let shell = Shell::cargo(
        "build --locked --release --package pr-bench-subjects --message-format \
         json-render-diagnostics",
    );
    let messages = shell.read(root)?;
    let program = |name: &str| {
        executable(&messages, name).ok_or_else(|| {
            Failure::new(
                format!("cargo built no program named {name}"),
                shell.typed(),
            )
        })
    };
    Ok((program("bench-subject")?, program("bench-server")?))
}

/// The path of a program among cargo's messages.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"h2"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"bench-server"},"executable":"/t/s"}"#,
            "\n{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        let found = executable(messages, "bench-server");
        assert_eq!(found, Some(PathBuf::from("/t/s")));
        assert_eq!(executable(messages, "h2"), None);
        assert_eq!(executable(messages, "bench-subject"), None);
    }
}
