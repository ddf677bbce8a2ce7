//! `bench-subject`: one client under measurement, as a process of its own, so that the operating
//! system's accounts of time and memory are about it alone.
//!
//! ```text
//! bench-subject list
//! bench-subject run facade-h2 --workload small --url http://127.0.0.1:8080/1k \
//!     --requests 100000 --warm-up 5000 --concurrency 100 --runtime current
//! ```
//!
//! Either prints one JSON document. An exit status other than 0 means that nothing was measured.

mod args;
mod drive;
mod failure;
mod measure;
mod payload;
mod plan;
mod report;
mod subjects;
mod tls;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use crate::args::{Cli, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::List => print(&subjects::list()),
        Command::Run(args) => run(*args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench-subject: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: args::RunArgs) -> Result<(), Failure> {
    let subject = subjects::find(&args.subject)?;
    let plan = plan::Plan::new(args)?;
    if !subject.workloads.contains(&plan.workload) {
        return Err(Failure::new(format!(
            "{} does not take part in the workload {}",
            subject.name,
            plan.workload.name()
        )));
    }
    let measured = (subject.run)(&plan)?;
    print(&report::Report::new(subject.name, &plan, measured))
}

fn print(document: &impl Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(document)?);
    Ok(())
}
