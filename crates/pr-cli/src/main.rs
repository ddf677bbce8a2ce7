//! `preq`: many HTTP requests at once, from the command line.
//!
//! ```text
//! preq fetch --repeat 1000 --concurrency 50 https://example.org/
//! preq fetch --input urls.txt --ordered > outcomes.jsonl
//! preq backends
//! preq demo
//! ```
//!
//! Each subcommand is a module of its own; [`args`] has everything that a person can type.

mod args;
mod backends;
mod demo;
mod exit;
mod fetch;
mod latency;
mod runtime;

use std::{env, io, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_if_asked();
    let outcome = match cli.command {
        Command::Fetch(args) => fetch::run(&args),
        Command::Backends(args) => backends::run(&args),
        Command::Demo(args) => demo::run(&args),
    };
    outcome.unwrap_or_else(|error| error.report()).into()
}

/// Without `RUST_LOG` nothing is logged: whoever wants warnings has them in the summary.
fn log_if_asked() {
    if env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::from_default_env())
            .with_writer(io::stderr)
            .init();
    }
}
