//! Whose failure it is that there is no connection through a proxy: the proxy pool's and the circuit
//! breaker's view of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parallel_requests::{
    CircuitBreaker, CircuitState, ErrorKind, FailedHop, Hedge, ParallelRequests, Proxy, ProxyPool,
    RequestConfig, RetryBudget, RetryPolicy, TimeoutPhase,
};
use pr_core::{Backend, Stage};
use pr_testkit::{Answer, MemoryBackend, ProxyFault, ProxyServer};

const URL: &str = "http://origin.example/";

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(work)
}

#[tokio::test(start_paused = true)]
async fn origins_that_cannot_be_reached_in_time_do_not_bench_the_proxies() {
    let backend = MemoryBackend::answering(|request| match request.uri.host() {
        Some("live.example") => Answer::ok(),
        _ => Answer::timeout(TimeoutPhase::Connect),
    });
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend))
        .proxy_pool(ProxyPool::parse(["p1.example:1", "p2.example:1"]).unwrap())
        .build()
        .unwrap();
    for number in 0..3 {
        let dead = format!("https://dead{number}.example/");
        client.get(dead).await.unwrap_err();
    }
    let live = client.get("https://live.example/").await;
    assert_eq!(live.unwrap().status_code(), 200);
}

#[tokio::test(start_paused = true)]
async fn what_proxies_do_not_manage_does_not_open_a_circuit() {
    let backend = MemoryBackend::answering(|request| {
        let proxy = request.key.proxy().unwrap();
        match proxy.host() {
            "good.example" => Answer::ok(),
            "mute.example" => Answer::timeout(TimeoutPhase::Connect),
            _ => Answer::error(ErrorKind::Connect, "refused"),
        }
    });
    let breaker = CircuitBreaker::default().consecutive_failures(1);
    let lines = ["mute.example:1", "dead.example:1", "good.example:1"];
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend))
        .proxy_pool(ProxyPool::parse(lines).unwrap())
        .circuit_breaker(breaker.clone())
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    for fails in [true, true, false] {
        assert_eq!(client.get(URL).await.is_err(), fails);
        assert_eq!(breaker.state(URL), CircuitState::Closed);
    }
}

/// A proxy that takes connections and answers nothing: whom it waits for is not known.
#[test]
fn a_tunnel_that_is_not_opened_in_time_counts_for_its_origin_only() {
    if parallel_requests::available_backends().next().is_none() {
        return;
    }
    for scheme in ["http", "socks5h"] {
        let builder = ProxyServer::builder().fault(ProxyFault::Stall);
        let proxy = match scheme {
            "http" => builder,
            _ => builder.socks5(),
        }
        .start();
        let breaker = CircuitBreaker::default().consecutive_failures(1);
        let client = ParallelRequests::builder()
            .connect_timeout(Duration::from_millis(50))
            .proxy_pool(ProxyPool::parse([proxy.url(scheme)]).unwrap())
            .circuit_breaker(breaker.clone())
            .retry(RetryPolicy::never())
            .build()
            .unwrap();
        for number in 0..4 {
            let dead = format!("https://dead{number}.example/");
            let error = block_on(client.get(&*dead)).unwrap_err();
            assert_eq!(
                error.timeout_phase(),
                Some(TimeoutPhase::Connect),
                "{error}"
            );
            assert_eq!(error.failed_hop(), Some(FailedHop::Tunnel), "{error}");
            let again = block_on(client.get(&*dead)).unwrap_err();
            assert!(again.message().contains("failed lately"), "{again}");
        }
        assert!(breaker.troubled().is_empty(), "{:?}", breaker.troubled());
    }
}

#[test]
fn without_a_pool_a_proxy_that_is_silent_does_not_open_a_circuit_either() {
    if parallel_requests::available_backends().next().is_none() {
        return;
    }
    let proxy = ProxyServer::builder().fault(ProxyFault::Stall).start();
    let breaker = CircuitBreaker::default().consecutive_failures(1);
    let client = ParallelRequests::builder()
        .connect_timeout(Duration::from_millis(50))
        .proxy(Proxy::new(&proxy.url("http")).unwrap())
        .circuit_breaker(breaker.clone())
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    block_on(client.get("https://h.example/")).unwrap_err();
    assert!(breaker.troubled().is_empty(), "{:?}", breaker.troubled());
}

/// An origin may answer 407 itself, and then it has processed the request.
#[tokio::test(start_paused = true)]
async fn a_407_without_a_challenge_is_no_leave_to_send_what_is_not_idempotent_again() {
    let bare = Answer::status(407);
    let challenge = bare.clone().header("proxy-authenticate", "Basic");
    for (answer, request, sent) in [
        (&bare, RequestConfig::post(URL).data("x"), 1),
        (&bare, RequestConfig::get(URL), 3),
        (&challenge, RequestConfig::post(URL).data("x"), 3),
    ] {
        let backend = MemoryBackend::always(answer.clone());
        let lines = (0..3).map(|number| format!("p{number}.example:1"));
        let client = ParallelRequests::builder()
            .backend(Arc::new(backend.clone()))
            .proxy_pool(ProxyPool::parse(lines).unwrap())
            .retry(RetryPolicy::default().max_retries(2))
            .build()
            .unwrap();
        let error = client.send(request).await.unwrap_err();
        assert_eq!(error.proxy_status().unwrap(), 407);
        assert_eq!(backend.counts().begun, sent, "{answer:?}");
    }
}

#[test]
fn what_the_address_filter_forbids_is_not_tried_again() {
    if parallel_requests::available_backends().next().is_none() {
        return;
    }
    let breaker = CircuitBreaker::default().consecutive_failures(1);
    let client = ParallelRequests::builder()
        .no_proxy()
        .address_filter(parallel_requests::AddressFilter::public_only())
        .circuit_breaker(breaker.clone())
        .build()
        .unwrap();
    let error = block_on(client.get("http://127.0.0.1:9/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.earlier_attempts().is_empty());
    assert!(breaker.troubled().is_empty(), "{:?}", breaker.troubled());
}

/// Copies win before the first has had the time to fail.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_dead_leaves_the_rotation_though_hedges_win_each_time() {
    let tries = Arc::new(AtomicUsize::new(0));
    let backend = MemoryBackend::handling({
        let tries = tries.clone();
        move |request| {
            let proxy = request.key.proxy().unwrap().host().to_owned();
            if proxy == "dead.example" {
                tries.fetch_add(1, Ordering::Relaxed);
            }
            async move {
                request.progress.reach(Stage::Connecting);
                if proxy == "dead.example" {
                    std::future::pending::<()>().await;
                }
                MemoryBackend::always(Answer::ok()).exchange(request).await
            }
        }
    });
    let lines = ["dead.example:1", "good.example:1", "fine.example:1"];
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend))
        .proxy_pool(ProxyPool::parse(lines).unwrap())
        .hedge(Hedge::after(Duration::from_millis(100)).budget(RetryBudget::unlimited()))
        .build()
        .unwrap();
    for _ in 0..100 {
        client.get(URL).await.unwrap();
    }
    assert_eq!(tries.load(Ordering::Relaxed), 10);
}
