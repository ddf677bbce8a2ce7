//! What can be typed after `preq fetch`: which requests, and what is printed of them.

use std::{path::PathBuf, time::Duration};

use clap::{Args, builder::RangedU64ValueParser};
use http::Method;

use super::{JournalArgs, PolicyArgs, values::seconds};

pub(super) const ABOUT: &str = "\
Send requests, many at a time, and print one line of JSON for each.

A request that was answered, whatever its status, prints
  {\"index\":0,\"url\":\"https://example.org/\",\"status\":200,\"http_version\":\"HTTP/2\",
   \"bytes\":1256,\"elapsed_ms\":21.304,\"backend\":\"h2\"}
on one line, with the final URL after redirects. One that was not prints
  {\"index\":1,\"url\":\"https://example.org/\",\"error\":{\"kind\":\"timeout\",\"phase\":\"head\",
   \"delivery\":\"unknown\",\"message\":\"...\"}}
with the URL that was asked for. The index counts requests in the order of the input, from 0.
elapsed_ms is the time from when it had its turn to the last byte of its response. Requests that fail
are sent again, up to three times; a line then has \"attempts\":2 or more, and elapsed_ms is the time of
the last. --max-retries 0 sends everything once.
A progress bar, on a terminal, and a summary go to standard error.";

pub(super) const EXAMPLES: &str = "\
Examples:
  preq fetch https://example.org/ https://example.com/
  preq fetch --repeat 1000 --concurrency 50 https://example.org/
  preq fetch --input urls.txt --ordered > outcomes.jsonl
  preq fetch --input urls.txt --rate 100/s --per-host 8 --max-retries 5
  preq fetch --input urls.txt --journal run.jsonl --resume
  seq 1 100000 | sed 's|^|https://api.example/items/|' | preq fetch --input -
  preq fetch -d '{\"name\": \"ada\"}' -H 'Content-Type: application/json' https://api.example/users
  echo '{\"url\": \"https://api.example/\", \"method\": \"PUT\", \"json\": [1, 2]}' | preq fetch --input -

Exit codes:
  0    every request was answered; with --resume, those of the journal too
  1    some were not (with --fail: or were answered with 4xx or 5xx), or there were too many
       such (--fail-fast, --max-failures), or the input or the journal failed
  2    the command line is wrong, or the journal is not this run's; nothing was sent
  124  the --deadline passed; the summary says what was done
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

    #[command(flatten)]
    pub(crate) policies: PolicyArgs,

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

    /// Time limit of each attempt at a request, with its response's body [default: 30 until the
    /// response begins, then 30 between two pieces of its body]
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

    /// End the whole run after this time; what is in flight then is cancelled
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Ending early")]
    pub(crate) deadline: Option<Duration>,

    /// End the run at the first failure (with --fail: 4xx and 5xx too) that retries did not mend
    #[arg(long, conflicts_with = "max_failures", help_heading = "Ending early")]
    pub(crate) fail_fast: bool,

    /// End the run when more requests than this have failed
    #[arg(long, value_name = "N", help_heading = "Ending early")]
    pub(crate) max_failures: Option<u64>,

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

    /// Add what came of the attempts before the last, if there were any, under
    /// `earlier_attempts`: each with its status or kind of error, its time, and the pause after it
    #[arg(long, help_heading = "Output")]
    pub(crate) verbose_attempts: bool,

    /// Count 4xx and 5xx as failures in the exit code and the summary
    #[arg(short = 'f', long, help_heading = "Output")]
    pub(crate) fail: bool,

    /// Print neither progress bar nor summary
    #[arg(short = 'q', long, help_heading = "Output")]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) journal: JournalArgs,
}
