//! What the batch engine adds to an exchange that costs nothing, for one request, a hundred and ten
//! thousand.

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use parallel_requests::ParallelRequests;
use pr_core::BackendExt;
use pr_testkit::{Answer, MemoryBackend};
use tokio::runtime::{Builder, Runtime};

const URL: &str = "http://h.example/";

fn dispatch(c: &mut Criterion) {
    let runtime = runtime();
    let backend = MemoryBackend::always(Answer::ok().body("hello"));
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .concurrency(100)
        .build()
        .expect("the settings are valid");

    let mut group = c.benchmark_group("dispatch");
    group.sample_size(20);
    for requests in [1_u64, 100, 10_000] {
        group.throughput(Throughput::Elements(requests));
        group.bench_function(BenchmarkId::new("backend alone", requests), |b| {
            b.to_async(&runtime).iter(|| async {
                for _ in 0..requests {
                    backend.request(URL).await.expect("the answer is scripted");
                }
            });
        });
        group.bench_function(BenchmarkId::new("batch", requests), |b| {
            b.to_async(&runtime).iter(|| async {
                let batch = client.request((0..requests).map(|_| URL)).await;
                assert_eq!(batch.successes().count() as u64, requests);
            });
        });
        group.bench_function(BenchmarkId::new("stream", requests), |b| {
            b.to_async(&runtime).iter(|| async {
                let mut outcomes = client.stream((0..requests).map(|_| URL));
                let mut succeeded = 0;
                while let Some(outcome) = outcomes.next().await {
                    succeeded += u64::from(outcome.is_ok());
                }
                assert_eq!(succeeded, requests);
            });
        });
    }
    group.finish();
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
