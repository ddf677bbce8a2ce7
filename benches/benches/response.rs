//! From what a backend gives back to a `NormalizedResponse`: headers, and bodies that come in one
//! piece or in many. The case without either is what an exchange costs anyway.

use criterion::{Criterion, criterion_group, criterion_main};
use pr_core::BackendExt;
use pr_testkit::{Answer, MemoryBackend};
use tokio::runtime::Builder;

fn normalize(c: &mut Criterion) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let whole = vec![b'x'; 1 << 20];
    let pieces = whole.chunks(16 * 1024).map(<[u8]>::to_vec);
    let mut many_fields = Answer::ok();
    for n in 0..20 {
        many_fields = many_fields.header(&format!("x-field-{n}"), "a value of some length");
    }
    let cases = [
        ("empty", 0, Answer::ok()),
        ("20 header fields", 0, many_fields),
        (
            "1 KiB",
            1 << 10,
            Answer::ok().body(whole[..1 << 10].to_vec()),
        ),
        (
            "1 MiB in one piece",
            1 << 20,
            Answer::ok().body(whole.clone()),
        ),
        ("1 MiB in 64 pieces", 1 << 20, Answer::ok().pieces(pieces)),
    ];

    let mut group = c.benchmark_group("response");
    for (name, length, answer) in cases {
        let backend = MemoryBackend::always(answer);
        group.bench_function(name, |b| {
            b.to_async(&runtime).iter(|| async {
                let response = backend.request("http://h.example/").await;
                let response = response.expect("the answer is scripted");
                assert_eq!(response.content().len() as u64, length);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, normalize);
criterion_main!(benches);
