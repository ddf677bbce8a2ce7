//! Reading a response: as text, by the character set that it names, and as JSON.

use std::collections::BTreeMap;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pr_core::{BackendExt, NormalizedResponse};
use pr_testkit::{Answer, MemoryBackend};
use tokio::runtime::Builder;

const LENGTH: usize = 64 * 1024;

fn text(c: &mut Criterion) {
    let mut group = c.benchmark_group("text");
    group.throughput(Throughput::Bytes(LENGTH as u64));
    // Each is `LENGTH` bytes of what is most common in its character set.
    for (name, charset, unit) in [
        ("ASCII as UTF-8", "utf-8", &b"abcd"[..]),
        ("UTF-8", "utf-8", "äbcé".as_bytes()),
        ("windows-1252", "windows-1252", b"\xe4bcd"),
        ("Shift_JIS", "shift_jis", b"\x82\xa0\x82\xa2"),
        ("UTF-16LE", "utf-16le", b"a\0\xe4\0"),
    ] {
        let body: Vec<u8> = unit.iter().copied().cycle().take(LENGTH).collect();
        let response = response(&format!("text/plain; charset={charset}"), body);
        group.bench_function(name, |b| b.iter(|| response.text().len()));
    }
    group.finish();
}

fn json(c: &mut Criterion) {
    let items: BTreeMap<String, u64> = (0..1_000).map(|n| (format!("item {n}"), n)).collect();
    let body = serde_json::to_vec(&items).expect("a map with text keys is an object");
    let mut group = c.benchmark_group("json");
    group.throughput(Throughput::Bytes(body.len() as u64));
    let response = response("application/json", body);
    group.bench_function("an object of 1,000 members", |b| {
        b.iter(|| {
            let read: BTreeMap<String, u64> = response.json().expect("it was written as JSON");
            assert_eq!(read.len(), items.len());
        });
    });
    group.finish();
}

fn response(content_type: &str, body: Vec<u8>) -> NormalizedResponse {
    let answer = Answer::ok().header("content-type", content_type).body(body);
    let backend = MemoryBackend::always(answer);
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
        .block_on(backend.request("http://h.example/"))
        .expect("the answer is scripted")
}

criterion_group!(benches, text, json);
criterion_main!(benches);
