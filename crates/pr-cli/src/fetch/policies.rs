//! From what was typed about how requests are sent to the client's policies.

use std::{num::NonZeroU32, path::Path};

use parallel_requests::{
    AdaptiveConcurrency, CircuitBreaker, ClientBuilder, Hedge, Proxy, ProxyPool, RateLimit,
    RetryPolicy, RotationStrategy,
};

use crate::{
    args::{PolicyArgs, ProxyStrategy, Rate},
    exit::{CommandError, explain},
};

/// Tells the client what was typed. Whatever is wrong here is wrong with the command line.
pub(super) fn apply(
    args: &PolicyArgs,
    builder: ClientBuilder,
) -> Result<ClientBuilder, CommandError> {
    if args.burst.is_some() && args.rate.is_none() && args.rate_per_host.is_none() {
        let why = "--burst: it belongs to --rate or --rate-per-host, and there is neither";
        return Err(CommandError::Usage(why.to_owned()));
    }
    if args.hedge.is_some() && args.max_retries == 0 {
        let why = "--hedge: with --max-retries 0 nothing is ever sent twice, and so no copy either";
        return Err(CommandError::Usage(why.to_owned()));
    }
    let mut builder = builder
        .concurrency(args.concurrency)
        .retry(RetryPolicy::default().max_retries(args.max_retries));
    if let Some(in_flight) = args.per_host {
        builder = builder.concurrency_per_host(in_flight);
    }
    if args.adaptive {
        builder = builder.adaptive(AdaptiveConcurrency::default());
    }
    if let Some(rate) = args.rate {
        builder = builder.rate_limit(limit(rate, args.burst));
    }
    if let Some(rate) = args.rate_per_host {
        builder = builder.rate_limit_per_host(limit(rate, args.burst));
    }
    if let Some(limit) = args.queue_timeout {
        builder = builder.queue_timeout(limit);
    }
    if args.circuit_breaker {
        builder = builder.circuit_breaker(CircuitBreaker::default());
    }
    if let Some(delay) = args.hedge {
        builder = builder.hedge(Hedge::after(delay));
    }
    if let Some(url) = &args.proxy {
        let proxy = Proxy::new(url)
            .map_err(|error| CommandError::Usage(format!("--proxy: {}", error.message())))?;
        builder = builder.proxy(proxy);
    }
    if let Some(file) = &args.proxies {
        builder = builder.proxy_pool(pool(file, args.proxy_strategy)?);
    }
    Ok(builder)
}

fn limit(rate: Rate, burst: Option<NonZeroU32>) -> RateLimit {
    let limit = RateLimit::per(rate.per, rate.requests.get());
    match burst {
        Some(burst) => limit.burst(burst.get()),
        None => limit,
    }
}

fn pool(file: &Path, strategy: ProxyStrategy) -> Result<ProxyPool, CommandError> {
    let refuse = |why: String| CommandError::Usage(format!("--proxies {}: {why}", file.display()));
    let pool = ProxyPool::from_file(file).map_err(|error| refuse(explain(&error)))?;
    Ok(pool.strategy(match strategy {
        ProxyStrategy::RoundRobin => RotationStrategy::RoundRobin,
        ProxyStrategy::Random => RotationStrategy::Random,
        ProxyStrategy::Sticky => RotationStrategy::StickyByHost,
    }))
}
