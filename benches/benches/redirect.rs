//! What a redirect costs: a request that is sent on once, next to one that is not. Less the second
//! exchange, the difference is the decision and what it strips and rewrites.

use criterion::{Criterion, criterion_group, criterion_main};
use pr_core::{BackendExt, RequestConfig};
use pr_testkit::{Answer, MemoryBackend};
use tokio::runtime::Builder;

fn redirect(c: &mut Criterion) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let backend = MemoryBackend::answering(|request| match request.uri.path() {
        "/here" => Answer::status(302).header("location", "/there?a=b"),
        "/elsewhere" => Answer::status(302).header("location", "http://other.example/there"),
        _ => Answer::ok(),
    });

    let mut group = c.benchmark_group("redirect");
    for (name, path, hops) in [
        ("none", "/there", 0),
        ("on the same origin", "/here", 1),
        ("to another origin", "/elsewhere", 1),
    ] {
        let request = RequestConfig::get(format!("http://h.example{path}"))
            .bearer_auth("secret")
            .header("x-request-id", "42");
        group.bench_function(name, |b| {
            b.to_async(&runtime).iter(|| async {
                let response = backend.request(&request).await;
                let response = response.expect("the answer is scripted");
                assert_eq!(response.history().len(), hops);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, redirect);
criterion_main!(benches);
