//! Opening connections: with resolvers that misbehave, from many threads at a time, and given up.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{
    FutureExt,
    future::{BoxFuture, join_all, pending},
};
use http::Method;
use pr_backend_blocking::{
    Backend, BackendExt, BlockingBackend, Delivery, ErrorKind, RequestConfig, TransportConfig,
};
use pr_core::{DnsFailure, Resolve, ResolveError, Stage};
use pr_testkit::{Server, TestCa};

use crate::support::{PATIENCE, get, request, trusting};

/// How soon a thread must be free again; see `cancelling`.
const SOON: Duration = Duration::from_secs(5);

/// Answers by the first label of a name.
#[derive(Debug, Default)]
struct Odd {
    asked: AtomicUsize,
}

type Answer = Result<Vec<IpAddr>, ResolveError>;

impl Resolve for Odd {
    fn resolve(&self, host: &str) -> BoxFuture<'static, Answer> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let host = host.to_owned();
        let here = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
        async move {
            match host.split('.').next() {
                Some("never") => pending().await,
                Some("panics") => panic!("as it was told to"),
                Some("slow") => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    let there = tokio::spawn(async move { here }).await;
                    there.map_err(|_| ResolveError::new(DnsFailure::Other))
                }
                _ => Err(ResolveError::new(DnsFailure::NotFound)),
            }
        }
        .boxed()
    }
}

fn odd(config: TransportConfig) -> BlockingBackend {
    BlockingBackend::with_config(config.resolver(Arc::new(Odd::default()))).unwrap()
}

#[tokio::test]
async fn a_look_up_is_given_up_with_its_request() {
    let server = Server::start();
    let backend = odd(trusting().max_threads(1));
    let request = request(Method::GET, "http://never.example/");
    let progress = request.progress.clone();
    let mut exchange = backend.exchange(request);
    assert!(futures::poll!(&mut exchange).is_pending());
    while progress.stage() != Stage::Connecting {
        tokio::task::yield_now().await;
    }
    let dropped = Instant::now();
    drop(exchange);
    get(&backend, server.url("/get")).await.unwrap();
    assert!(dropped.elapsed() < SOON, "{:?}", dropped.elapsed());
}

#[tokio::test]
async fn closing_ends_a_look_up_and_waits_for_no_resolver() {
    let backend = Arc::new(odd(trusting()));
    let waiting = tokio::spawn({
        let backend = Arc::clone(&backend);
        async move {
            backend
                .exchange(request(Method::GET, "http://never.example/"))
                .await
        }
    });
    let request = request(Method::GET, "http://never.example/");
    let progress = request.progress.clone();
    let mut exchange = backend.exchange(request);
    assert!(futures::poll!(&mut exchange).is_pending());
    while progress.stage() != Stage::Connecting {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    backend.close().await;
    assert!(begun.elapsed() < SOON);
    let errors = [
        exchange.await.unwrap_err(),
        waiting.await.unwrap().unwrap_err(),
    ];
    for error in errors {
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Closed, Delivery::NotSent)
        );
    }
}

/// Leaves a task behind that never ends.
#[derive(Debug)]
struct Leaves(Arc<()>);

impl Resolve for Leaves {
    fn resolve(&self, _: &str) -> BoxFuture<'static, Answer> {
        let held = Arc::clone(&self.0);
        async move {
            tokio::spawn(async move {
                pending::<()>().await;
                drop(held);
            });
            Ok(vec![IpAddr::from(Ipv4Addr::LOCALHOST)])
        }
        .boxed()
    }
}

#[tokio::test]
async fn closing_ends_what_a_resolver_has_left() {
    let server = Server::start();
    let held = Arc::new(());
    let resolver = Arc::new(Leaves(Arc::clone(&held)));
    let backend = BlockingBackend::with_config(trusting().resolver(resolver)).unwrap();
    let url = format!("http://name.example:{}/get", server.addr().port());
    get(&backend, url).await.unwrap();
    // This test's own, the resolver's and the task's.
    assert_eq!(Arc::strong_count(&held), 3);
    backend.close().await;
    assert_eq!(Arc::strong_count(&held), 2);
}

