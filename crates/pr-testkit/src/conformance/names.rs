//! Names and addresses: who resolves them, what is dialed, and what a guard sees.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::{BoxFuture, join_all};
use pr_core::{
    AddressFilter, BackendExt, Delivery, DnsFailure, ErrorKind, RequestConfig, Resolve,
    ResolveError,
};

use super::subject::{Subject, error_of};
use crate::{Server, closed_port};

type Lookup = BoxFuture<'static, Result<Vec<IpAddr>, ResolveError>>;

/// The answer to a question, by its number from 0 and its name.
type Answer = dyn Fn(usize, &str) -> Lookup + Send + Sync;

/// A resolver that answers by a function and counts.
struct Names {
    answer: Box<Answer>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    fn new(answer: impl Fn(usize, &str) -> Lookup + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            asked: Mutex::default(),
        })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics with it").clone()
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

impl Resolve for Names {
    fn resolve(&self, host: &str) -> Lookup {
        let mut asked = self.asked.lock().expect("nobody panics with it");
        asked.push(host.to_owned());
        (self.answer)(asked.len() - 1, host)
    }
}

fn here() -> Lookup {
    Box::pin(async { Ok(vec![IpAddr::from(Ipv4Addr::LOCALHOST)]) })
}

fn url(server: &Server, host: &str) -> String {
    format!("http://{host}:{}/get", server.addr().port())
}

pub(super) async fn names_are_looked_up_once(subject: Subject) {
    let server = Server::start();
    let names = Names::new(|_, _| {
        Box::pin(async {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            here().await
        })
    });
    let backend = subject.backend_with(|config| config.resolver(names.clone()));
    // All at once, each over a connection of its own where there is one request to a connection.
    let requests = (0..8).map(|_| backend.request(url(&server, "Name.Example.")));
    for outcome in join_all(requests).await {
        outcome.unwrap_or_else(|error| panic!("{}", error.chain()));
    }
    // Another origin of the same name needs no second look-up.
    let other = Server::start();
    let later = backend.request(url(&other, "name.example.")).await;
    later.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(names.asked(), ["name.example."]);

    // After a change of network, the name may lead elsewhere.
    backend.reset_connections();
    let anew = backend.request(url(&server, "name.example.")).await;
    anew.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(names.asked().len(), 2);
}

pub(super) async fn resolvers_failures_are_told_apart(subject: Subject) {
    for failure in [DnsFailure::NotFound, DnsFailure::Transient] {
        let names = Names::new(move |_, _| {
            Box::pin(async move { Err(ResolveError::new(failure).with_source("as it is")) })
        });
        let backend = subject.backend_with(|config| config.resolver(names.clone()));
        for _ in 0..2 {
            let error = error_of("dns", backend.request("http://name.example/").await);
            assert_eq!(error.kind(), ErrorKind::Dns);
            assert_eq!(error.dns_failure(), Some(failure), "{}", error.chain());
            assert_eq!(error.delivery(), Delivery::NotSent);
            assert!(error.chain().contains("as it is"), "{}", error.chain());
        }
        assert_eq!(names.asked().len(), 2, "failures are not remembered");
    }
}

pub(super) async fn a_resolver_that_hangs_is_a_timeout(subject: Subject) {
    let names = Names::new(|_, _| Box::pin(std::future::pending()));
    let limit = std::time::Duration::from_millis(200);
    let backend =
        subject.backend_with(|config| config.resolver(names.clone()).connect_timeout(limit));
    let error = error_of("dns", backend.request("http://name.example/").await);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.timeout_phase(), Some(pr_core::TimeoutPhase::Connect));
    assert_eq!(error.delivery(), Delivery::NotSent);
}

