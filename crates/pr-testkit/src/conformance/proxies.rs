//! HTTP proxies: they are used as asked, are shown no more than they need, and their refusals are
//! told from the origin's answers.

use pr_core::{BackendExt, Capability, Delivery, ErrorKind, RequestConfig};

use super::errors::LIMIT;
use super::origins::{NAME, assert_not_shared, origins, proxy};
use super::subject::{Subject, error_of};
use crate::{ProxyFault, ProxyServer, ProxyTarget, TestCa, closed_port};

pub(super) async fn requests_go_through_a_proxy(subject: Subject) {
    for origin in origins(&subject) {
        let server = origin.known_to(ProxyServer::builder().credentials("user", "s3cret"));
        let through = proxy(&server.url_with_credentials("http", "user", "s3cret"));
        let backend = subject.backend();
        for _ in 0..3 {
            let request = RequestConfig::get(origin.url("/anything?token=q-canary"))
                .bearer_auth("h-canary")
                .proxy(through.clone());
            let response = backend.request(request).await;
            let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
            assert_eq!(response.status_code(), 200, "{}", origin.label);
        }
        let target = ProxyTarget::Name(NAME.to_owned(), origin.server.addr().port());
        for request in server.requests() {
            assert_eq!(request.target, target, "{}", origin.label);
            assert_eq!(request.tunnel, origin.is_tls, "{}", origin.label);
            assert_eq!(request.credentials.as_deref(), Some("user:s3cret"));
            assert!(request.accepted, "{}: {request:?}", origin.label);
        }
        if subject.can(Capability::ConnectionReuse) {
            assert_eq!(server.connections().len(), 1, "{}", origin.label);
        }
        let requests = origin.server.ledger().requests();
        assert_eq!(requests.len(), 3, "{}", origin.label);
        for request in requests {
            assert_eq!(request.header("authorization"), Some("Bearer h-canary"));
            assert_eq!(request.header("proxy-authorization"), None);
            assert_eq!(request.header("proxy-connection"), None);
        }
        for canary in ["h-canary", "q-canary"] {
            assert_eq!(server.saw(canary), !origin.is_tls, "{}", origin.label);
        }
    }
}

pub(super) async fn credentials_for_a_proxy_stay_with_it(subject: Subject) {
    for (origin, other) in origins(&subject).into_iter().zip(origins(&subject)) {
        let server = ProxyServer::builder().credentials("user", "s3cret").start();
        let target: String =
            url::form_urlencoded::byte_serialize(other.server.url("/get").as_bytes()).collect();
        let redirect = origin.server.url(&format!("/redirect-to?url={target}"));
        let request = RequestConfig::get(redirect)
            .bearer_auth("t0k3n")
            .proxy(proxy(
                &server.url_with_credentials("http", "user", "s3cret"),
            ));
        let response = subject.backend().request(request).await;
        let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(response.status_code(), 200, "{}", origin.label);
        for (place, strangers) in [(&origin, false), (&other, true)] {
            for request in place.server.ledger().requests() {
                assert_eq!(
                    request.header("proxy-authorization"),
                    None,
                    "{}",
                    place.label
                );
                let has_token = request.header("authorization").is_some();
                assert_eq!(has_token, !strangers, "{}", place.label);
            }
        }
        let asked = server.requests();
        assert_eq!(asked.len(), 2, "{}: {asked:?}", origin.label);
        assert!(asked.iter().all(|one| one.accepted), "{}", origin.label);
    }
}

pub(super) async fn http_proxies_share_no_connections(subject: Subject) {
    assert_not_shared(&subject, "http", ProxyServer::builder).await;
}

