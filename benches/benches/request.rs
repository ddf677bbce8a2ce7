//! Building a request, and preparing it: the checks that sending it makes.

use criterion::{Criterion, criterion_group, criterion_main};
use parallel_requests::RequestConfig;

fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("request");
    group.bench_function("from a text", |b| {
        b.iter(|| RequestConfig::from("https://api.example/items/1?page=2"));
    });
    group.bench_function("with headers, parameters and JSON", |b| b.iter(elaborate));
    group.finish();
}

fn check(c: &mut Criterion) {
    let mut group = c.benchmark_group("check");
    let simple = RequestConfig::get("https://api.example/items/1");
    group.bench_function("a URL", |b| b.iter(|| simple.check()));
    let elaborate = elaborate();
    group.bench_function("headers, parameters and JSON", |b| {
        b.iter(|| elaborate.check());
    });
    let broken = RequestConfig::get("no URL");
    group.bench_function("a mistake", |b| b.iter(|| broken.check().is_err()));
    group.finish();
}

fn elaborate() -> RequestConfig {
    RequestConfig::post("https://api.example/items")
        .param("page", "2")
        .header("x-request-id", "42")
        .json(&["ada", "grace"])
}

criterion_group!(benches, build, check);
criterion_main!(benches);
