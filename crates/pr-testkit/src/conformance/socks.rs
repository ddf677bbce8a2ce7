//! SOCKS5 proxies: who looks the name up, and what their refusals are.

use pr_core::{BackendExt, Capability, Delivery, ErrorKind, RequestConfig};

use super::errors::LIMIT;
use super::origins::{NAME, assert_not_shared, origins, proxy};
use super::subject::{PATIENCE, Subject, error_of};
use crate::{ProxyFault, ProxyServer, ProxyTarget};

pub(super) async fn names_are_looked_up_where_asked_for(subject: Subject) {
    for origin in origins(&subject) {
        let port = origin.server.addr().port();
        let make = || {
            // What `localhost` is, is for the client's machine to say.
            let server = ProxyServer::builder().socks5();
            let server = server.resolve("::1", origin.server.addr());
            origin.known_to(server.credentials("user", "p@ss:word"))
        };
        let ask = async |server: &ProxyServer, scheme: &str, url: String| {
            let through = server.url_with_credentials(scheme, "user", "p@ss:word");
            let request = RequestConfig::get(url)
                .timeout(PATIENCE)
                .proxy(proxy(&through));
            subject.backend().request(request).await
        };

        let server = make();
        let response = ask(&server, "socks5h", origin.url("/get")).await;
        let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(response.status_code(), 200, "{}", origin.label);
        let requests = server.requests();
        let target = ProxyTarget::Name(NAME.to_owned(), port);
        assert_eq!(requests[0].target, target, "{}", origin.label);
        assert_eq!(requests[0].credentials.as_deref(), Some("user:p@ss:word"));

        let server = make();
        let url = origin.server.url_with_host("localhost", "/get");
        let response = ask(&server, "socks5", url).await;
        let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(response.status_code(), 200, "{}", origin.label);
        let by_address = |target: &ProxyTarget| matches!(target, ProxyTarget::Address(_));
        let requests = server.requests();
        let right = requests.iter().all(|request| by_address(&request.target));
        assert!(
            right && !requests.is_empty(),
            "{}: {requests:?}",
            origin.label
        );

        let server = make();
        let error = error_of(NAME, ask(&server, "socks5", origin.url("/get")).await);
        assert_eq!(error.kind(), ErrorKind::Dns, "{}", error.chain());
        assert!(server.requests().is_empty(), "{}", origin.label);

        for request in origin.server.ledger().requests() {
            assert_eq!(request.header("proxy-authorization"), None);
        }
    }
}

pub(super) async fn socks_proxies_share_no_connections(subject: Subject) {
    assert_not_shared(&subject, "socks5", || ProxyServer::builder().socks5()).await;
}

pub(super) async fn connections_through_socks_are_used_again(subject: Subject) {
    for origin in origins(&subject) {
        let server = origin.known_to(ProxyServer::builder().socks5());
        let backend = subject.backend();
        for _ in 0..3 {
            let request = RequestConfig::get(origin.url("/get"));
            let response = backend
                .request(request.proxy(proxy(&server.url("socks5h"))))
                .await;
            let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
            assert_eq!(response.status_code(), 200, "{}", origin.label);
        }
        assert_eq!(server.connections().len(), 1, "{}", origin.label);
    }
}

pub(super) async fn a_socks_proxy_that_refuses_is_a_proxy_error(subject: Subject) {
    let answer = |bytes: &'static [u8]| ProxyFault::Answer(bytes.into());
    let mut faults: Vec<_> = (1..=9).chain([255]).map(ProxyFault::SocksReply).collect();
    faults.extend([
        ProxyFault::Close,
        answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        answer(&[5, 0, 0, 9, 1, 2, 3, 4, 5, 6]),
        answer(&[4, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
        answer(&[5, 0, 0]),
    ]);
    for origin in origins(&subject) {
        let server = origin.known_to(ProxyServer::builder().socks5());
        for fault in &faults {
            server.set_fault(fault.clone());
            let request = RequestConfig::get(origin.url("/get")).bearer_auth("t0k3n");
            let request = request.proxy(proxy(&server.url("socks5h")));
            let error = error_of("a fault", subject.backend().request(request).await);
            let chain = error.chain();
            assert_eq!(error.kind(), ErrorKind::Proxy, "{fault:?}: {chain}");
            assert_eq!(error.delivery(), Delivery::NotSent, "{fault:?}: {chain}");
            assert!(!server.saw("t0k3n"), "{fault:?}");
        }
        origin.assert_untouched("refused");
    }
}

pub(super) async fn wrong_credentials_get_past_no_socks_proxy(subject: Subject) {
    for origin in origins(&subject) {
        let server = ProxyServer::builder().socks5().credentials("user", "right");
        let server = origin.known_to(server);
        for url in [
            server.url("socks5h"),
            server.url_with_credentials("socks5h", "user", "wr0ng"),
        ] {
            let request = RequestConfig::get(origin.url("/get")).proxy(proxy(&url));
            let error = error_of(origin.label, subject.backend().request(request).await);
            let shown = format!("{error:?} {}", error.chain());
            assert_eq!(error.kind(), ErrorKind::Proxy, "{shown}");
            assert_eq!(error.delivery(), Delivery::NotSent, "{shown}");
            assert!(!shown.contains("wr0ng"), "{shown}");
        }
        assert!(server.requests().is_empty(), "{}", origin.label);
        origin.assert_untouched("wrong credentials");
    }
}

pub(super) async fn a_socks_proxy_that_stalls_is_a_timeout(subject: Subject) {
    for origin in origins(&subject) {
        let server = ProxyServer::builder().socks5().fault(ProxyFault::Stall);
        let server = origin.known_to(server);
        let request = RequestConfig::get(origin.url("/get")).timeout(LIMIT);
        let request = request.proxy(proxy(&server.url("socks5h")));
        let error = error_of(origin.label, subject.backend().request(request).await);
        assert_eq!(error.kind(), ErrorKind::Timeout, "{}", error.chain());
        assert_eq!(error.delivery(), Delivery::NotSent, "{}", error.chain());
        origin.assert_untouched("stalled");
    }
}

pub(super) async fn what_socks_cannot_say_is_an_error(subject: Subject) {
    // Each has one byte for its length (RFC 1928 section 5, RFC 1929 section 2).
    let long_name = format!("{0}.{0}.{0}.{0}.invalid", "a".repeat(63));
    let long_user = "u".repeat(256);
    let server = ProxyServer::builder().socks5();
    let server = server.credentials(&long_user, "password").start();
    let name = format!("http://{long_name}/");
    for (what, url, user) in [
        ("a long name", &*name, "user"),
        ("a long user name", "http://origin.invalid/", &*long_user),
    ] {
        let through = server.url_with_credentials("socks5h", user, "password");
        let request = RequestConfig::get(url).proxy(proxy(&through));
        let error = error_of(what, subject.backend().request(request).await);
        let fits = matches!(error.kind(), ErrorKind::Proxy | ErrorKind::Input);
        assert!(fits, "{what}: {}", error.chain());
        assert_eq!(error.delivery(), Delivery::NotSent, "{what}");
    }
    assert!(!subject.can(Capability::Network) || server.requests().is_empty());
}