#[tokio::test]
async fn a_backend_that_has_dialed_may_be_dropped_in_a_task() {
    let server = Server::start();
    let backend = odd(trusting());
    let port = server.addr().port();
    get(&backend, format!("http://slow.example:{port}/get"))
        .await
        .unwrap();
    drop(backend);
    let backend = odd(trusting());
    let mut dialing = get(&backend, "http://never.example/").boxed_local();
    assert!(futures::poll!(&mut dialing).is_pending());
    drop(dialing);
    drop(backend);
}

#[tokio::test]
async fn a_resolver_that_panics_takes_nobody_along() {
    let server = Server::start();
    let backend = odd(trusting().max_threads(2));
    let port = server.addr().port();
    for _ in 0..4 {
        let waits = get(&backend, "http://never.example/").boxed_local();
        let panics = get(&backend, "http://panics.example/").boxed_local();
        let (first, _) = futures::future::select(panics, waits).await.factor_first();
        assert_eq!(first.unwrap_err().kind(), ErrorKind::Other);
        let url = format!("http://slow.example:{port}/get");
        assert_eq!(get(&backend, url).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn sixty_four_threads_dial_at_once() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let config = trusting()
        .max_idle_per_origin(0)
        .dns_cache_ttl(Duration::ZERO);
    let backend = odd(config.max_threads(64));
    let port = server.addr().port();
    for _ in 0..2 {
        let requests = (0..64).map(|number| {
            let url = match number % 4 {
                0 => server.url("/delay/0.01"),
                1 => format!("http://slow{number}.slow.example:{port}/"),
                2 => format!("http://never.n{number}.example/"),
                _ => server.url_with_host("127.0.0.1", "/get"),
            };
            let request = RequestConfig::get(url);
            let limit = if number % 4 == 2 {
                Duration::from_millis(30)
            } else {
                PATIENCE
            };
            backend.request(request.timeout(limit))
        });
        for (number, outcome) in join_all(requests).await.into_iter().enumerate() {
            match number % 4 {
                1 => assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Dns),
                2 => assert!(outcome.unwrap_err().is_timeout()),
                _ => assert_eq!(outcome.unwrap().status_code(), 200),
            }
        }
    }
    assert_eq!(server.ledger().counts().connections_accepted, 64);
}

#[tokio::test]
async fn names_are_looked_up_anew_after_a_reset() {
    let server = Server::start();
    let resolver = Arc::new(Odd::default());
    let config = trusting().resolver(Arc::clone(&resolver) as Arc<dyn Resolve>);
    let backend = BlockingBackend::with_config(config.max_idle_per_origin(0)).unwrap();
    let url = format!("http://slow.example:{}/get", server.addr().port());
    for asked in [1, 1, 2] {
        if asked == 2 {
            backend.reset_connections();
        }
        get(&backend, &url).await.unwrap();
        assert_eq!(resolver.asked.load(Ordering::Relaxed), asked);
    }
}

#[tokio::test]
async fn how_long_it_took_is_told_of_new_connections_only() {
    let server = Server::start();
    let backend = odd(trusting());
    let url = format!("http://slow.example:{}/get", server.addr().port());
    let first = backend.request(&*url).await.unwrap().timings();
    let took = first.dial.unwrap();
    assert!(took.dns.unwrap() >= Duration::from_millis(5), "{took:?}");
    assert!(took.tcp.is_some() && took.tls.is_none(), "{took:?}");
    let second = backend.request(&*url).await.unwrap().timings();
    assert_eq!(second.dial, None);
}

#[tokio::test]
async fn a_peer_that_picks_http2_because_it_was_offered_is_refused() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = BlockingBackend::with_config(trusting()).unwrap();
    let tls = trusting().tls.alpn(["h2", "http/1.1"]);
    let offered = RequestConfig::get(server.url("/get")).tls(tls);
    let error = backend.request(offered).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Tls, Delivery::NotSent)
    );
    // Neither that connection nor its settings are anybody else's.
    let response = backend.request(server.url("/get")).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_11);
}
