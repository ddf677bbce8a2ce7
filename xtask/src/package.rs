//! `cargo xtask package`: what would be uploaded can be put together. The crates depend on each other
//! and may be on no registry yet, so they are packaged in one call: cargo then resolves each against
//! the others' fresh packages.
//!
//! It stays offline. `cargo metadata` has brought everything that the lock file names, so the registry
//! has nothing to add, and without a network cargo would retry for minutes.

use crate::report::{Failure, Outcome, StepResult};
use crate::shell::Shell;
use crate::workspace::Workspace;

/// Packages every published crate, without compiling it again; a warning counts as a failure.
pub(crate) fn check(workspace: &Workspace) -> StepResult {
    let packages: Vec<String> = workspace
        .published()
        .map(|member| format!("-p {}", member.name))
        .collect();
    let dirty = is_dirty(workspace);
    let allow_dirty = if dirty { "--allow-dirty" } else { "" };
    let command = format!(
        "package --locked --offline --no-verify {allow_dirty} {}",
        packages.join(" ")
    );
    let command = Shell::cargo(&command);
    let output = command.run(&workspace.root)?;
    let warnings = warnings(&output);
    if !warnings.is_empty() {
        return Err(Failure::new(warnings.join("\n"), command.typed()));
    }
    let note = if dirty {
        "; with changes that are not committed"
    } else {
        ""
    };
    Ok(Outcome::passed(format!(
        "{} packages{note}",
        packages.len()
    )))
}

/// Whether the tree differs from its last commit. Whoever works on it should not have to commit to
/// run this; on a clean clone cargo's own check stays on.
fn is_dirty(workspace: &Workspace) -> bool {
    // Without git there is nothing to differ from, and cargo does not look either.
    let status = Shell::new("git", "status --porcelain").read(&workspace.root);
    status.is_ok_and(|changes| !changes.trim().is_empty())
}

/// The warnings in cargo's output, each with the indented lines that explain it.
fn warnings(output: &str) -> Vec<&str> {
    let mut inside = false;
    let belongs = |line: &&str| {
        let continues = line.starts_with(' ') && !line.trim_start().starts_with("Packag");
        inside = line.starts_with("warning:") || (inside && continues);
        inside
    };
    output.lines().filter(belongs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_found_with_their_explanation() {
        let output = "   Packaging a v0.1.0\nwarning: manifest has no description\n  | see docs\n   \
                      Packaging b v0.1.0\n    Packaged 4 files\n";
        assert_eq!(
            warnings(output),
            ["warning: manifest has no description", "  | see docs"]
        );
    }

    #[test]
    fn progress_is_no_warning() {
        assert!(warnings("   Packaging a v0.1.0 (/w/a)\n    Packaged 4 files\n").is_empty());
    }
}
