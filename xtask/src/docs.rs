//! `cargo xtask docs`: the parts of the documents that follow from the code, written anew or held
//! against it, so that they cannot go stale.

use std::fs;
use std::process::ExitCode;

use clap::Args;

use crate::marks::{self, Place};
use crate::report::{Failure, Outcome, StepResult};
use crate::shell::Shell;
use crate::workspace::Workspace;

/// What the person asked for.
#[derive(Args)]
pub(crate) struct Options {
    /// Write nothing; fail if a document differs from what would be written
    #[arg(long)]
    check: bool,
}

/// The document that says what each backend can do.
const DOCUMENT: &str = "docs/backends.md";

const RERUN: &str = "cargo xtask docs";

/// What the backends declare.
const CAPABILITIES: Place = Place {
    document: DOCUMENT,
    marks: "capabilities",
    rerun: RERUN,
};

/// Writes the parts, or checks them.
pub(crate) fn run(options: &Options, workspace: &Workspace) -> ExitCode {
    let done = if options.check {
        check(workspace)
    } else {
        write(workspace)
    };
    crate::alone(done)
}

/// Holds the documents against the code.
pub(crate) fn check(workspace: &Workspace) -> StepResult {
    let (is, should) = document(workspace)?;
    if is == should {
        return Ok(Outcome::passed(format!(
            "{DOCUMENT} says what the backends declare"
        )));
    }
    let text = format!(
        "the table of capabilities in {DOCUMENT} is not what the backends declare; \
         `{RERUN}` writes it anew"
    );
    Err(Failure::new(text, RERUN))
}

fn write(workspace: &Workspace) -> StepResult {
    let (is, should) = document(workspace)?;
    if is == should {
        return Ok(Outcome::passed(format!("{DOCUMENT} is up to date")));
    }
    let path = workspace.root.join(DOCUMENT);
    let written = fs::write(path, should);
    written.map_err(|error| Failure::new(format!("{DOCUMENT}: {error}"), RERUN))?;
    Ok(Outcome::passed(format!("{DOCUMENT} has been written")))
}

/// The document as it is, and as it should be.
fn document(workspace: &Workspace) -> Result<(String, String), Failure> {
    let read = fs::read_to_string(workspace.root.join(DOCUMENT));
    let is = read.map_err(|error| Failure::new(format!("{DOCUMENT}: {error}"), RERUN))?;
    // The backends themselves are asked, by the program that knows all of them.
    let table = Shell::cargo("run --locked --quiet -p pr-cli -- backends --markdown")
        .read(&workspace.root)?;
    let should = marks::replace(&is, &CAPABILITIES, table.trim())?;
    Ok((is, should))
}
