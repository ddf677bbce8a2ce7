//! Which part of the way through a proxy an error says has failed.

use std::time::Duration;

use pr_core::FailedHop::{self, Origin, Proxy, Tunnel};
use pr_testkit::{ProxyFault, ProxyServer, Server, TestCa, closed_port};

use crate::support::{connect, connect_through, settings};

/// The part that failed on the way to a server whose certificate nobody trusts.
async fn failed_hop(scheme: &str, proxy: &str) -> Option<FailedHop> {
    let server = Server::builder()
        .tls(TestCa::generate().localhost())
        .start();
    let url = server.url("/");
    let settings = settings().connect_timeout(Duration::from_millis(400));
    let outcome = connect_through(settings, &url, &format!("{scheme}://{proxy}")).await;
    outcome.unwrap_err().failed_hop()
}

#[tokio::test]
async fn each_failure_is_told_from_the_others() {
    let refusal = |status| ProxyFault::Refuse { status, body: "" };
    for (fault, http, socks) in [
        (None, Origin, Origin),
        (Some(ProxyFault::Stall), Tunnel, Tunnel),
        (Some(refusal(502)), Tunnel, Tunnel),
        (Some(refusal(407)), Proxy, Tunnel),
        (Some(ProxyFault::SocksReply(5)), Origin, Tunnel),
        (Some(ProxyFault::SocksReply(7)), Origin, Proxy),
        (Some(ProxyFault::Close), Proxy, Proxy),
        (Some(ProxyFault::Answer("?".into())), Proxy, Proxy),
    ] {
        for (scheme, hop) in [("http", http), ("socks5h", socks), ("socks5", socks)] {
            let mut proxy = ProxyServer::builder();
            if let Some(fault) = fault.clone() {
                proxy = proxy.fault(fault);
            }
            let proxy = match scheme {
                "http" => proxy,
                _ => proxy.socks5(),
            }
            .start();
            let failed = failed_hop(scheme, &proxy.authority()).await;
            assert_eq!(failed, Some(hop), "{scheme}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_or_wants_credentials_is_the_part_that_failed() {
    let closed = closed_port().unwrap();
    let strict = || ProxyServer::builder().credentials("user", "pass");
    let (http, socks) = (strict().start(), strict().socks5().start());
    for scheme in ["http", "https", "socks5", "socks5h"] {
        let absent = closed.addr().to_string();
        assert_eq!(failed_hop(scheme, &absent).await, Some(Proxy), "{scheme}");
        let strict = if scheme.starts_with("http") {
            &http
        } else {
            &socks
        };
        let failed = failed_hop(scheme, &strict.authority()).await;
        assert_eq!(failed, Some(Proxy), "{scheme}");
    }
    let url = format!("http://{}/", closed.addr());
    let error = connect(settings(), &url).await.unwrap_err();
    assert_eq!(error.failed_hop(), None, "there is no proxy");
}
