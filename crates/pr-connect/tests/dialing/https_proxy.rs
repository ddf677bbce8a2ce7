//! Proxies that are spoken to over TLS.

use pr_connect::Protocol;
use pr_core::{Certificate, ErrorKind, Identity, Roots, TlsConfig, TransportConfig};
use pr_testkit::{ProxyFault, ProxyServer, Script, ScriptedServer, Server, TestCa};

use crate::support::{connect_key, connect_through, get, key_through, settings};

fn encrypted() -> ProxyServer {
    ProxyServer::builder()
        .tls(TestCa::shared().localhost())
        .credentials("user", "s3cret")
        .start()
}

/// Settings with a certificate of the client's.
fn identified() -> TransportConfig {
    let issued = TestCa::shared().issue_client("mine");
    let (chain, private_key) = (issued.certificate_pem(), issued.key_pem());
    let identity = Identity::from_pem(chain.as_bytes(), private_key.as_bytes()).unwrap();
    let settings = settings();
    let tls = settings.tls.clone().identity(identity);
    settings.tls(tls)
}

#[tokio::test]
async fn tls_to_the_origin_goes_within_that_to_the_proxy() {
    let ca = TestCa::shared();
    let server = Server::builder()
        .tls(ca.localhost())
        .http1_only()
        .request_client_certificate(ca)
        .start();
    let proxy = encrypted();
    let through = proxy.url_with_credentials("https", "user", "s3cret");
    let mut connected = connect_through(identified(), &server.url("/"), &through)
        .await
        .unwrap();
    assert_eq!(connected.info.remote_addr, Some(proxy.addr()));
    assert!(connected.forwarding.is_none());
    let answer = get(&mut connected, "localhost", "/get").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let request = &proxy.requests()[0];
    assert!(request.tunnel && request.accepted);
    assert_eq!(request.target.to_string(), server.authority());
    assert!(!proxy.saw("GET /get"));
    let seen = &server.ledger().connections()[0];
    assert!(seen.client_certificate.is_some());
}

#[tokio::test]
async fn http2_is_spoken_with_the_origin_and_not_with_the_proxy() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let proxy = ProxyServer::builder()
        .tls(TestCa::shared().localhost())
        .start();
    let connected = connect_through(settings(), &server.url("/"), &proxy.url("https"))
        .await
        .unwrap();
    assert_eq!(connected.protocol, Protocol::Http2);
}

#[tokio::test]
async fn the_clients_certificate_is_not_for_the_proxy() {
    let ca = TestCa::shared();
    // What it is shown as a proxy, a server tells as well.
    let proxy = Server::builder()
        .tls(ca.localhost())
        .request_client_certificate(ca)
        .start();
    let through = proxy.url("").replace("127.0.0.1", "localhost");
    let connected = connect_through(identified(), "http://origin.invalid/", &through).await;
    get(&mut connected.unwrap(), "origin.invalid", "/get").await;
    let seen = &proxy.ledger().connections()[0];
    assert_eq!(seen.client_certificate, None);
    assert_eq!(seen.alpn_offered, ["http/1.1"]);
}

#[tokio::test]
async fn a_plain_request_is_forwarded_over_tls() {
    let server = Server::start();
    let proxy = ProxyServer::builder()
        .tls(TestCa::shared().localhost())
        .resolve("origin.invalid", server.addr())
        .start();
    let through = proxy.url("https").replace("127.0.0.1", "localhost");
    let mut connected = connect_through(settings(), "http://origin.invalid/", &through)
        .await
        .unwrap();
    assert!(connected.forwarding.is_some());
    assert_eq!(connected.protocol, Protocol::Http1);
    let answer = get(
        &mut connected,
        "origin.invalid",
        "http://origin.invalid/get",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = &proxy.connections()[0];
    assert_eq!(seen.server_name.as_deref(), Some("localhost"));
}

#[tokio::test]
async fn the_proxy_is_verified_whatever_the_request_says() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let foreign = TestCa::generate();
    let proxy = ProxyServer::builder().tls(foreign.localhost()).start();
    let through = Some(proxy.url("https"));
    // The request trusts the proxy's issuer, or everybody; the backend's settings do not.
    let roots = Certificate::from_pem_bundle(foreign.pem().as_bytes()).unwrap();
    let own = TlsConfig::default().roots(Roots::Only(roots));
    let unverified = key_through(&server.url("/"), through.as_deref(), false);
    for key in [unverified.clone(), unverified.with_tls(own)] {
        let error = connect_key(settings(), &key).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy);
        assert!(error.message().contains("TLS to the proxy"), "{error}");
        assert!(error.message().contains("unknown issuer"), "{error}");
    }
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn the_requests_own_settings_are_for_the_origin_alone() {
    let foreign = TestCa::generate();
    let server = Server::builder().tls(foreign.localhost()).start();
    let proxy = encrypted();
    let through = proxy.url_with_credentials("https", "user", "s3cret");
    let roots = Certificate::from_pem_bundle(foreign.pem().as_bytes()).unwrap();
    let own = TlsConfig::default().roots(Roots::Only(roots));
    let key = key_through(&server.url("/"), Some(&through), true);
    let error = connect_key(settings(), &key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    connect_key(settings(), &key.with_tls(own)).await.unwrap();
}

#[tokio::test]
async fn a_tunnel_that_is_refused_says_with_which_status() {
    let proxy = encrypted();
    for (through, status) in [
        (proxy.url("https"), 407),
        (proxy.url_with_credentials("https", "user", "s3cret"), 403),
    ] {
        if status == 403 {
            let body = "no";
            proxy.set_fault(ProxyFault::Refuse { status, body });
        }
        let error = connect_through(settings(), "https://origin.invalid/", &through)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy);
        assert_eq!(error.proxy_status().unwrap().as_u16(), status);
    }
}

#[tokio::test]
async fn a_proxy_without_tls_is_told_so() {
    let script = Script::new().expect_bytes(1);
    let server = ScriptedServer::once(script.send("HTTP/1.1 400 No\r\n\r\n").stall());
    let proxy = format!("https://{}", server.authority());
    let error = connect_through(settings(), "http://origin.invalid/", &proxy)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert!(error.message().contains("does not speak TLS"), "{error}");
}
