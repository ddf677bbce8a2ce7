//! The settings behind the gate, and what they come to for one host.

use std::{collections::HashMap, time::Duration};

use crate::{
    ConfigurationError,
    policy::{
        AdaptiveConcurrency, RateLimit, RateLimiter, RetryAfter, origin::Origin,
        server_limits::ServerLimits,
    },
};

/// What bounds the requests in flight, in number and in time.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// In flight at a time, all hosts together.
    pub(crate) concurrency: usize,
    /// In flight at a time to one origin.
    pub(crate) concurrency_per_host: Option<usize>,
    /// The same for some origins, as they were named.
    pub(crate) concurrency_for_host: Vec<(String, usize)>,
    pub(crate) adaptive: Option<AdaptiveConcurrency>,
    pub(crate) rate: Option<RateLimiter>,
    pub(crate) rate_per_host: Option<RateLimit>,
    /// The same for some origins, as they were named.
    pub(crate) rate_for_host: Vec<(String, RateLimit)>,
    pub(crate) retry_after: Option<RetryAfter>,
    /// How far what hosts announce is followed.
    pub(crate) announced: Option<ServerLimits>,
    pub(crate) queue_timeout: Option<Duration>,
}

/// Beyond this a number is a mistake, or should be several clients.
const MAX_CONCURRENCY: usize = 1_000_000;

impl Limits {
    /// The defaults: so many in flight, and pauses that hosts ask for.
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            concurrency,
            concurrency_per_host: None,
            concurrency_for_host: Vec::new(),
            adaptive: None,
            rate: None,
            rate_per_host: None,
            rate_for_host: Vec::new(),
            retry_after: Some(RetryAfter::default()),
            announced: None,
            queue_timeout: None,
        }
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), ConfigurationError> {
        let per_host = self
            .concurrency_per_host
            .map(|n| ("concurrency_per_host", n));
        let for_host = self.concurrency_for_host.iter();
        let numbers = [("concurrency", self.concurrency)]
            .into_iter()
            .chain(per_host)
            .chain(for_host.map(|(_, in_flight)| ("concurrency_for_host", *in_flight)));
        for (setting, in_flight) in numbers {
            if !(1..=MAX_CONCURRENCY).contains(&in_flight) {
                return Err(ConfigurationError::InvalidSetting {
                    setting,
                    value: in_flight.to_string(),
                    why: "it is the number of requests in flight, from 1 to 1,000,000".into(),
                });
            }
        }
        self.check_rates()?;
        if let Some(adaptive) = &self.adaptive {
            adaptive.check()?;
        }
        if let Some(retry_after) = &self.retry_after {
            retry_after.check()?;
        }
        if let Some(announced) = &self.announced {
            announced.check()?;
        }
        let concurrency = self.concurrency_for_host.iter();
        let rates = self.rate_for_host.iter();
        let named = concurrency
            .map(|(host, _)| ("concurrency_for_host", host))
            .chain(rates.map(|(host, _)| ("rate_limit_for_host", host)));
        for (setting, host) in named {
            if Origin::parse(host).is_none() {
                return Err(ConfigurationError::InvalidSetting {
                    setting,
                    value: "the given host".to_owned(),
                    why: "it is an origin such as \"https://api.example\" or \"http://h.example:8080\", \
                          or a host, which stands for its https origin"
                        .into(),
                });
            }
        }
        if self.queue_timeout.is_some_and(|limit| limit.is_zero()) {
            return Err(ConfigurationError::InvalidSetting {
                setting: "queue_timeout",
                value: "0".to_owned(),
                why: "a request that has to wait would never get its turn".into(),
            });
        }
        Ok(())
    }

    fn check_rates(&self) -> Result<(), ConfigurationError> {
        if let Some(rate) = &self.rate {
            rate.check("rate_limit")?;
        }
        if let Some(rate) = &self.rate_per_host {
            rate.check("rate_limit_per_host")?;
        }
        let mut named = self.rate_for_host.iter();
        named.try_for_each(|(_, rate)| rate.check("rate_limit_for_host"))
    }
}

/// The limits as the scheduler needs them.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) concurrency: usize,
    pub(super) rate: Option<RateLimiter>,
    pub(super) adaptive: Option<AdaptiveConcurrency>,
    pub(super) announced: Option<ServerLimits>,
    /// Whether anything is limited by host, so that what goes to each is counted.
    pub(super) by_host: bool,
    concurrency_per_host: Option<usize>,
    rate_per_host: Option<RateLimit>,
    concurrency_for_host: HashMap<Origin, usize>,
    rate_for_host: HashMap<Origin, RateLimit>,
}

/// What is set for one host.
#[derive(Debug)]
pub(super) struct HostRules<'a> {
    pub(super) concurrency: Option<usize>,
    pub(super) rate: Option<&'a RateLimit>,
}

impl Rules {
    /// Of limits that have been [checked](Limits::check).
    pub(super) fn new(limits: Limits) -> Self {
        let by_host = limits.concurrency_per_host.is_some()
            || limits.rate_per_host.is_some()
            || limits.adaptive.is_some()
            || limits.announced.is_some()
            || !limits.concurrency_for_host.is_empty()
            || !limits.rate_for_host.is_empty();
        Self {
            concurrency: limits.concurrency,
            rate: limits.rate,
            adaptive: limits.adaptive,
            announced: limits.announced,
            by_host,
            concurrency_per_host: limits.concurrency_per_host,
            rate_per_host: limits.rate_per_host,
            concurrency_for_host: by_origin(limits.concurrency_for_host),
            rate_for_host: by_origin(limits.rate_for_host),
        }
    }

    pub(super) fn for_host(&self, origin: &Origin) -> HostRules<'_> {
        let concurrency = self.concurrency_for_host.get(origin).copied();
        let rate = self.rate_for_host.get(origin);
        HostRules {
            concurrency: concurrency.or(self.concurrency_per_host),
            rate: rate.or(self.rate_per_host.as_ref()),
        }
    }
}

/// The last word on each origin.
fn by_origin<T>(settings: Vec<(String, T)>) -> HashMap<Origin, T> {
    let settings = settings.into_iter();
    settings
        .filter_map(|(host, value)| Some((Origin::parse(&host)?, value)))
        .collect()
}
