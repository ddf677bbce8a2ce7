//! What each policy adds to a request through the engine, next to a client without any: a stream of
//! ten thousand requests over a backend that answers at once.

use std::{sync::Arc, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use parallel_requests::{
    AdaptiveConcurrency, CircuitBreaker, ClientBuilder, Event, Hedge, Observer, ParallelRequests,
    ProxyPool, RateLimit, RetryPolicy, ServerLimits, tower::layer::util::Identity,
};
use pr_testkit::{Answer, MemoryBackend};
use tokio::runtime::{Builder, Runtime};

const URL: &str = "http://h.example/";

const REQUESTS: u64 = 10_000;

fn policies(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("policies");
    group.sample_size(20);
    group.throughput(Throughput::Elements(REQUESTS));
    for (name, client) in clients() {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.to_async(&runtime).iter(|| async {
                let mut outcomes = client.stream((0..REQUESTS).map(|_| URL));
                let mut succeeded = 0;
                while let Some(outcome) = outcomes.next().await {
                    succeeded += u64::from(outcome.is_ok());
                }
                assert_eq!(succeeded, REQUESTS);
            });
        });
    }
    group.finish();
}

/// A client without policies, one with the defaults, and one for each policy alone.
fn clients() -> Vec<(&'static str, ParallelRequests)> {
    let enough = RateLimit::per_second(1_000_000_000).burst(u32::MAX);
    let pool = ProxyPool::parse(["10.0.0.1:8080", "10.0.0.2:8080"]).expect("they are proxies");
    let settings: [(&'static str, ClientBuilder); 14] = [
        ("none", without_policies()),
        ("the defaults", client()),
        ("retry", without_policies().retry(RetryPolicy::default())),
        (
            "concurrency_per_host",
            without_policies().concurrency_per_host(100),
        ),
        ("rate_limit", without_policies().rate_limit(enough.clone())),
        (
            "rate_limit_per_host",
            without_policies().rate_limit_per_host(enough),
        ),
        (
            "server_limits",
            without_policies().server_limits(ServerLimits::default()),
        ),
        (
            "adaptive",
            without_policies().adaptive(AdaptiveConcurrency::default().initial(100)),
        ),
        (
            "circuit_breaker",
            without_policies().circuit_breaker(CircuitBreaker::default()),
        ),
        // A policy of its own turns hedging on for clients that resend.
        (
            "hedge, with retry",
            client().hedge(Hedge::after(Duration::from_secs(60))),
        ),
        ("proxy_pool", without_policies().proxy_pool(pool)),
        ("observer", without_policies().observer(Nobody)),
        ("layer", without_policies().layer(Identity::new())),
        (
            "attempt_layer",
            without_policies().attempt_layer(Identity::new()),
        ),
    ];
    let build = |(name, settings): (&'static str, ClientBuilder)| {
        (name, settings.build().expect("the settings are valid"))
    };
    settings.into_iter().map(build).collect()
}

fn client() -> ClientBuilder {
    let backend = MemoryBackend::always(Answer::ok().body("hello"));
    ParallelRequests::builder()
        .backend(Arc::new(backend))
        .concurrency(100)
}

fn without_policies() -> ClientBuilder {
    client().retry(RetryPolicy::never())
}

/// An observer that does nothing.
struct Nobody;

impl Observer for Nobody {
    fn on_event(&self, _: &Event) {}
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
}

criterion_group!(benches, policies);
criterion_main!(benches);
