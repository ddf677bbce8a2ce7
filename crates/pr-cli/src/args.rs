//! Everything that can be typed after `preq`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, builder::RangedU64ValueParser};
use http::Method;

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
    #[command(long_about = FETCH_ABOUT, after_help = FETCH_EXAMPLES)]
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

const FETCH_ABOUT: &str = "\
Send requests, many at a time, and print one line of JSON for each.

A request that was answered, whatever its status, prints
  {\"index\":0,\"url\":\"https://example.org/\",\"status\":200,\"http_version\":\"HTTP/2\",
   \"bytes\":1256,\"elapsed_ms\":21.304,\"backend\":\"h2\"}
on one line, with the final URL after redirects. One that was not prints
  {\"index\":1,\"url\":\"https://example.org/\",\"error\":{\"kind\":\"timeout\",\"message\":\"...\"}}
with the URL that was asked for. The index counts requests in the order of the input, from 0.
A progress bar, on a terminal, and a summary go to standard error.";

const FETCH_EXAMPLES: &str = "\
Examples:
  preq fetch https://example.org/ https://example.com/
  preq fetch --repeat 1000 --concurrency 50 https://example.org/
  preq fetch --input urls.txt --ordered > outcomes.jsonl
  seq 1 100000 | sed 's|^|https://api.example/items/|' | preq fetch --input -
  preq fetch -d '{\"name\": \"ada\"}' -H 'Content-Type: application/json' https://api.example/users
  echo '{\"url\": \"https://api.example/\", \"method\": \"PUT\", \"json\": [1, 2]}' | preq fetch --input -

Exit codes:
  0    every request was answered
  1    some were not (with --fail: or were answered with 4xx or 5xx)
  2    the command line is wrong; nothing was sent
  130  Ctrl-C; the summary says what was done
  141  standard output was closed before the end, as by `head`";

const INPUT_HELP: &str = "\
Read requests from a file, or from standard input if it is `-`

A line is a URL, or a JSON object with the fields url, method, params, headers, cookies, data or \
json, timeout, proxy, http2, stream, follow_redirects, verify_ssl. The method is GET unless the \
line says otherwise, even if it has data. Empty lines and lines that begin \
with # are passed over. The file is read as requests are sent, never all at once. A line that is \
no request is an outcome of kind \"input\", and the rest goes on.";

/// What `preq fetch` takes.
#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are switches of a command line, each on its own"
)]
pub(crate) struct FetchArgs {
    /// URLs to request
    #[arg(value_name = "URL", required_unless_present = "input")]
    pub(crate) urls: Vec<String>,

    /// Read requests from a file, or from standard input if it is `-`
    #[arg(long, value_name = "FILE", long_help = INPUT_HELP)]
    pub(crate) input: Option<PathBuf>,

    /// Send each request this many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    pub(crate) repeat: u64,

    /// How many requests are in flight at a time
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = concurrency())]
    pub(crate) concurrency: usize,

    /// Method [default: GET, or POST with --data]
    #[arg(short = 'X', long, help_heading = "Requests")]
    pub(crate) method: Option<Method>,

    /// Header field, as in 'Name: value'; may be repeated
    ///
    /// Like --method, --data and --timeout it is for every request whose line of JSON does not
    /// say otherwise.
    #[arg(short = 'H', long, value_name = "FIELD", help_heading = "Requests")]
    pub(crate) header: Vec<String>,

    /// Body; @FILE is what the file holds, @- what standard input does
    ///
    /// No Content-Type is implied: give it with --header.
    #[arg(short = 'd', long, value_name = "DATA", help_heading = "Requests")]
    pub(crate) data: Option<String>,

    /// Time limit of each request, with its response's body [default: 30 until the response
    /// begins, then 30 between two pieces of its body]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Requests")]
    pub(crate) timeout: Option<Duration>,

    /// Backend: auto, h2, hyper or blocking; see `preq backends`
    #[arg(
        long,
        value_name = "NAME",
        default_value = "auto",
        help_heading = "Transport"
    )]
    pub(crate) backend: String,

    /// Speak HTTP/2 to http:// URLs without asking; the peer must expect that
    #[arg(long, conflicts_with = "no_http2", help_heading = "Transport")]
    pub(crate) http2_prior_knowledge: bool,

    /// Speak HTTP/1.1 even where the peer offers HTTP/2
    #[arg(long, help_heading = "Transport")]
    pub(crate) no_http2: bool,

    /// Accept every certificate: whoever is on the way can read and change what is exchanged
    #[arg(short = 'k', long, help_heading = "Transport")]
    pub(crate) insecure: bool,

    /// Trust the certificate authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE", help_heading = "Transport")]
    pub(crate) cacert: Option<PathBuf>,

    /// Print outcomes in the order of the input instead of as they complete
    ///
    /// Outcomes that come before their turn wait in memory. So that there are never too many,
    /// sending pauses when 16,384 wait for a slower one (with --body: as many as --concurrency).
    #[arg(long, help_heading = "Output")]
    pub(crate) ordered: bool,

    /// Add the response's body, as text, under "body"
    ///
    /// Without it bodies are read and counted, but never held in memory.
    #[arg(long, help_heading = "Output")]
    pub(crate) body: bool,

    /// Count 4xx and 5xx as failures in the exit code and the summary
    #[arg(short = 'f', long, help_heading = "Output")]
    pub(crate) fail: bool,

    /// Print neither progress bar nor summary
    #[arg(short = 'q', long, help_heading = "Output")]
    pub(crate) quiet: bool,
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

fn concurrency() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1_000_000)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds, such as 2.5".to_owned())?;
    match Duration::try_from_secs_f64(number) {
        Ok(limit) if !limit.is_zero() => Ok(limit),
        _ => Err("must be more than 0, and finite".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn seconds_are_positive_and_may_have_a_fraction() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for wrong in ["", "x", "0", "-1", "inf", "NaN", "1e300"] {
            seconds(wrong).unwrap_err();
        }
    }
}
