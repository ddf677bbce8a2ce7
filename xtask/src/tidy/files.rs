//! Which files the rules look at: everything a person wrote, whether committed yet or not.

use std::fs;
use std::path::PathBuf;

use crate::report::Failure;
use crate::workspace::Workspace;

/// Directories that hold what programs wrote.
const SKIPPED: &[&str] = &[".git", "node_modules", "target"];

/// Every file below the root, sorted.
///
/// # Errors
///
/// If a directory cannot be read.
pub(crate) fn all(workspace: &Workspace) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let mut directories = vec![workspace.root.clone()];
    while let Some(directory) = directories.pop() {
        let failed = |error: std::io::Error| {
            Failure::new(
                format!("{}: {error}", directory.display()),
                "cargo xtask tidy",
            )
        };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() && !SKIPPED.iter().any(|name| entry.file_name() == *name) {
                directories.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}
