//! HTTP proxies over plain TCP: tunnels, forwarding, and proxies that are not there.

use std::time::Duration;

use pr_connect::Protocol;
use pr_core::{ErrorKind, TimeoutPhase};
use pr_testkit::{ProxyFault, ProxyServer, Script, ScriptedServer, Server, TestCa, closed_port};

use crate::support::{connect_through, get, settings};

#[tokio::test]
async fn an_https_origin_is_reached_through_a_tunnel() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let proxy = ProxyServer::builder().credentials("us er", "p@ss").start();
    let through = proxy.url_with_credentials("http", "us er", "p@ss");
    let connected = connect_through(settings(), &server.url("/"), &through)
        .await
        .unwrap();
    assert_eq!(connected.protocol, Protocol::Http2);
    assert_eq!(connected.info.remote_addr, Some(proxy.addr()));
    assert!(connected.forwarding.is_none());
    let request = proxy.requests().remove(0);
    assert!(request.tunnel && request.accepted);
    assert_eq!(request.credentials.as_deref(), Some("us er:p@ss"));
    let head = request.head.unwrap();
    let origin = server.authority();
    assert_eq!(head.request_line(), format!("CONNECT {origin} HTTP/1.1"));
    assert_eq!(head.header("host"), Some(&*origin));
}

#[tokio::test]
async fn the_name_of_an_origin_is_left_to_the_proxy() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let proxy = ProxyServer::builder()
        .resolve("origin.invalid", server.addr())
        .start();
    // The certificate is for another name, so that it is TLS that fails, at the right server.
    let error = connect_through(settings(), "https://origin.invalid/", &proxy.url("http"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.message().contains("another host"), "{error}");
    assert_eq!(proxy.requests()[0].target.to_string(), "origin.invalid:443");
}

#[tokio::test]
async fn a_certificate_is_verified_through_a_tunnel_too() {
    let server = Server::builder()
        .tls(TestCa::generate().localhost())
        .start();
    let proxy = ProxyServer::http();
    let error = connect_through(settings(), &server.url("/"), &proxy.url("http"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
}

#[tokio::test]
async fn a_plain_request_is_forwarded() {
    let server = Server::start();
    let proxy = ProxyServer::builder()
        .resolve("origin.invalid", server.addr())
        .start();
    let mut connected = connect_through(
        settings(),
        "http://origin.invalid/",
        &proxy.url_with_credentials("http", "u", "s3cret"),
    )
    .await
    .unwrap();
    assert_eq!(connected.protocol, Protocol::Http1);
    assert_eq!(connected.info.remote_addr, Some(proxy.addr()));
    assert!(!format!("{connected:?}").contains("dTpzM2NyZXQ="));
    let forwarding = connected.forwarding.as_ref().unwrap();
    let authorization = forwarding.authorization.as_ref().unwrap();
    assert_eq!(authorization, "Basic dTpzM2NyZXQ=");
    assert!(authorization.is_sensitive());
    let answer = get(
        &mut connected,
        "origin.invalid",
        "http://origin.invalid/get",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let through = proxy.url("http");
    let without = connect_through(settings(), "http://origin.invalid/", &through).await;
    let without = without.unwrap();
    assert!(without.forwarding.unwrap().authorization.is_none());
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_a_proxy_error() {
    let port = closed_port().unwrap();
    for scheme in ["http", "https", "socks5", "socks5h"] {
        for origin in ["http://127.0.0.1/", "https://127.0.0.1/"] {
            let proxy = format!("{scheme}://{}", port.addr());
            let error = connect_through(settings(), origin, &proxy)
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Proxy, "{proxy}");
            assert!(error.message().contains("refused"), "{error}");
        }
    }
    let unknown = format!("http://{}.invalid:1", "a".repeat(64));
    let error = connect_through(settings(), "http://127.0.0.1/", &unknown).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Proxy);
}

#[tokio::test]
async fn a_proxy_that_stalls_is_a_timeout_that_names_the_part() {
    let silent = ScriptedServer::always(Script::new().stall());
    let stalling = ProxyServer::builder()
        .tls(TestCa::shared().localhost())
        .fault(ProxyFault::Stall)
        .start();
    for (proxy, part) in [
        (
            format!("http://{}", silent.authority()),
            "the proxy's handshake",
        ),
        (
            format!("socks5h://{}", silent.authority()),
            "the proxy's handshake",
        ),
        (
            format!("https://{}", silent.authority()),
            "the TLS handshake with the proxy",
        ),
        (stalling.url("https"), "the proxy's handshake"),
    ] {
        let limited = settings().connect_timeout(Duration::from_millis(200));
        let error = connect_through(limited, "https://origin.invalid/", &proxy)
            .await
            .unwrap_err();
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Connect));
        let expected = format!("during {part}");
        assert!(error.message().ends_with(&expected), "{proxy}: {error}");
    }
}
