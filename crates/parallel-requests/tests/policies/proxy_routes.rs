//! Requests that do not all go through the proxy pool: what leads away from a Unix socket or from a direct
//! host does, with a proxy that is chosen when there is a need for one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parallel_requests::{
    ClientBuilder, ErrorKind, ParallelRequests, Proxies, ProxyPool, RequestConfig, RetryPolicy,
};
use pr_core::{Capabilities, Capability, RequestDefaults};
use pr_testkit::{Answer, MemoryBackend};

const OUT: &str = "http://out.example/";
const IN: &str = "http://in.example/";

fn over(backend: &MemoryBackend) -> ClientBuilder {
    ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .retry(RetryPolicy::never())
}

/// Redirects `in.example` to `out.example`, which gives this answer.
fn leading_out(answer: Answer) -> MemoryBackend {
    let capabilities = [
        Capability::Http1,
        Capability::AsyncNative,
        Capability::HttpProxy,
        Capability::UnixSocket,
    ];
    MemoryBackend::answering(move |request| match request.uri.host() {
        Some("in.example") => Answer::status(302).header("location", OUT),
        _ => answer.clone(),
    })
    .with_capabilities(Capabilities::of(&capabilities))
    .recording()
}

fn used(backend: &MemoryBackend) -> Vec<String> {
    let requests = backend.requests();
    let ways = requests.iter().map(|request| {
        let key = &request.key;
        match (key.unix_socket(), key.proxy()) {
            (Some(_), None) => "socket".to_owned(),
            (None, Some(proxy)) => proxy.host().to_owned(),
            (None, None) => "-".to_owned(),
            both => panic!("{both:?}"),
        }
    });
    ways.collect()
}

#[tokio::test(start_paused = true)]
async fn a_redirect_away_from_a_unix_socket_goes_through_the_pool() {
    let pool = || ProxyPool::parse(["p1.example:1"]).unwrap();
    for pool in [pool(), pool().no_proxy("elsewhere.example")] {
        let backend = leading_out(Answer::ok());
        let client = over(&backend).proxy_pool(pool).build().unwrap();
        let request = || RequestConfig::get(IN).unix_socket("/run/service");
        client.send(request()).await.unwrap();
        client.open(request()).await.unwrap();
        client.send(request().no_proxy()).await.unwrap();
        let expected = [
            "socket",
            "p1.example",
            "socket",
            "p1.example",
            "socket",
            "-",
        ];
        assert_eq!(used(&backend), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_after_a_redirect_names_the_proxy_and_gives_it_a_rest() {
    let backend = leading_out(Answer::error(ErrorKind::Proxy, "down"));
    let pool = ProxyPool::parse(["p1.example:1", "p2.example:1"]).unwrap();
    let pool = pool.no_proxy("in.example");
    let client = over(&backend).proxy_pool(pool).build().unwrap();
    for proxy in [Some("p1.example:1"), Some("p2.example:1"), None] {
        let error = client.get(IN).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy);
        assert_eq!(error.proxy(), proxy, "{error}");
        assert_eq!(error.message().contains("failed lately"), proxy.is_none());
    }
    assert_eq!(used(&backend), ["-", "p1.example", "-", "p2.example", "-"]);
}

#[tokio::test(start_paused = true)]
async fn a_closure_is_asked_only_for_what_is_to_have_a_proxy() {
    let asked = Arc::new(AtomicUsize::new(0));
    let pool = ProxyPool::choosing({
        let asked = asked.clone();
        move |url| {
            asked.fetch_add(1, Ordering::Relaxed);
            assert_eq!(url.as_str(), OUT);
            None
        }
    });
    let pool = pool.no_proxy("in.example, 192.0.2.1");
    let backend = leading_out(Answer::ok());
    let client = over(&backend).proxy_pool(pool).build().unwrap();
    client.get("http://192.0.2.1/").await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let error = client.get(IN).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert!(error.message().contains("chose no proxy"), "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(used(&backend), ["-", "-"]);
}

#[tokio::test(start_paused = true)]
async fn hosts_that_are_reached_directly_take_no_turn() {
    let backend = MemoryBackend::always(Answer::ok()).recording();
    let pool = ProxyPool::parse(["p1.example:1", "p2.example:1"]).unwrap();
    let client = over(&backend)
        .proxy_pool(pool.no_proxy("in.example"))
        .build()
        .unwrap();
    for url in [OUT, IN, OUT, IN] {
        client.get(url).await.unwrap();
    }
    assert_eq!(used(&backend), ["p1.example", "-", "p2.example", "-"]);
}

#[tokio::test(start_paused = true)]
async fn defaults_that_were_applied_to_a_request_do_not_lead_past_the_pool() {
    let pool = || ProxyPool::parse(["p1.example:1"]).unwrap();
    for pool in [pool(), pool().no_proxy("in.example")] {
        let backend = MemoryBackend::always(Answer::ok()).recording();
        let client = over(&backend).proxy_pool(pool).build().unwrap();
        let mut defaults = RequestDefaults::default();
        defaults.proxies = Some(Proxies::none());
        let mut request = RequestConfig::get(OUT);
        defaults.apply(&mut request);
        client.send(request).await.unwrap();
        assert_eq!(used(&backend), ["p1.example"]);
    }
}
