//! What the engine and the semantics add to an exchange that costs nothing.

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parallel_requests::ParallelRequests;
use pr_core::BackendExt;
use pr_testkit::{Answer, MemoryBackend};
use tokio::runtime::Builder;

const REQUESTS: u64 = 1_000;

fn dispatch(c: &mut Criterion) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let backend = MemoryBackend::always(Answer::ok().body("hello"));
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .concurrency(100)
        .build()
        .expect("the settings are valid");
    let url = "http://h.example/";

    let mut group = c.benchmark_group("dispatch");
    group.throughput(Throughput::Elements(REQUESTS));
    group.bench_function("backend alone", |b| {
        b.to_async(&runtime).iter(|| async {
            for _ in 0..REQUESTS {
                backend.request(url).await.expect("the answer is scripted");
            }
        });
    });
    group.bench_function("batch", |b| {
        b.to_async(&runtime).iter(|| async {
            let batch = client.request((0..REQUESTS).map(|_| url)).await;
            assert_eq!(batch.successes().count() as u64, REQUESTS);
        });
    });
    group.finish();
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
