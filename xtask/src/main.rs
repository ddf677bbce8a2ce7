//! Everything that CI and maintainers run, as one program, so that no check lives in a script that
//! only a server can execute. `cargo xtask --help` lists the commands.

mod bench;
mod ci;
mod dependencies;
mod docs;
mod examples;
mod features;
mod marks;
mod msrv;
mod package;
mod report;
mod shell;
mod sizes;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::{Outcome, StepResult};
use crate::workspace::Workspace;

/// The command line.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Checks for this workspace"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that a change must pass, besides `cargo test --workspace`
    Ci(ci::Options),
    /// The house rules that no compiler checks: file openings and lengths, links, comments
    Tidy,
    /// Which crate may not depend on which, with the path that breaks a rule
    Dependencies,
    /// Each crate alone, with each of its features alone and with all together
    Features,
    /// Whether `rust-version` is what our code and our dependencies need
    Msrv,
    /// The documents' Rust examples, compiled and run
    Examples,
    /// What the documents say that follows from the code: written anew, or checked
    Docs(docs::Options),
    /// The packages that would be published
    Package,
    /// Our clients next to others, measured on this machine
    Bench(Box<bench::Options>),
    /// What each backend costs to install: crates, build time, size of a program
    Sizes(sizes::Options),
}

fn main() -> ExitCode {
    let workspace = match Workspace::load() {
        Ok(workspace) => workspace,
        Err(failure) => {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
    };
    match Cli::parse().command {
        Command::Ci(options) => ci::run(&options, &workspace),
        Command::Tidy => alone(tidy::check(&workspace)),
        Command::Dependencies => alone(dependencies::check(&workspace)),
        Command::Features => alone(features::check(&workspace)),
        Command::Msrv => alone(msrv::check(&workspace)),
        Command::Examples => alone(examples::check(&workspace)),
        Command::Docs(options) => docs::run(&options, &workspace),
        Command::Package => alone(package::check(&workspace)),
        Command::Bench(options) => bench::run(&options, &workspace),
        Command::Sizes(options) => sizes::run(&options, &workspace),
    }
}

/// Ends the program with the result of a single check.
fn alone(result: StepResult) -> ExitCode {
    match result {
        Ok(Outcome::Passed(note)) => {
            println!("ok: {note}");
            ExitCode::SUCCESS
        }
        Ok(Outcome::Skipped(reason)) => {
            println!("skipped: {reason}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
