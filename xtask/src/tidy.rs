//! `cargo xtask tidy`: the house rules that no compiler and no lint checks. Each rule is a function
//! from a file's text to findings, and each finding says what to do.

mod architecture;
pub(crate) mod code;
pub(crate) mod files;
mod manifests;
mod markdown;
mod sources;

use std::fs;
use std::path::Path;

use crate::report::{Failure, StepResult};
use crate::workspace::Workspace;

const RERUN: &str = "cargo xtask tidy";

/// Holds every file of the tree against the rules that are about its kind.
pub(crate) fn check(workspace: &Workspace) -> StepResult {
    let files = files::all(workspace)?;
    let mut findings = Vec::new();
    let mut names = architecture::Names::default();
    let mut documents = Vec::new();
    for file in &files {
        let name = workspace.relative(file);
        let extension = file.extension().and_then(|extension| extension.to_str());
        match extension {
            Some("rs") => {
                let text = read(file, &name)?;
                findings.extend(sources::check(&name, &text));
                names.learn(&text);
            }
            Some("md") => documents.push((name.clone(), read(file, &name)?)),
            Some("toml") if file.ends_with("Cargo.toml") => {
                findings.extend(manifests::check(&name, &read(file, &name)?));
            }
            _ => {}
        }
    }
    let paths: Vec<String> = files.iter().map(|file| workspace.relative(file)).collect();
    findings.extend(markdown::check(&documents, &paths));
    let crates: Vec<String> = workspace
        .members
        .iter()
        .map(|m| m.name.replace('-', "_"))
        .collect();
    findings.extend(architecture::check(&documents, &paths, &names, &crates));
    Failure::unless_empty(&findings, format!("{} files", files.len()), RERUN)
}

fn read(file: &Path, name: &str) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| Failure::new(format!("{name}: {error}"), RERUN))
}
