//! Requests through proxies: which way they take, and who gets to see which credentials.

use http::Method;
use pr_backend_blocking::{BackendError, BackendExt, BlockingBackend, ErrorKind, RequestConfig};
use pr_testkit::{ProxyFault, ProxyServer, Server, TestCa};

use crate::support::{PATIENCE, backend, wait_for_open};

const USER: &str = "us er";
const PASSWORD: &str = "p:ss@";

/// What the origin's certificate and the proxies' are for.
const NAME: &str = "localhost";

struct Case {
    /// How the proxy is spoken to.
    scheme: &'static str,
    origin_is_https: bool,
    with_credentials: bool,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for scheme in ["http", "https", "socks5", "socks5h"] {
        for origin_is_https in [false, true] {
            for with_credentials in [false, true] {
                cases.push(Case {
                    scheme,
                    origin_is_https,
                    with_credentials,
                });
            }
        }
    }
    cases
}

fn origin(is_https: bool) -> Server {
    let server = Server::builder().http1_only();
    if is_https {
        server.tls(TestCa::shared().localhost()).start()
    } else {
        server.start()
    }
}

fn proxy(scheme: &str, credentials: bool) -> ProxyServer {
    let mut proxy = ProxyServer::builder();
    if scheme.starts_with("socks") {
        proxy = proxy.socks5();
    }
    if scheme == "https" {
        proxy = proxy.tls(TestCa::shared().localhost());
    }
    if credentials {
        proxy = proxy.credentials(USER, PASSWORD);
    }
    proxy.start()
}

fn url_of(proxy: &ProxyServer, scheme: &str, credentials: bool) -> String {
    if credentials {
        proxy.url_with_credentials(scheme, USER, PASSWORD)
    } else {
        proxy.url(scheme)
    }
}

fn through(proxy: &str, method: Method, url: &str) -> RequestConfig {
    RequestConfig::new(method, url)
        .proxy(proxy.parse().unwrap())
        .timeout(PATIENCE)
}

/// Everything that a request goes through happens twice over one connection.
#[tokio::test]
async fn every_way_leads_there_and_back_and_shows_credentials_to_the_proxy_only() {
    for case in cases() {
        let label = format!(
            "{} proxy, https {}, credentials {}",
            case.scheme, case.origin_is_https, case.with_credentials
        );
        let origin = origin(case.origin_is_https);
        let proxy = proxy(case.scheme, case.with_credentials);
        let proxy_url = url_of(&proxy, case.scheme, case.with_credentials);
        let backend = backend();
        for number in 0..2 {
            let url = origin.url_with_host(NAME, &format!("/anything/a%20b?n={number}"));
            let request = through(&proxy_url, Method::POST, &url)
                .header("authorization", "Bearer for-the-origin")
                .data(vec![b'x'; 300_000]);
            let response = backend.request(request).await.expect(&label);
            assert_eq!(response.status_code(), 200, "{label}");
            assert_eq!(response.connection().reused, number == 1, "{label}");
            assert_eq!(response.connection().remote_addr, Some(proxy.addr()));
            let large = through(
                &proxy_url,
                Method::GET,
                &origin.url_with_host(NAME, "/bytes/400000"),
            );
            let large = backend.request(large).await.expect(&label);
            assert_eq!(large.content()[..], pr_testkit::content::bytes(400_000)[..]);
        }
        assert_eq!(proxy.connections().len(), 1, "{label}");
        let forwards = case.scheme.starts_with("http") && !case.origin_is_https;
        for asked in proxy.requests() {
            assert!(asked.accepted, "{label}");
            assert_eq!(asked.tunnel, !forwards, "{label}");
            let offered = format!("{USER}:{PASSWORD}");
            let expected = case.with_credentials.then_some(offered);
            assert_eq!(asked.credentials, expected, "{label}");
        }
        if case.origin_is_https {
            assert!(!proxy.saw("for-the-origin"), "{label}");
        }
        for seen in origin.ledger().requests() {
            assert_eq!(
                seen.header("host"),
                Some(&*format!("{NAME}:{}", origin.addr().port()))
            );
            assert!(seen.header("proxy-authorization").is_none(), "{label}");
            assert!(seen.target.starts_with('/'), "{label}: {}", seen.target);
        }
    }
}

