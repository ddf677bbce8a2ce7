//! What a request pays for what it asks for, above one exchange: nothing, a limit on a part, a jar of
//! cookies, a content coding to be taken off. Less "nothing", each figure is the price of one.

use std::{sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use pr_core::{CookieJar, RequestConfig, Session};
use pr_testkit::{Answer, MemoryBackend};
use tokio::runtime::Builder;
use url::Url;

/// 840 bytes of JSON in gzip.
const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\x56\xca\x4c\x51\xb2\x32\xd4\x51\xca\x4b\xcc\x4d\x55\xb2\x52\x4a\x4c\x49\x54\xaa\xad\x1e\x15\x1c\x15\x1c\x15\x24\x45\x10\x00\xa8\x21\xb1\x62\x48\x03\x00\x00";

const URL: &str = "http://h.example/";

/// A jar with a cookie of each of so many other sites.
fn jar(others: usize) -> CookieJar {
    let jar = CookieJar::new();
    for number in 0..others {
        let other = format!("http://h{number}.example/");
        let other = Url::parse(&other).expect("a URL");
        jar.insert(&other, "session", "31d4d96e407aad42")
            .expect("a cookie");
    }
    jar
}

fn semantics(c: &mut Criterion) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let backend = Arc::new(MemoryBackend::answering(|request| {
        match request.uri.path() {
            "/gzip" => Answer::ok().header("content-encoding", "gzip").body(GZIP),
            _ => Answer::ok().body(&b"hello"[..]),
        }
    }));
    let plain = Session::new(backend.clone());
    let with = |jar| Session::new(backend.clone()).with_cookie_jar(jar);
    let matching = jar(1_000);
    let here = Url::parse(URL).expect("a URL");
    matching
        .insert(&here, "session", "31d4d96e407aad42")
        .expect("a cookie");
    let get = || RequestConfig::get(URL);

    let mut group = c.benchmark_group("semantics");
    for (name, session, request) in [
        ("nothing", plain.clone(), get()),
        ("no coding asked for", plain.clone(), get().decode(false)),
        (
            "a limit on reading",
            plain.clone(),
            get().read_timeout(Duration::from_secs(5)),
        ),
        ("an empty jar", with(CookieJar::new()), get()),
        ("a jar of 1,000 other sites", with(jar(1_000)), get()),
        ("a cookie that is sent", with(matching), get()),
        ("gzip", plain, RequestConfig::get("http://h.example/gzip")),
    ] {
        group.bench_function(name, |b| {
            b.to_async(&runtime).iter(|| async {
                let response = session.request(request.clone()).await;
                response.expect("the answer is scripted")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, semantics);
criterion_main!(benches);
