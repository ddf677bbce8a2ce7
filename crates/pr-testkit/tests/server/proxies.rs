//! Proxies do their work for a client that knows nothing of them, and tell what they were shown.

use pr_testkit::{ProxyServer, ProxyTarget, Server, TestCa, closed_port};
use reqwest::{Client, Proxy};

use crate::proxies_raw::{say, say_on};
use crate::support::client_builder;

fn through(proxy: &str) -> Client {
    let proxy = Proxy::all(proxy).expect("the proxy's URL is one");
    let builder = client_builder().proxy(proxy);
    builder.build().expect("the settings are consistent")
}

#[tokio::test]
async fn requests_are_forwarded_over_connections_that_stay() {
    let server = Server::start();
    let proxy = ProxyServer::builder()
        .resolve("Origin.invalid", server.addr())
        .start();
    let client = through(&proxy.url("http"));
    for body in ["", "hello"] {
        let request = client.post("http://origin.invalid/anything?q=1");
        let echo = request.body(body).send().await.unwrap();
        let echo = crate::support::json(echo).await;
        assert_eq!(echo["url"], "http://origin.invalid/anything?q=1");
        assert_eq!(echo["data"], body);
    }
    let large = client.get("http://origin.invalid/bytes/1000000");
    let large = large.send().await.unwrap().bytes().await.unwrap();
    assert_eq!(large, pr_testkit::content::bytes(1_000_000));
    let head = client.head("http://origin.invalid/bytes/10");
    let head = head.send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "10");

    let connections = proxy.connections();
    assert_eq!((connections.len(), connections[0].requests.len()), (1, 4));
    let request = &connections[0].requests[0];
    let target = ProxyTarget::Name("origin.invalid".to_owned(), 80);
    assert_eq!((&request.target, request.tunnel), (&target, false));
    assert!(request.accepted && request.credentials.is_none());
    let line = "POST http://origin.invalid/anything?q=1 HTTP/1.1";
    assert_eq!(request.head.as_ref().unwrap().request_line(), line);
    assert!(proxy.saw(line) && proxy.saw("hello") && !proxy.saw("goodbye") && !proxy.saw(""));
    proxy.shutdown();
}

#[tokio::test]
async fn tunnels_hide_what_goes_through_them() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let identity = TestCa::shared().localhost();
    for (scheme, proxy) in [
        ("http", ProxyServer::http()),
        ("https", ProxyServer::builder().tls(identity).start()),
        ("socks5h", ProxyServer::socks5()),
    ] {
        let client = through(&proxy.url(scheme));
        let request = client.get(server.url_with_host("localhost", "/get"));
        let response = request.header("x-secret", "s3cret").send().await.unwrap();
        assert_eq!(response.version(), reqwest::Version::HTTP_2);
        assert!(!proxy.saw("s3cret"));
        let requests = proxy.requests();
        let [request] = &requests[..] else {
            panic!("{requests:?}");
        };
        assert!(request.tunnel);
        assert!(request.accepted);
        assert_eq!(
            request.target,
            ProxyTarget::Name("localhost".to_owned(), server.addr().port())
        );
        proxy.shutdown();
    }
    assert_eq!(server.ledger().counts().requests_answered, 3);
}

#[tokio::test]
async fn credentials_are_wanted_recorded_and_kept() {
    let plain = Server::start();
    let secure = Server::builder().tls(TestCa::shared().localhost()).start();
    for (scheme, proxy) in [
        ("http", ProxyServer::builder()),
        ("socks5", ProxyServer::builder().socks5()),
    ] {
        let proxy = proxy.credentials("us:er", "pass word").start();
        let with = |user| through(&proxy.url_with_credentials(scheme, user, "pass word"));
        for url in [plain.url("/get"), secure.url("/get")] {
            let offered = |text: &str| {
                let connections = proxy.connections();
                let last = connections.last().unwrap().credentials.last();
                assert_eq!(last.map(String::as_str), Some(text), "{scheme}");
            };
            let response = with("us:er").get(&url).send().await.unwrap();
            assert_eq!(response.status(), 200);
            offered("us:er:pass word");
            let refused = with("other").get(&url).send().await;
            assert!(refused.is_err() || refused.unwrap().status() == 407);
            offered("other:pass word");
            let refused = through(&proxy.url(scheme)).get(&url).send().await;
            assert!(refused.is_err() || refused.unwrap().status() == 407);
        }
    }
    for server in [plain, secure] {
        let requests = server.ledger().requests();
        assert_eq!(requests.len(), 2);
        for request in requests {
            assert_eq!(request.header("proxy-authorization"), None);
        }
    }
}

#[tokio::test]
async fn a_refused_client_may_try_again_on_the_same_connection() {
    let server = Server::start();
    let proxy = ProxyServer::builder().credentials("u", "p").start();
    let authority = server.authority();
    let heard = say_on(
        &proxy,
        format!(
            "CONNECT {authority} HTTP/1.1\r\n\r\nCONNECT {authority} HTTP/1.1\r\n\
             Proxy-Authorization: Basic dTpw\r\n\r\nGET /status/204 HTTP/1.1\r\nhost: h\r\n\
             connection: close\r\n\r\n"
        ),
    )
    .await;
    let heard = String::from_utf8(heard).unwrap();
    assert!(
        heard.starts_with("HTTP/1.1 407 No\r\nproxy-authenticate: Basic"),
        "{heard}"
    );
    assert!(
        heard.contains("HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 204"),
        "{heard}"
    );
    let requests = proxy.requests();
    assert_eq!((requests[0].accepted, requests[1].accepted), (false, true));
    let second = requests[1].head.as_ref().unwrap();
    assert_eq!(
        second.field_lines().next(),
        Some("Proxy-Authorization: Basic dTpw")
    );
}

#[tokio::test]
async fn nothing_leads_off_this_machine() {
    let http = ProxyServer::http();
    for target in ["192.0.2.1:80", "origin.example:80", "[2001:db8::1]:80"] {
        let heard = say(&http, format!("CONNECT {target} HTTP/1.1\r\n\r\n")).await;
        assert!(heard.starts_with(b"HTTP/1.1 502"), "{target}");
    }
    let heard = say(&http, "CONNECT here HTTP/1.1\r\n\r\n").await;
    assert!(heard.starts_with(b"HTTP/1.1 400"));
    for request in ["GET / HTTP/1.1", "GET https://localhost/ HTTP/1.1"] {
        let request = format!("{request}\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let heard = say_on(&http, &request).await;
        assert!(heard.starts_with(b"HTTP/1.1 400"), "{request}");
    }
    let closed = closed_port().unwrap();
    let refused = through(&http.url("http")).get(closed.url("/")).send().await;
    assert_eq!(refused.unwrap().status(), 502);
}

#[tokio::test]
async fn a_proxy_that_speaks_tls_shows_its_certificate() {
    let server = Server::start();
    let proxy = ProxyServer::builder()
        .tls(TestCa::shared().localhost())
        .start();
    let url = format!("https://localhost:{}", proxy.addr().port());
    let response = through(&url).get(server.url("/get")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let connections = proxy.connections();
    assert_eq!(connections[0].server_name.as_deref(), Some("localhost"));
    assert!(proxy.saw("GET http://127.0.0.1"));

    let stranger = ProxyServer::builder()
        .tls(TestCa::generate().localhost())
        .start();
    let refused = through(&stranger.url("https")).get(server.url("/get"));
    refused.send().await.unwrap_err();
    assert!(stranger.requests().is_empty());
}
