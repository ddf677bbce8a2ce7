//! Everything that can be typed after `preq`.

mod fetch;
mod journal;
mod policies;
mod values;

use clap::{Args, Parser, Subcommand, builder::RangedU64ValueParser};

use self::values::concurrency;
pub(crate) use self::{
    fetch::FetchArgs,
    journal::JournalArgs,
    policies::{PolicyArgs, ProxyStrategy},
    values::Rate,
};

/// The command line.
#[derive(Parser)]
#[command(
    name = "preq",
    version,
    about = "Many HTTP requests at once, over HTTP/2 or HTTP/1.1",
    after_help = "\
Examples:
  preq demo                                 see the backends at work, without a network
  preq fetch --repeat 1000 https://example.org/
  preq fetch --help                         everything that fetch can do

With RUST_LOG set, as in RUST_LOG=debug, the log goes to standard error."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Send requests and print one line of JSON for each
    #[command(long_about = fetch::ABOUT, after_help = fetch::EXAMPLES)]
    Fetch(Box<FetchArgs>),
    /// List the backends: which are compiled in, what each can do, which one is the default
    Backends(BackendsArgs),
    /// Send a batch through every backend to a server inside this program, and compare
    Demo(DemoArgs),
}

/// What `preq backends` is asked for.
#[derive(Debug, Args)]
pub(crate) struct BackendsArgs {
    /// Print what each can do as a table in Markdown, and nothing else
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// What `preq demo` takes.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// How many requests each backend sends
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = RangedU64ValueParser::<u64>::new().range(1..=1_000_000))]
    pub(crate) requests: u64,

    /// How many of them are in flight at a time
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = concurrency())]
    pub(crate) concurrency: usize,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
