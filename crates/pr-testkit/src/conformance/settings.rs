//! Settings that make connections differ: whatever differs between two requests keeps them apart,
//! and what is equal lets them share.

use pr_core::{
    Backend, BackendExt, Capability, Certificate, ErrorKind, Identity, Proxy, RequestConfig, Roots,
    TlsConfig, TlsVersion, TransportConfig,
};

use super::subject::{Link, Subject, error_of};
use crate::{ProxyServer, Server, TestCa};

/// One way to send a request, by what it sets.
#[derive(Clone, Debug)]
struct Way {
    what: String,
    tls: Option<TlsConfig>,
    verify: bool,
    http2: Option<bool>,
    proxy: Option<Proxy>,
}

impl Way {
    fn request(&self, url: &str) -> RequestConfig {
        let mut request = RequestConfig::get(url).verify_ssl(self.verify);
        if let Some(tls) = &self.tls {
            request = request.tls(tls.clone());
        }
        if let Some(http2) = self.http2 {
            request = request.http2(http2);
        }
        if let Some(proxy) = &self.proxy {
            request = request.proxy(proxy.clone());
        }
        request
    }
}

fn roots() -> Roots {
    Roots::Only(vec![Certificate::from_der(TestCa::shared().der())])
}

fn identity(name: &str) -> Identity {
    let issued = TestCa::shared().issue_client(name);
    let (chain, key) = (issued.certificate_pem(), issued.key_pem());
    Identity::from_pem(chain.as_bytes(), key.as_bytes()).expect("a fresh certificate is good")
}

/// Every combination of settings that this backend can do, proxies one at a time.
fn ways(subject: &Subject, proxies: &[(&'static str, Proxy)]) -> Vec<Way> {
    let trusting = || TlsConfig::default().roots(roots());
    let mut settings = vec![
        ("the backend's TLS", None),
        ("equal TLS of its own", Some(trusting())),
        ("TLS 1.3", Some(trusting().min_version(TlsVersion::Tls13))),
        ("identity a", Some(trusting().identity(identity("a")))),
        ("identity b", Some(trusting().identity(identity("b")))),
        ("ALPN", Some(trusting().alpn(["http/1.1"]))),
    ];
    let more = vec![
        Certificate::from_der(TestCa::shared().der()),
        Certificate::from_der(TestCa::generate().der()),
    ];
    settings.push((
        "other roots",
        Some(TlsConfig::default().roots(Roots::Only(more))),
    ));
    let mut ways = Vec::new();
    for (name, tls) in settings {
        for verify in [true, false] {
            for http2 in [None, Some(false)] {
                let what = format!("{name}, verify {verify}, http2 {http2:?}");
                ways.push(Way {
                    what,
                    tls: tls.clone(),
                    verify,
                    http2,
                    proxy: None,
                });
            }
        }
    }
    for (name, proxy) in proxies {
        let can = if proxy.is_socks() {
            subject.can(Capability::SocksProxy)
        } else {
            subject.can(Capability::HttpProxy)
        };
        if can {
            let mut way = ways[0].clone();
            (*name).clone_into(&mut way.what);
            way.proxy = Some(proxy.clone());
            ways.push(way);
        }
    }
    ways
}

async fn connection(backend: &dyn Backend, way: &Way, url: &str) -> u64 {
    match backend.request(way.request(url)).await {
        Ok(response) => response.connection().id,
        Err(error) => panic!("{}: {}", way.what, error.chain()),
    }
}

pub(super) async fn what_differs_in_settings_shares_no_connection(subject: Subject) {
    let server = Server::builder()
        .tls(TestCa::shared().localhost())
        .request_client_certificate(TestCa::shared())
        .start();
    let proxy = ProxyServer::http();
    let socks = ProxyServer::socks5();
    let guarded = ProxyServer::builder().credentials("a", "b").start();
    let parse = |url: &str| Proxy::new(url).expect("the proxy's own URL");
    let proxies = [
        ("a proxy", parse(&proxy.url("http"))),
        (
            "another proxy",
            parse(&guarded.url_with_credentials("http", "a", "b")),
        ),
        ("SOCKS", parse(&socks.url("socks5"))),
        ("SOCKS with names", parse(&socks.url("socks5h"))),
    ];
    let url = server.url("/get");
    let backend = subject.backend();
    let ways = ways(&subject, &proxies);
    // One after the other, so that each finds the connections of all before it idle.
    let mut first = Vec::new();
    for way in &ways {
        first.push(connection(&*backend, way, &url).await);
    }
    for (index, one) in ways.iter().enumerate() {
        for (other_index, other) in ways.iter().enumerate().skip(index + 1) {
            assert_ne!(
                first[index], first[other_index],
                "{:?} and {:?} share a connection",
                one.what, other.what
            );
        }
    }
    // And each finds its own again.
    for (way, id) in ways.iter().zip(first) {
        assert_eq!(connection(&*backend, way, &url).await, id, "{}", way.what);
    }
}

pub(super) async fn sessions_do_not_cross_identities(subject: Subject) {
    let ca = TestCa::shared();
    let server = Server::builder()
        .tls(ca.localhost())
        .require_client_certificate(ca)
        .start();
    let with = |name| TlsConfig::default().roots(roots()).identity(identity(name));
    let get = |tls: &TlsConfig| RequestConfig::get(server.url("/get")).tls(tls.clone());
    let backend = subject.backend();
    let (a, b) = (with("a"), with("b"));
    for tls in [&a, &b, &a, &b] {
        let response = backend.request(get(tls)).await;
        response.unwrap_or_else(|error| panic!("{}", error.chain()));
        // A new handshake each time, which may resume a session of its own settings only.
        backend.reset_connections();
    }
    let outcome = backend.request(server.url("/get")).await;
    let error = error_of("no certificate", outcome);
    // The peer refuses when the client's handshake is done (RFC 8446, section 4.4.2.4), and the
    // connection may be gone before its alert has been read.
    let kinds = [ErrorKind::Tls, ErrorKind::Closed];
    assert!(kinds.contains(&error.kind()), "{}", error.chain());
    assert_eq!(server.ledger().counts().requests_begun, 4);
}

pub(super) async fn the_oldest_version_of_tls_can_be_set(subject: Subject) {
    let old = Server::builder()
        .tls(TestCa::shared().localhost())
        .tls12_only()
        .start();
    let strict = TlsConfig::default()
        .roots(roots())
        .min_version(TlsVersion::Tls13);
    let backend = subject.backend();
    let request = RequestConfig::get(old.url("/get")).tls(strict.clone());
    let error = error_of("TLS 1.2", backend.request(request).await);
    assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.chain());

    let strict_backend = subject.backend_with(|config: TransportConfig| config.tls(strict));
    let error = error_of("TLS 1.2", strict_backend.request(old.url("/get")).await);
    assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.chain());
    let response = backend.request(old.url("/get")).await;
    response.unwrap_or_else(|error| panic!("{}", error.chain()));
}