pub(super) async fn a_proxy_that_does_not_do_as_asked_is_a_proxy_error(subject: Subject) {
    let refuse = |status| ProxyFault::Refuse {
        status,
        body: "s3cret",
    };
    let answer = |text: &'static str| ProxyFault::Answer(text.into());
    let much = "x-much: more\r\n".repeat(100_000);
    let faults = [
        (refuse(403), "403"),
        (refuse(407), "407"),
        (refuse(302), "302"),
        (refuse(503), "503"),
        (ProxyFault::Close, "no answer"),
        (answer("HTTP/1.1 200 OK\r\nx: 1\r\n"), "a cut head"),
        (answer("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "not HTTP"),
        (answer("HTTP/1.1 200 OK\r\nx: \0\r\n\r\n"), "a NUL"),
        (answer("HTTP/1.1 101 Switching\r\n\r\n"), "another protocol"),
        (answer("HTTP/1.1 200 OK\r\n\r\ns3cret"), "text in a tunnel"),
        (
            ProxyFault::Answer(format!("HTTP/1.1 200 OK\r\n{much}\r\n").into()),
            "a large head",
        ),
    ];
    for origin in origins(&subject).into_iter().filter(|one| one.is_tls) {
        let server = origin.known_to(ProxyServer::builder());
        for (fault, what) in &faults {
            server.set_fault(fault.clone());
            let request = RequestConfig::get(origin.url("/get"))
                .bearer_auth("t0k3n")
                .proxy(proxy(&server.url_with_credentials("http", "u", "s3cret")));
            let error = error_of(what, subject.backend().request(request).await);
            let chain = error.chain();
            let kind_fits = match error.kind() {
                ErrorKind::Proxy => true,
                ErrorKind::Protocol | ErrorKind::Limit => matches!(fault, ProxyFault::Answer(_)),
                // What follows a tunnel's head may as well be the origin's.
                ErrorKind::Tls => *what == "text in a tunnel",
                _ => false,
            };
            assert!(kind_fits, "{what}: {chain}");
            assert_eq!(error.delivery(), Delivery::NotSent, "{what}: {chain}");
            assert!(!format!("{error:?} {chain}").contains("s3cret"), "{chain}");
            assert!(!server.saw("t0k3n"), "{what}");
        }
        origin.assert_untouched("refused");
    }
}

pub(super) async fn a_proxy_that_stalls_is_a_timeout(subject: Subject) {
    for origin in origins(&subject).into_iter().filter(|one| one.is_tls) {
        let server = ProxyServer::builder().fault(ProxyFault::Stall).start();
        let request = RequestConfig::get(origin.server.url("/get"))
            .timeout(LIMIT)
            .proxy(proxy(&server.url("http")));
        let error = error_of(origin.label, subject.backend().request(request).await);
        assert_eq!(error.kind(), ErrorKind::Timeout, "{}", error.chain());
        assert_eq!(error.delivery(), Delivery::NotSent, "{}", error.chain());
        origin.assert_untouched("stalled");
    }
}

pub(super) async fn a_tunnel_has_no_body(subject: Subject) {
    // A client ignores both fields in a 2xx to CONNECT (RFC 9110 section 9.3.6).
    let heads = [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 299 Whatever\r\n\r\n",
        "HTTP/1.0 200 Connection established\r\n\r\n",
    ];
    for origin in origins(&subject).into_iter().filter(|one| one.is_tls) {
        for head in heads {
            let fault = ProxyFault::TunnelHead(head.into());
            let server = origin.known_to(ProxyServer::builder().fault(fault));
            let request = RequestConfig::get(origin.url("/get")).proxy(proxy(&server.url("http")));
            let response = subject.backend().request(request).await;
            let response = response.unwrap_or_else(|error| panic!("{head:?}: {}", error.chain()));
            assert_eq!(response.status_code(), 200, "{head:?}");
        }
    }
}

pub(super) async fn wrong_credentials_get_past_no_proxy(subject: Subject) {
    for origin in origins(&subject) {
        let server = origin.known_to(ProxyServer::builder().credentials("user", "right"));
        for url in [
            server.url("http"),
            server.url_with_credentials("http", "user", "wr0ng"),
        ] {
            let request = RequestConfig::get(origin.url("/get")).proxy(proxy(&url));
            match subject.backend().request(request).await {
                // To a forwarded request, a refusal is an answer like others.
                Ok(response) => {
                    assert_eq!(response.status_code(), 407, "{}", origin.label);
                    assert!(!origin.is_tls, "{}", origin.label);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Proxy, "{}", error.chain());
                    let status = error.proxy_status().map(|status| status.as_u16());
                    assert_eq!(status, Some(407), "{}", error.chain());
                    let shown = format!("{error:?} {}", error.chain());
                    assert!(!shown.contains("wr0ng"), "{shown}");
                }
            }
        }
        origin.assert_untouched("wrong credentials");
    }
}

pub(super) async fn a_proxy_out_of_reach_is_a_proxy_error(subject: Subject) {
    let closed = closed_port().expect("a free port");
    for origin in origins(&subject) {
        let request = RequestConfig::get(origin.server.url("/get"))
            .proxy(proxy(&closed.url("").replace("://", "://user:s3cret@")));
        let error = error_of(origin.label, subject.backend().request(request).await);
        assert_eq!(error.kind(), ErrorKind::Proxy, "{}", error.chain());
        assert_eq!(error.delivery(), Delivery::NotSent, "{}", error.chain());
        assert!(!error.chain().contains("s3cret"), "{}", error.chain());
        // A proxy that does not work is not gone around.
        origin.assert_untouched("no proxy");
    }
}

pub(super) async fn https_proxies_are_spoken_to_over_tls(subject: Subject) {
    let identity = TestCa::shared().localhost();
    for origin in origins(&subject) {
        let server = ProxyServer::builder().tls(identity.clone());
        let server = origin.known_to(server.credentials("user", "s3cret"));
        let through = server.url_with_credentials("https", "user", "s3cret");
        let through = through.replace("127.0.0.1", "localhost");
        let backend = subject.backend();
        for _ in 0..2 {
            let request = RequestConfig::get(origin.url("/get")).bearer_auth("t0k3n");
            let response = backend.request(request.proxy(proxy(&through))).await;
            let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
            assert_eq!(response.status_code(), 200, "{}", origin.label);
        }
        let connections = server.connections();
        if subject.can(Capability::ConnectionReuse) {
            assert_eq!(connections.len(), 1, "{}", origin.label);
        }
        assert_eq!(connections[0].server_name.as_deref(), Some("localhost"));
        assert_eq!(server.saw("t0k3n"), !origin.is_tls, "{}", origin.label);

        // Whoever says that he is the proxy has to show it, before he is told a secret.
        let stranger = ProxyServer::builder().tls(TestCa::generate().localhost());
        let stranger = origin.known_to(stranger);
        let url = stranger.url_with_credentials("https", "user", "s3cret");
        let request = RequestConfig::get(origin.url("/get")).proxy(proxy(&url));
        let error = error_of(origin.label, backend.request(request).await);
        let fits = matches!(error.kind(), ErrorKind::Proxy | ErrorKind::Tls);
        assert!(fits, "{}: {}", origin.label, error.chain());
        assert_eq!(error.delivery(), Delivery::NotSent, "{}", origin.label);
        assert!(stranger.requests().is_empty() && !stranger.saw("s3cret"));
        assert_eq!(origin.server.ledger().requests().len(), 2);
    }
}