#[tokio::test]
async fn a_forwarded_request_names_the_origin_in_its_target() {
    let origin = Server::start();
    let proxy = ProxyServer::builder()
        .resolve("origin.invalid", origin.addr())
        .start();
    let backend = backend();
    for (url, target) in [
        ("http://origin.invalid", "http://origin.invalid/"),
        ("http://origin.invalid?q", "http://origin.invalid/?q"),
        ("http://origin.invalid:80/get", "http://origin.invalid/get"),
        (
            "http://origin.invalid:8080/get?a=b%20c",
            "http://origin.invalid:8080/get?a=b%20c",
        ),
    ] {
        let request = through(&proxy.url("http"), Method::GET, url);
        backend.request(request).await.unwrap();
        let head = proxy.requests().pop().unwrap().head.unwrap();
        assert_eq!(head.request_line(), format!("GET {target} HTTP/1.1"));
        let host = target.split('/').nth(2).unwrap();
        assert_eq!(head.header("host"), Some(host));
    }
}

#[tokio::test]
async fn a_forwarded_head_of_several_pieces_arrives_whole() {
    let (origin, proxy) = (Server::start(), ProxyServer::http());
    let mut request = through(&proxy.url("http"), Method::GET, &origin.url("/get"));
    // More than is written at a time.
    for number in 0..8 {
        request = request.header(format!("x-{number}"), "v".repeat(7 << 10));
    }
    let response = backend().request(request).await.unwrap();
    assert_eq!(response.status_code(), 200);
}

async fn refused(backend: &BlockingBackend, proxy: &str, origin: &Server) -> BackendError {
    let request = through(proxy, Method::GET, &origin.url_with_host(NAME, "/get"));
    backend.request(request).await.unwrap_err()
}

#[tokio::test]
async fn a_proxy_that_refuses_is_an_error_of_kind_proxy() {
    let origin = origin(true);
    for scheme in ["http", "https", "socks5", "socks5h"] {
        let proxy = proxy(scheme, true);
        let wrong = proxy.url_with_credentials(scheme, USER, "wrong");
        let error = refused(&backend(), &wrong, &origin).await;
        assert_eq!(error.kind(), ErrorKind::Proxy, "{scheme}: {error}");
        assert!(!error.may_have_been_processed());
        assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
    }
    let proxy = ProxyServer::builder().fault(ProxyFault::Refuse {
        status: 503,
        body: "later",
    });
    let proxy = proxy.start();
    let error = refused(&backend(), &proxy.url("http"), &origin).await;
    assert_eq!(
        error.proxy_status().map(|status| status.as_u16()),
        Some(503)
    );
    assert_eq!(origin.ledger().counts().connections_accepted, 0);
}

#[tokio::test]
async fn an_answer_of_the_proxys_own_to_a_forwarded_request_is_the_response() {
    let origin = Server::start();
    let proxy = proxy("http", true);
    let request = through(&proxy.url("http"), Method::GET, &origin.url("/get"));
    let response = backend().request(request).await.unwrap();
    assert_eq!(response.status_code(), 407);
}

#[tokio::test]
async fn connections_through_proxies_that_are_dropped_or_closed_end() {
    for is_https in [false, true] {
        let origin = origin(is_https);
        let proxy = proxy("https", false);
        let backend = backend();
        let request = through(&proxy.url("https"), Method::GET, &origin.url("/hang"));
        let mut hanging = Box::pin(backend.request(request));
        assert!(futures::poll!(&mut hanging).is_pending());
        let begun = |seen: &pr_testkit::Counts| seen.requests_in_flight() == 1;
        origin.ledger().wait_until(begun, PATIENCE).await.unwrap();
        drop(hanging);
        wait_for_open(&origin, 0).await;
    }
}
