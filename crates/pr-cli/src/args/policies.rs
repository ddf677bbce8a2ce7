//! What can be typed about how requests are sent: how many, how fast, how often, through whom.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum, builder::RangedU64ValueParser};

use super::values::{Rate, concurrency, rate, seconds};

const PROXIES_HELP: &str = "\
Send requests through the proxies in this file, in turn

A line is host:port, host:port:user:password or a URL such as socks5h://host:1080. Empty lines and \
lines that begin with # are passed over. A proxy that fails is left out for a while; when all \
have failed, requests fail rather than go without one.";

/// What the policies of the client are made of.
#[derive(Args)]
pub(crate) struct PolicyArgs {
    /// How many requests are in flight at a time
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = concurrency())]
    pub(crate) concurrency: usize,

    /// How many of them may be in flight to one host [default: all]
    #[arg(long, value_name = "N", value_parser = concurrency(), help_heading = "Limits")]
    pub(crate) per_host: Option<usize>,

    /// Let the number in flight to each host find itself: more while that brings more, fewer when
    /// answers slow down or say 429 or 503
    #[arg(long, help_heading = "Limits")]
    pub(crate) adaptive: bool,

    /// Send no more requests than this: 100 or 100/s, 30/m, 500/h; retries count
    #[arg(long, value_name = "N", value_parser = rate, help_heading = "Limits")]
    pub(crate) rate: Option<Rate>,

    /// Send no more requests than this to each host
    #[arg(long, value_name = "N", value_parser = rate, help_heading = "Limits")]
    pub(crate) rate_per_host: Option<Rate>,

    /// How many requests may go at once after a pause, within --rate and --rate-per-host
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(crate) burst: Option<NonZeroU32>,

    /// Give a request up that has waited so long for its turn
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Limits")]
    pub(crate) queue_timeout: Option<Duration>,

    /// Send nothing to a host that fails all the time until it has had time to recover
    #[arg(long, help_heading = "Limits")]
    pub(crate) circuit_breaker: bool,

    /// How often a request that failed is sent again, at most
    ///
    /// Sent again, after a growing pause, are requests that were not answered, and those answered
    /// with 408, 425, 429, 500, 502, 503 or 504. What the server may have acted upon is sent
    /// again only if its method allows (not POST, not PATCH). 0 sends everything once.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = RangedU64ValueParser::<u32>::new().range(0..=100), help_heading = "Retries")]
    pub(crate) max_retries: u32,

    /// Send a second copy of a GET and the like that has no answer after this time, and take the
    /// answer that is first; there is one for one in ten requests at most
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Retries")]
    pub(crate) hedge: Option<Duration>,

    /// Send all requests through this proxy [default: those of the environment, as in `HTTPS_PROXY`]
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "proxies",
        help_heading = "Proxies"
    )]
    pub(crate) proxy: Option<String>,

    /// Send requests through the proxies in this file, in turn
    #[arg(long, value_name = "FILE", long_help = PROXIES_HELP, help_heading = "Proxies")]
    pub(crate) proxies: Option<PathBuf>,

    /// Which of the proxies a request takes
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        default_value_t,
        requires = "proxies",
        help_heading = "Proxies"
    )]
    pub(crate) proxy_strategy: ProxyStrategy,
}

/// Which proxy of several a request takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyStrategy {
    /// One after another
    #[default]
    RoundRobin,
    /// Any
    Random,
    /// The same for the same host
    Sticky,
}
