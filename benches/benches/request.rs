//! Building a request, and checking it as sending it would.

use criterion::{Criterion, criterion_group, criterion_main};
use parallel_requests::RequestConfig;

fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("request");
    group.bench_function("from a text", |b| {
        b.iter(|| RequestConfig::from("https://api.example/items/1?page=2"));
    });
    group.bench_function("with headers, parameters and JSON", |b| {
        b.iter(|| {
            RequestConfig::post("https://api.example/items")
                .param("page", "2")
                .header("x-request-id", "42")
                .json(&["ada", "grace"])
        });
    });
    let request = RequestConfig::get("https://api.example/items/1");
    group.bench_function("check", |b| b.iter(|| request.check()));
    group.finish();
}

criterion_group!(benches, build);
criterion_main!(benches);
