//! `preq demo`: a first look at the backends that needs no network: the same batch through each of
//! them, to a server inside this program, and a table of how they compare.

mod measure;
mod table;

use std::{env, io::Write, time::Duration};

use anstyle::Style;
use indicatif::HumanCount;
use parallel_requests::{ConfigurationError, available_backends};
use pr_testkit::TestCa;

use self::measure::{Batch, Measurement};
use crate::{
    args::DemoArgs,
    exit::{CommandError, Exit},
    runtime::block_on,
};

/// How long the server takes over each request: long enough that waiting for one after another
/// would be the most of the time, as it is with real servers.
const DELAY: Duration = Duration::from_millis(20);

/// How many requests are sent one after another, to estimate how long all of them would take so.
const SAMPLE: u32 = 20;

const BOLD: Style = Style::new().bold();

/// Runs the batch through every backend that is compiled in.
pub(crate) fn run(args: &DemoArgs) -> Result<Exit, CommandError> {
    if available_backends().next().is_none() {
        return Err(CommandError::Failed(
            ConfigurationError::NoBackend.to_string(),
        ));
    }
    let batch = Batch {
        requests: args.requests,
        concurrency: args.concurrency,
        delay: DELAY,
        sample: SAMPLE,
    };
    block_on(demo(&batch))?
}

async fn demo(batch: &Batch) -> Result<Exit, CommandError> {
    let mut out = anstream::stdout();
    writeln!(
        out,
        "{BOLD}{} requests, {} at a time, through each backend in turn{BOLD:#}\n\
         to a server inside this program that waits {} ms before each answer\n\
         (https with HTTP/2 and HTTP/1.1 on 127.0.0.1; its certificate is verified)\n",
        HumanCount(batch.requests),
        HumanCount(batch.concurrency as u64),
        batch.delay.as_millis(),
    )?;
    writeln!(out, "{BOLD}{}{BOLD:#}", table::HEADER)?;

    let authority = TestCa::generate();
    let mut measured: Vec<Measurement> = Vec::new();
    for backend in available_backends() {
        let measurement = batch.measure(backend, &authority).await?;
        writeln!(out, "{}", table::row(&measurement))?;
        out.flush()?;
        measured.push(measurement);
    }

    writeln!(
        out,
        "\nconns: connections that the server saw. in turn: what the same requests would\n\
         take one after another, estimated from {SAMPLE} that were sent so."
    )?;
    if let Some(fastest) = measured.iter().min_by_key(|measured| measured.wall) {
        writeln!(out, "{}", table::conclusion(fastest))?;
    }
    let preq = own_name();
    writeln!(
        out,
        "\n{BOLD}Try next{BOLD:#}\n  \
         {preq} backends\n  \
         {preq} fetch --repeat 100 https://example.org/\n  \
         {preq} fetch --help"
    )?;
    Ok(Exit::Success)
}

/// What to type to run this command again: `cargo run` says that it was cargo.
fn own_name() -> &'static str {
    if env::var_os("CARGO").is_some() {
        "cargo run --release --"
    } else {
        "preq"
    }
}
