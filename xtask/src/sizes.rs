//! `cargo xtask sizes`: what each backend costs whoever installs it, in crates, in build time and
//! in the size of a program. Measured on a program of its own that depends on the facade as a
//! stranger's would, so that nothing of this workspace's features or profiles leaks in.

mod program;
mod table;

use std::fs;
use std::process::ExitCode;

use clap::Args;

use self::program::Program;
use self::table::Row;
use crate::marks::{self, Place};
use crate::report::Failure;
use crate::workspace::Workspace;

/// What the person asked for.
#[derive(Args)]
pub(crate) struct Options {
    /// Measure only this feature; may be repeated
    #[arg(long, value_name = "NAME", value_parser = SUBJECTS)]
    only: Vec<String>,
    /// Put the table into docs/backends.md, in place of the one that is there
    #[arg(long, conflicts_with = "only")]
    write: bool,
}

/// What is on by default, the facade's features that bring a backend, and the one that brings them all.
const SUBJECTS: [&str; 5] = ["default", "h2", "hyper", "blocking", "all"];

/// The document that has the table, between two marks.
const DOCUMENT: &str = "docs/backends.md";

const RERUN: &str = "cargo xtask sizes";

const TABLE: Place = Place {
    document: DOCUMENT,
    marks: "sizes",
    rerun: RERUN,
};

/// Measures what was asked for, prints it, and writes it down if that was asked for too.
pub(crate) fn run(options: &Options, workspace: &Workspace) -> ExitCode {
    match measure(options, workspace) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options, workspace: &Workspace) -> Result<String, Failure> {
    let path = workspace.root.join(DOCUMENT);
    let unreadable = |error| Failure::new(format!("{DOCUMENT}: {error}"), RERUN);
    if options.write {
        // Better now than after minutes of compiling.
        let document = fs::read_to_string(&path).map_err(unreadable)?;
        marks::replace(&document, &TABLE, "")?;
    }
    let mut rows = Vec::new();
    for subject in SUBJECTS {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == subject) {
            continue;
        }
        eprintln!("{subject}: a cold release build ...");
        let program = Program::new(subject, workspace)?;
        let crates = program.crates()?;
        let built = program.build()?;
        rows.push(Row {
            subject,
            crates,
            build: built.time,
            bytes: built.bytes,
        });
    }
    let text = table::render(&rows, &table::machine()?);
    if options.write {
        let document = fs::read_to_string(&path).map_err(unreadable)?;
        fs::write(&path, marks::replace(&document, &TABLE, &text)?).map_err(unreadable)?;
    }
    Ok(text)
}
