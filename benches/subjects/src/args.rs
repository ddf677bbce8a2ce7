//! What can be typed after `bench-subject`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

/// The command line.
#[derive(Parser)]
#[command(
    name = "bench-subject",
    about = "One HTTP client under measurement; `cargo xtask bench` runs it"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print every subject, its settings and the workloads that it takes part in, as JSON
    List,
    /// Run one workload and print what it cost, as JSON
    Run(Box<RunArgs>),
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// The client; see `list`
    pub(crate) subject: String,
    /// What it has to do
    #[arg(long)]
    pub(crate) workload: Workload,
    /// Where to; with several, each request goes to the next
    #[arg(long = "url", value_name = "URL", required = true)]
    pub(crate) urls: Vec<String>,
    /// How many requests are measured
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: u64,
    /// How many requests are sent before that
    #[arg(long, default_value_t = 0)]
    pub(crate) warm_up: u64,
    /// How many are in flight at a time
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) concurrency: u32,
    /// How many HTTP/2 connections, where the subject has that setting [default: the subject's]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: Option<u32>,
    /// The runtime of the subjects that have one
    #[arg(long, default_value = "current")]
    pub(crate) runtime: RuntimeKind,
    /// The only certificate authorities to trust, in PEM [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The protocol to speak, and to insist on [default: HTTP/2 if the subject can]
    #[arg(long)]
    pub(crate) protocol: Option<Protocol>,
    /// How much each request of the workload `upload` sends
    #[arg(long, default_value_t = 1 << 30)]
    pub(crate) upload_bytes: u64,
}

/// What a subject has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Workload {
    /// Many GETs of a small body
    Small,
    /// The same, of a server that takes its time
    Latency,
    /// More GETs than anybody would hold: memory is what counts
    Million,
    /// GETs of a large body that is read as it comes and dropped
    Download,
    /// POSTs of a large body that is made while it is sent
    Upload,
    /// GETs over all URLs, connections included
    Origins,
    /// The client made, one GET, and the client dropped
    Cold,
}

impl Workload {
    pub(crate) const ALL: &[Self] = &[
        Self::Small,
        Self::Latency,
        Self::Million,
        Self::Download,
        Self::Upload,
        Self::Cold,
        Self::Origins,
    ];

    /// For the floors, which know one origin only.
    pub(crate) const ONE_ORIGIN: &[Self] = Self::ALL.split_at(Self::ALL.len() - 1).0;

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Latency => "latency",
            Self::Million => "million",
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Origins => "origins",
            Self::Cold => "cold",
        }
    }
}

/// Tokio's two runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuntimeKind {
    /// Everything on the main thread
    Current,
    /// What `#[tokio::main]` makes: a thread for each core
    Multi,
}

/// A protocol's major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// HTTP/1.1
    H1,
    /// HTTP/2: by prior knowledge for `http`, by ALPN for `https`
    H2,
}