pub(super) async fn the_offer_of_protocols_can_be_set(subject: Subject) {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = subject.backend();
    for offer in [&["http/1.1"][..], &[]] {
        let tls = TlsConfig::default()
            .roots(roots())
            .alpn(offer.iter().copied());
        let response = backend
            .request(RequestConfig::get(server.url("/get")).tls(tls))
            .await;
        let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(response.version(), http::Version::HTTP_11, "{offer:?}");
    }
    let both = TlsConfig::default().roots(roots()).alpn(["h2"]);
    let outcome = backend
        .request(RequestConfig::get(server.url("/get")).tls(both))
        .await;
    if subject.can(Capability::Http2) {
        let response = outcome.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(response.version(), http::Version::HTTP_2);
    } else {
        let error = error_of("h2 on HTTP/1.1", outcome);
        assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.chain());
    }
}

pub(super) async fn settings_that_cannot_be_read_send_nothing(subject: Subject) {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let broken = Certificate::from_der(*b"no certificate");
    let tls = TlsConfig::default().roots(Roots::Only(vec![broken]));
    let request = RequestConfig::get(server.url("/get")).tls(tls);
    let error = error_of("a broken root", subject.backend().request(request).await);
    assert_eq!(error.kind(), ErrorKind::Config, "{}", error.chain());
    assert!(!error.may_have_been_processed());
    assert_eq!(server.ledger().counts().requests_begun, 0);
}

/// A Unix socket that leads to a server, for as long as it lives.
#[cfg(unix)]
fn socket_to(server: &Server, folder: &std::path::Path) -> std::path::PathBuf {
    let path = folder.join("socket");
    let listener = tokio::net::UnixListener::bind(&path).expect("a folder of our own");
    let target = server.addr();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Ok(mut peer) = tokio::net::TcpStream::connect(target).await {
                    // Whichever side ends it, it is over.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut peer).await;
                }
            });
        }
    });
    path
}

#[cfg(unix)]
pub(super) async fn requests_go_through_unix_sockets(subject: Subject) {
    for Link {
        label,
        version,
        server,
        backend,
    } in subject.links()
    {
        let folder = tempfile::tempdir().expect("a test can make a folder");
        let path = socket_to(&server, folder.path());
        let secure = server.url("").starts_with("https");
        let scheme = if secure { "https" } else { "http" };
        let url = format!("{scheme}://localhost/get");
        let mut ids = Vec::new();
        for _ in 0..2 {
            let request = RequestConfig::get(&*url).unix_socket(&path);
            let response = backend.request(request).await;
            let response = response.unwrap_or_else(|error| panic!("{label}: {}", error.chain()));
            assert_eq!(response.version(), version, "{label}");
            assert_eq!(response.connection().remote_addr, None, "{label}");
            assert!(response.text().contains("localhost"), "{label}");
            ids.push(response.connection().id);
        }
        assert_eq!(ids[0], ids[1], "{label}: the connection is used again");
        // The same host without the socket is another place.
        let direct = backend
            .request(server.url_with_host("localhost", "/get"))
            .await;
        let direct = direct.unwrap_or_else(|error| panic!("{label}: {}", error.chain()));
        assert_ne!(direct.connection().id, ids[0], "{label}");

        let nowhere = RequestConfig::get(&*url).unix_socket(folder.path().join("none"));
        let error = error_of(label, backend.request(nowhere).await);
        assert_eq!(
            error.kind(),
            ErrorKind::Connect,
            "{label}: {}",
            error.chain()
        );
    }
}

#[cfg(not(unix))]
pub(super) async fn requests_go_through_unix_sockets(subject: Subject) {
    let request = RequestConfig::get("http://localhost/").unix_socket("socket");
    let error = error_of("no Unix", subject.backend().request(request).await);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
