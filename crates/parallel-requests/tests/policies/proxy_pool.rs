//! The proxy pool: whose turn it is, what counts against a proxy, and that nothing ever goes directly.

use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parallel_requests::{
    ClientBuilder, ConfigurationError, Delivery, ErrorKind, ParallelRequests, Proxy,
    ProxyListError, ProxyPool, RequestConfig, RetryBudget, RetryPolicy, RotationStrategy,
    TimeoutPhase, TransportConfig,
};
use pr_testkit::{Answer, MemoryBackend, ProxyFault, ProxyServer, Server, closed_port};
use tokio::time::sleep;

const URL: &str = "http://origin.example/";

fn pool(count: usize) -> ProxyPool {
    ProxyPool::parse((1..=count).map(|number| format!("p{number}.example:3128"))).unwrap()
}

fn over(backend: &MemoryBackend) -> ClientBuilder {
    ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .retry(RetryPolicy::never())
}

/// The hosts of the proxies that requests went through; `-` for none.
fn used(backend: &MemoryBackend) -> Vec<String> {
    let requests = backend.requests();
    let proxies = requests.iter().map(|request| request.key.proxy());
    proxies
        .map(|proxy| proxy.map_or("-".to_owned(), |proxy| proxy.host().to_owned()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_request_goes_through_the_next_proxy_unless_it_has_a_route_of_its_own() {
    let backend = MemoryBackend::always(Answer::ok()).recording();
    let pool = pool(3).no_proxy("internal.example");
    let client = over(&backend).proxy_pool(pool).build().unwrap();
    let own = Proxy::new("http://own.example:1").unwrap();
    for request in [
        RequestConfig::get(URL),
        RequestConfig::get(URL).proxy(own),
        RequestConfig::get(URL).no_proxy(),
        RequestConfig::get(URL),
        RequestConfig::get("http://elsewhere.example/"),
        RequestConfig::get(URL),
        RequestConfig::get("http://internal.example/"),
    ] {
        client.send(request).await.unwrap();
    }
    let expected = [
        "p1.example",
        "own.example",
        "-",
        "p2.example",
        "p3.example",
        "p1.example",
        "-",
    ];
    assert_eq!(used(&backend), expected);
}

#[tokio::test(start_paused = true)]
async fn only_what_a_proxy_does_counts_against_it() {
    let response = |status| Answer::status(status);
    let table: Vec<(&str, Answer, bool)> = vec![
        ("proxy", Answer::error(ErrorKind::Proxy, "refused"), true),
        (
            "connect",
            Answer::error(ErrorKind::Connect, "refused"),
            true,
        ),
        (
            "connect timeout",
            Answer::timeout(TimeoutPhase::Connect),
            true,
        ),
        ("407", response(407), true),
        ("200", response(200), false),
        ("429", response(429), false),
        ("500", response(500), false),
        ("502", response(502), false),
        ("503", response(503), false),
        ("head timeout", Answer::timeout(TimeoutPhase::Head), false),
        ("read timeout", Answer::timeout(TimeoutPhase::Read), false),
        ("closed", Answer::error(ErrorKind::Closed, "closed"), false),
        (
            "tls",
            Answer::error(ErrorKind::Tls, "unknown issuer"),
            false,
        ),
        ("dns", Answer::error(ErrorKind::Dns, "no such name"), false),
        (
            "protocol",
            Answer::error(ErrorKind::Protocol, "no HTTP"),
            false,
        ),
    ];
    for (name, answer, counts) in table {
        let backend = MemoryBackend::queue([answer, Answer::ok()]);
        let client = over(&backend).proxy_pool(pool(1)).build().unwrap();
        let _ = client.get(URL).await;
        let next = client.get(URL).await;
        assert_eq!(next.is_err(), counts, "{name}");
        assert_eq!(backend.counts().begun, if counts { 1 } else { 2 }, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_407_is_the_proxys_only_where_it_forwards() {
    for (proxy, url, is_the_proxys) in [
        ("http://p.example", "http://origin.example/", true),
        ("https://p.example", "http://origin.example/", true),
        ("http://p.example", "https://origin.example/", false),
        ("socks5h://p.example", "http://origin.example/", false),
    ] {
        let answer = Answer::status(407).header("proxy-authenticate", "Basic");
        let backend = MemoryBackend::always(answer);
        let pool = ProxyPool::parse([proxy]).unwrap();
        let client = over(&backend).proxy_pool(pool).build().unwrap();
        match client.get(url).await {
            Ok(response) => {
                assert_eq!(response.status_code(), 407);
                assert!(!is_the_proxys, "{proxy}, {url}");
            }
            Err(error) => {
                assert!(is_the_proxys, "{proxy}, {url}: {error}");
                assert_eq!(error.kind(), ErrorKind::Proxy);
                assert_eq!(error.delivery(), Delivery::NotProcessed);
                assert_eq!(error.proxy_status().unwrap(), 407);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_pool_fails_and_says_when_it_will_try_again() {
    let backend = MemoryBackend::answering(|request| match request.uri.host() {
        Some("bad.example") => Answer::error(ErrorKind::Proxy, "refused"),
        _ => Answer::ok(),
    });
    let pool = pool(2)
        .cooldown(Duration::from_secs(10))
        .max_cooldown(Duration::from_secs(15));
    let client = over(&backend).proxy_pool(pool).build().unwrap();
    let bad = "http://bad.example/";
    let fails_within = async |exchanges: u64| {
        let before = backend.counts().begun;
        let error = client.get(bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy);
        assert_eq!(backend.counts().begun, before + exchanges, "{error}");
        error
    };
    fails_within(1).await;
    sleep(Duration::from_secs(1)).await;
    fails_within(1).await;
    let error = fails_within(0).await;
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(
        error.message().contains("is tried again in 9.0 s"),
        "{error}"
    );
    assert_eq!(error.url(), Some(bad));
    // Other hosts are none of its business.
    client.get(URL).await.unwrap();

    // The first has rested; it fails again, and rests for longer, but not for twice as long.
    sleep(Duration::from_secs(9)).await;
    fails_within(1).await;
    let error = fails_within(0).await;
    assert!(
        error.message().contains("is tried again in 1.0 s"),
        "{error}"
    );
    sleep(Duration::from_secs(1)).await;
    fails_within(1).await;
    let error = fails_within(0).await;
    assert!(
        error.message().contains("is tried again in 14.0 s"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_fails_everywhere_rests_for_all() {
    let backend = MemoryBackend::answering(|request| match request.key.proxy() {
        Some(proxy) if proxy.host() == "p1.example" => {
            Answer::error(ErrorKind::Proxy, "the proxy cannot be reached")
        }
        _ => Answer::ok(),
    })
    .recording();
    let client = over(&backend).proxy_pool(pool(2)).build().unwrap();
    let mut failures = 0;
    for host in 0..40 {
        let reply = client.get(format!("http://h{host}.example/")).await;
        failures += u32::from(reply.is_err());
    }
    assert_eq!(failures, 3);
    let through_p1 = used(&backend)
        .into_iter()
        .filter(|host| host == "p1.example");
    assert_eq!(through_p1.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_through_another_proxy() {
    for (strategy, answer) in [
        (RotationStrategy::RoundRobin, Answer::status(503)),
        (RotationStrategy::Random, Answer::status(503)),
        (
            RotationStrategy::Random,
            Answer::error(ErrorKind::Proxy, "refused"),
        ),
        (
            RotationStrategy::StickyByHost,
            Answer::error(ErrorKind::Proxy, "refused"),
        ),
        (RotationStrategy::RoundRobin, Answer::status(407)),
    ] {
        for _ in 0..10 {
            let backend = MemoryBackend::queue([answer.clone(), Answer::ok()]).recording();
            let client = ParallelRequests::builder()
                .backend(Arc::new(backend.clone()))
                .proxy_pool(pool(2).strategy(strategy))
                .build()
                .unwrap();
            let batch = client.request([URL]).await;
            assert_eq!(batch.successes().count(), 1, "{strategy:?}");
            let proxies = used(&backend);
            assert_ne!(proxies[0], proxies[1], "{strategy:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_sticks_to_its_proxy_until_that_fails() {
    let broken = Arc::new(Mutex::new(String::new()));
    let backend = MemoryBackend::answering({
        let broken = broken.clone();
        move |request| match request.key.proxy() {
            Some(proxy) if proxy.host() == *broken.lock().unwrap() => {
                Answer::error(ErrorKind::Proxy, "refused")
            }
            _ => Answer::ok(),
        }
    })
    .recording();
    let pool = pool(5).strategy(RotationStrategy::StickyByHost);
    let client = over(&backend).proxy_pool(pool).build().unwrap();
    for _ in 0..4 {
        client.get(URL).await.unwrap();
    }
    let home = used(&backend)[0].clone();
    assert_eq!(used(&backend), vec![home.clone(); 4]);
    broken.lock().unwrap().clone_from(&home);
    client.get(URL).await.unwrap_err();
    broken.lock().unwrap().clear();
    for _ in 0..2 {
        client.get(URL).await.unwrap();
    }
    assert_ne!(used(&backend)[5], home);
    assert_eq!(used(&backend)[5], used(&backend)[6]);
    sleep(Duration::from_secs(30)).await;
    client.get(URL).await.unwrap();
    assert_eq!(used(&backend)[7], home);
}

#[tokio::test(start_paused = true)]
async fn redirects_follow_the_rules_too() {
    let backend = MemoryBackend::answering(|request| {
        let to = |url| Answer::status(302).header("location", url);
        match (request.uri.host().unwrap(), request.uri.path()) {
            ("out.example", "/in") => to("http://in.example/"),
            ("in.example", "/out") => to("http://out.example/"),
            _ => Answer::ok(),
        }
    })
    .recording();
    let plain = over(&backend).proxy_pool(pool(1)).build().unwrap();
    plain.get("http://out.example/in").await.unwrap();
    assert_eq!(used(&backend), ["p1.example", "p1.example"]);

    let ruled = pool(1).no_proxy("in.example");
    let ruled = over(&backend).proxy_pool(ruled).build().unwrap();
    ruled.get("http://out.example/in").await.unwrap();
    assert_eq!(used(&backend)[2..], ["p1.example", "-"]);
    ruled.get("http://in.example/out").await.unwrap();
    assert_eq!(used(&backend)[4..], ["-", "p1.example"]);
}

#[tokio::test(start_paused = true)]
async fn a_direct_host_is_reached_though_the_pool_is_exhausted_and_leads_nowhere_else() {
    let backend = MemoryBackend::answering(|request| match request.uri.host() {
        Some("in.example") => Answer::status(302).header("location", "http://out.example/"),
        _ => Answer::error(ErrorKind::Proxy, "refused"),
    })
    .recording();
    let pool = pool(1).no_proxy("in.example");
    let client = over(&backend).proxy_pool(pool).build().unwrap();
    client.get("http://out.example/").await.unwrap_err();
    let error = client.get("http://in.example/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert!(error.message().contains("failed lately"), "{error}");
    assert_eq!(used(&backend), ["p1.example", "-"]);
}

#[tokio::test(start_paused = true)]
async fn proxies_of_closures_files_and_the_environment() {
    let backend = MemoryBackend::always(Answer::ok()).recording();

    let asked = Arc::new(AtomicUsize::new(0));
    let chosen = ProxyPool::choosing({
        let asked = asked.clone();
        move |url| {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            let host = url.host_str()?.strip_suffix(".example")?;
            Proxy::new(&format!("http://s{number}.{host}.example:1")).ok()
        }
    });
    let client = over(&backend).proxy_pool(chosen).build().unwrap();
    client.get("http://a.example/").await.unwrap();
    client.get("http://b.example/").await.unwrap();
    let error = client.get("http://none.invalid/").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Proxy, Delivery::NotSent)
    );
    assert_eq!(used(&backend), ["s0.a.example", "s1.b.example"]);

    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "# mine\n\nf1.example:1 # the first").unwrap();
    let pool = ProxyPool::from_file(file.path()).unwrap();
    let seconds = Duration::from_secs(5);
    let refreshed = pool.clone().refresh_every(seconds);
    let client = over(&backend).proxy_pool(refreshed).build().unwrap();
    client.get(URL).await.unwrap();
    writeln!(file, "f2.example:1").unwrap();
    client.get(URL).await.unwrap();
    sleep(seconds).await;
    client.get(URL).await.unwrap();
    assert_eq!(
        used(&backend)[2..],
        ["f1.example", "f1.example", "f2.example"]
    );
    // What does not work does not take the place of what does.
    writeln!(file, "canary").unwrap();
    let error = pool.refresh().unwrap_err();
    assert!(
        matches!(error, ProxyListError::Line { line: 5, .. }),
        "{error}"
    );
    assert_eq!(pool.len(), 2);

    let missing = ProxyPool::from_env("PARALLEL_REQUESTS_TEST_NOT_SET").unwrap_err();
    assert!(matches!(missing, ProxyListError::Variable { .. }));
    let failing = ProxyPool::from_fn(|| Err("no".into())).unwrap_err();
    assert!(matches!(failing, ProxyListError::Closure(_)));
    let given = ProxyPool::from_fn(|| Ok(vec![Proxy::new("http://g.example").unwrap()])).unwrap();
    assert_eq!(given.refresh().unwrap(), 1);
}

#[test]
fn what_cannot_work_is_refused_when_the_client_is_built() {
    for wrong in [
        ProxyPool::new([]),
        pool(1).cooldown(Duration::ZERO),
        pool(1).max_cooldown(Duration::from_secs(1)),
        pool(1).refresh_every(Duration::ZERO),
    ] {
        let shown = format!("{wrong:?}");
        let backend = MemoryBackend::always(Answer::ok());
        let error = over(&backend).proxy_pool(wrong).build().unwrap_err();
        assert!(
            matches!(
                error,
                ConfigurationError::InvalidSetting {
                    setting: "proxy_pool",
                    ..
                }
            ),
            "{shown}: {error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_are_shown_nowhere() {
    let lines = [
        "p.example:1:canary-user:canary-password",
        "http://canary:canary@q.example:1",
    ];
    let pool = ProxyPool::parse(lines).unwrap();
    assert!(!format!("{pool:?}").contains("canary"));
    let backend = MemoryBackend::always(Answer::error(ErrorKind::Proxy, "refused"));
    let client = over(&backend).proxy_pool(pool).build().unwrap();
    assert!(!format!("{client:?}").contains("canary"));
    for _ in 0..3 {
        let error = client.get(URL).await.unwrap_err();
        let shown = format!("{error:?} {}", error.chain());
        assert!(!shown.contains("canary"), "{shown}");
        let is_named = error
            .proxy()
            .is_some_and(|proxy| shown.contains(&format!("through proxy {proxy}")));
        assert!(is_named || shown.contains("is tried again"), "{shown}");
    }
}

/// Clients over each backend that is compiled in.
fn everywhere(pool: impl Fn() -> ProxyPool, check: impl Fn(&str, ClientBuilder)) {
    for backend in parallel_requests::available_backends() {
        let transport = TransportConfig::default().http2_prior_knowledge(false);
        let builder = ParallelRequests::builder()
            .backend(backend)
            .transport(transport)
            .timeout(Duration::from_secs(20))
            .proxy_pool(pool());
        check(backend, builder);
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

#[test]
fn with_some_proxies_broken_everything_gets_through_and_nothing_goes_directly() {
    let server = Server::start();
    let dead = closed_port().unwrap();
    let proxy = || ProxyServer::builder().resolve("origin.invalid", server.addr());
    let (http, socks) = (
        proxy().credentials("user", "secret").start(),
        proxy().socks5().start(),
    );
    let broken = proxy().fault(ProxyFault::Close).start();
    // With credentials that it does not take.
    let picky = proxy().credentials("somebody", "else").start();
    let lines = || {
        ProxyPool::parse([
            format!("{}:user:secret", http.authority()),
            socks.url("socks5h"),
            dead.addr().to_string(),
            picky.authority(),
            broken.authority(),
        ])
        .unwrap()
    };
    everywhere(lines, |backend, builder| {
        let before = server.ledger().counts().requests_begun;
        let retry = RetryPolicy::default()
            .base(Duration::from_millis(5))
            .max_retries(10);
        let client = builder
            .retry(retry)
            .retry_budget(RetryBudget::unlimited())
            .build()
            .unwrap();
        let urls = (0..60).map(|number| format!("http://origin.invalid/bytes/{number}"));
        let batch = block_on(client.request(urls));
        for outcome in &batch {
            let response = outcome.result.as_ref();
            let response = response.unwrap_or_else(|error| panic!("{backend}: {}", error.chain()));
            assert_eq!(response.content().len(), outcome.index, "{backend}");
        }
        assert_eq!(
            server.ledger().counts().requests_begun,
            before + 60,
            "{backend}"
        );
    });
    if parallel_requests::available_backends().next().is_none() {
        // Where no backend is compiled in, nothing was sent.
        return;
    }
    // The origin's name leads somewhere only for the proxies, so that all of it came through them.
    assert!(http.requests().len() > 1 && socks.requests().len() > 1);
    assert!(!picky.requests().is_empty() && !broken.requests().is_empty());
    assert!(picky.requests().iter().all(|request| !request.accepted));
}

#[test]
fn when_no_proxy_works_nothing_reaches_the_origin() {
    let server = Server::start();
    let dead = closed_port().unwrap();
    for fault in [
        ProxyFault::Close,
        ProxyFault::Refuse {
            status: 407,
            body: "",
        },
    ] {
        let http = ProxyServer::builder().fault(fault.clone()).start();
        let socks = ProxyServer::builder().socks5().fault(fault).start();
        let lines = || ProxyPool::parse([socks.url("socks5"), dead.addr().to_string()]).unwrap();
        everywhere(lines, |backend, builder| {
            let client = builder.retry(RetryPolicy::never()).build().unwrap();
            // The origin is an address that could well be reached.
            let batch = block_on(client.request((0..20).map(|_| server.url("/get"))));
            for outcome in &batch {
                let error = outcome.error().unwrap_or_else(|| panic!("{backend}"));
                assert_eq!(
                    error.kind(),
                    ErrorKind::Proxy,
                    "{backend}: {}",
                    error.chain()
                );
                assert_eq!(error.delivery(), Delivery::NotSent, "{backend}");
            }
        });
        let lines = || ProxyPool::parse([http.authority()]).unwrap();
        everywhere(lines, |backend, builder| {
            let client = builder.retry(RetryPolicy::never()).build().unwrap();
            let batch = block_on(client.request((0..5).map(|_| server.url("/get"))));
            assert_eq!(batch.successes().count(), 0, "{backend}");
        });
    }
    assert_eq!(server.ledger().counts().requests_begun, 0);
}

#[test]
fn a_socks_reply_about_the_origin_counts_for_that_origin_only() {
    let server = Server::start();
    // It knows one name, and says of others that they cannot be reached.
    let proxy = ProxyServer::builder()
        .socks5()
        .resolve("origin.invalid", server.addr())
        .start();
    let lines = || ProxyPool::parse([proxy.url("socks5h")]).unwrap();
    everywhere(lines, |backend, builder| {
        let client = builder.retry(RetryPolicy::never()).build().unwrap();
        block_on(async {
            for number in 0..5 {
                let error = client
                    .get(format!("http://n{number}.invalid/"))
                    .await
                    .unwrap_err();
                assert_eq!(
                    error.kind(),
                    ErrorKind::Proxy,
                    "{backend}: {}",
                    error.chain()
                );
            }
            let response = client.get("http://origin.invalid/get").await;
            assert_eq!(response.unwrap().status_code(), 200, "{backend}");
        });
    });
}

#[tokio::test(start_paused = true)]
async fn what_is_opened_goes_through_the_pool_as_well() {
    let answers = [Answer::ok(), Answer::status(407), Answer::ok()];
    let backend = MemoryBackend::queue(answers).recording();
    let client = over(&backend).proxy_pool(pool(1)).build().unwrap();
    let response = client.open(URL).await.unwrap();
    assert_eq!(response.status_code(), 200);
    let refused = client.open(URL).await.unwrap_err();
    assert_eq!(refused.proxy_status().unwrap(), 407);
    // Now it rests, and nothing goes without it.
    let error = client.open(URL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert_eq!(used(&backend), ["p1.example", "p1.example"]);
}