pub(super) async fn overrides_take_the_place_of_names(subject: Subject) {
    let server = Server::start();
    let names = Names::new(|_, _| panic!("nothing is to be looked up"));
    let backend = subject.backend_with(|config| {
        config
            .resolver(names)
            .resolve("Name.example.", [server.addr()])
            .resolve("bücher.example", [server.addr()])
            .resolve("any-port.example", [SocketAddr::new(server.addr().ip(), 0)])
    });
    for url in [
        "http://name.example/get",
        "http://name.example./get",
        "http://bücher.example/get",
        &url(&server, "any-port.example"),
    ] {
        let response = backend.request(url).await;
        let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(response.connection().remote_addr, Some(server.addr()));
        assert!(
            response.text().contains(".example"),
            "the host is what was asked for"
        );
    }
}

pub(super) async fn a_dead_address_does_not_matter_if_another_lives(subject: Subject) {
    let server = Server::start();
    let closed = closed_port().expect("loopback has ports");
    let backend = subject
        .backend_with(|config| config.resolve("name.example", [closed.addr(), server.addr()]));
    let response = backend.request("http://name.example/get").await;
    let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(response.connection().remote_addr, Some(server.addr()));
}

pub(super) async fn a_guard_sees_every_address(subject: Subject) {
    let server = Server::start();
    let guarded = || {
        subject.backend_with(|config| {
            config
                .address_filter(AddressFilter::public_only())
                .resolve("name.example", [server.addr()])
        })
    };
    let port = server.addr().port();
    for host in [
        "127.0.0.1",
        "localhost",
        "name.example",
        "[::ffff:7f00:1]",
        "2130706433",
        "0x7f.1",
    ] {
        let outcome = guarded().request(format!("http://{host}:{port}/get")).await;
        let error = error_of(host, outcome);
        assert_eq!(error.kind(), ErrorKind::Input, "{host}: {}", error.chain());
        assert_eq!(error.delivery(), Delivery::NotSent, "{host}");
    }
    assert_eq!(server.ledger().counts().connections_accepted, 0);

    // Nor does one of a user's own have to know how else an address can be written.
    let own = AddressFilter::new(|address| match address {
        IpAddr::V4(address) => !address.is_loopback(),
        IpAddr::V6(address) => !address.is_loopback(),
    });
    let backend = subject.backend_with(|config| config.address_filter(own));
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]"] {
        let outcome = backend.request(format!("http://{host}:{port}/get")).await;
        assert_eq!(error_of(host, outcome).kind(), ErrorKind::Input, "{host}");
    }
    assert_eq!(server.ledger().counts().connections_accepted, 0);

    // An address that is passed over does not keep from one that may be dialed.
    let seen = Arc::new(AtomicUsize::new(0));
    let counting = AddressFilter::new({
        let seen = Arc::clone(&seen);
        move |address| {
            seen.fetch_add(1, Ordering::Relaxed);
            address.is_loopback()
        }
    });
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], port));
    let backend = subject.backend_with(|config| {
        config
            .address_filter(counting)
            .resolve("name.example", [elsewhere, server.addr()])
    });
    let response = backend.request("http://name.example/get").await;
    let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(response.connection().remote_addr, Some(server.addr()));
    assert!(seen.load(Ordering::Relaxed) >= 2);
}

pub(super) async fn rebinding_gets_nowhere(subject: Subject) {
    let server = Server::start();
    // The first answer may be dialed, every later one may not.
    let names = Names::new(|number, _| match number {
        0 => here(),
        _ => Box::pin(async { Ok(vec![IpAddr::from([10, 0, 0, 1])]) }),
    });
    let backend = subject.backend_with(|config| {
        config
            .resolver(names.clone())
            .dns_cache_ttl(std::time::Duration::ZERO)
            .address_filter(AddressFilter::new(|address| address.is_loopback()))
    });
    let request = || RequestConfig::get(url(&server, "name.example"));
    let first = backend.request(request()).await;
    first.unwrap_or_else(|error| panic!("{}", error.chain()));
    backend.reset_connections();
    let error = error_of("rebinding", backend.request(request()).await);
    assert_eq!(error.kind(), ErrorKind::Input, "{}", error.chain());
    assert_eq!(names.asked().len(), 2);
}
