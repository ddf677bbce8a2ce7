//! The policies, one by one, over the in-memory backend on a clock that stands still.

#[cfg(test)]
mod adaptive;
#[cfg(test)]
mod admission;
#[cfg(test)]
mod capture;
#[cfg(test)]
mod circuit_breaker;
#[cfg(test)]
mod hedge;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod never;
#[cfg(test)]
mod observer;
#[cfg(test)]
mod proxy_failures;
#[cfg(test)]
mod proxy_pool;
#[cfg(test)]
mod proxy_routes;
#[cfg(test)]
mod rate_limit;
#[cfg(test)]
mod retry;
#[cfg(test)]
mod retry_after;
#[cfg(test)]
mod retry_outcome;
#[cfg(test)]
mod server_limits;
#[cfg(test)]
mod trace;
