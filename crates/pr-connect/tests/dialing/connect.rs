//! Dialing peers without a proxy, over TCP and TLS.

use std::{net::TcpListener, time::Duration};

use pr_connect::{Alpn, Connected, Connector, Protocol};
use pr_core::{BackendError, Delivery, ErrorKind, TimeoutPhase};
use pr_testkit::{Identity, Script, ScriptedServer, Server, TestCa, closed_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{PATIENCE, key, key_through, settings};

async fn connect(url: &str, alpn: Alpn) -> Result<Connected, BackendError> {
    Connector::new(&settings())
        .unwrap()
        .connect(&key(url), alpn)
        .await
}

async fn refused(url: &str) -> BackendError {
    let error = connect(url, Alpn::Http1).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.is_connect());
    error
}

#[tokio::test]
async fn bytes_go_both_ways() {
    let script = || Script::new().expect("ping").send("pong").close();
    let plain = ScriptedServer::once(script());
    let tls = TestCa::shared().localhost();
    let encrypted = ScriptedServer::builder()
        .tls(tls)
        .connection(script())
        .start();
    for url in [plain.url("/"), encrypted.url("/")] {
        let mut connected = connect(&url, Alpn::Http1).await.unwrap();
        connected.io.write_all(b"ping").await.unwrap();
        connected.io.flush().await.unwrap();
        let mut answer = String::new();
        connected.io.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "pong");
    }
}

#[tokio::test]
async fn a_connection_has_a_number_of_its_own_and_the_peers_address() {
    let server = Server::start();
    let one = connect(&server.url("/"), Alpn::Http1).await.unwrap().info;
    let two = connect(&server.url("/"), Alpn::Http1).await.unwrap().info;
    assert_ne!(one.id, two.id);
    assert!(one.id != 0 && !one.reused);
    assert_eq!(one.remote_addr, Some(server.addr()));
}

#[tokio::test]
async fn the_protocol_is_what_alpn_settled_on() {
    let tls = || Server::builder().tls(TestCa::shared().localhost());
    let (both, old, silent) = (
        tls().start(),
        tls().http1_only().start(),
        tls().alpn(&[]).start(),
    );
    for (server, alpn, expected) in [
        (&both, Alpn::Http2OrHttp1, Protocol::Http2),
        (&both, Alpn::Http1, Protocol::Http1),
        (&old, Alpn::Http2OrHttp1, Protocol::Http1),
        (&silent, Alpn::Http2OrHttp1, Protocol::Http1),
    ] {
        let connected = connect(&server.url("/"), alpn).await.unwrap();
        assert_eq!(connected.protocol, expected);
    }
    let plain = Server::start();
    let connected = connect(&plain.url("/"), Alpn::Http2OrHttp1).await.unwrap();
    assert_eq!(connected.protocol, Protocol::Http1);
}

#[tokio::test]
async fn a_name_is_resolved_and_sent_as_sni() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    // "localhost" may resolve to ::1 first, where nobody listens.
    let mut connected = connect(&server.url_with_host("localhost", "/"), Alpn::Http1)
        .await
        .unwrap();
    assert_eq!(connected.info.remote_addr, Some(server.addr()));
    // The server's half of the handshake is over when it has read a request.
    connected
        .io
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    connected.io.flush().await.unwrap();
    let begun = server
        .ledger()
        .wait_until(|seen| seen.requests_begun == 1, PATIENCE);
    begun.await.unwrap();
    assert_eq!(
        server.ledger().connections()[0].server_name.as_deref(),
        Some("localhost")
    );
}

#[tokio::test]
async fn an_ipv6_address_is_dialed_without_its_brackets() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        // A machine without IPv6 has nothing to show here.
        return;
    };
    let addr = listener.local_addr().unwrap();
    let connected = connect(&format!("http://{addr}/"), Alpn::Http1)
        .await
        .unwrap();
    assert_eq!(connected.info.remote_addr, Some(addr));
}

#[tokio::test]
async fn a_closed_port_is_a_connect_error() {
    let error = refused(&closed_port().unwrap().url("/")).await;
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.message().contains("refused"));
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_certificate_that_will_not_do_is_told_why() {
    let ca = TestCa::shared();
    for (identity, text) in [
        (ca.issue_expired(&["127.0.0.1"]), "expired"),
        (ca.issue(&["elsewhere.example"]), "another host"),
        (TestCa::generate().localhost(), "unknown issuer"),
        (Identity::self_signed(&["127.0.0.1"]), "certificate"),
    ] {
        let server = Server::builder().tls(identity).start();
        let error = refused(&server.url("/")).await;
        assert_eq!(error.kind(), ErrorKind::Tls);
        assert!(error.message().contains(text), "{}", error.message());

        let unverified = key_through(&server.url("/"), None, false);
        let connector = Connector::new(&settings()).unwrap();
        connector.connect(&unverified, Alpn::Http1).await.unwrap();
    }
}

#[tokio::test]
async fn a_peer_that_fails_at_tls_is_told_how() {
    let plain = ScriptedServer::once(
        Script::new()
            .send("HTTP/1.1 400 Bad Request\r\n\r\n")
            .stall(),
    );
    let silent = ScriptedServer::once(Script::new().expect_bytes(1).close());
    let abrupt = ScriptedServer::once(Script::new().expect_bytes(1).reset());
    for (server, text) in [
        (plain, "does not speak TLS"),
        (silent, "closed the connection during the TLS handshake"),
        (abrupt, "closed the connection during the TLS handshake"),
    ] {
        let error = refused(&format!("https://{}/", server.authority())).await;
        assert_eq!(error.kind(), ErrorKind::Tls);
        assert!(error.message().contains(text), "{}", error.message());
    }
}

#[tokio::test]
async fn the_time_limit_is_for_everything_together() {
    let server = ScriptedServer::once(Script::new().stall());
    let config = settings().connect_timeout(Duration::from_millis(100));
    let connector = Connector::new(&config).unwrap();
    let url = format!("https://{}/", server.authority());
    let error = connector
        .connect(&key(&url), Alpn::Http1)
        .await
        .unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Connect));
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(
        error.message().contains("TLS handshake"),
        "{}",
        error.message()
    );
    // The connection does not outlive the attempt.
    let closed = |all: &[pr_testkit::ScriptedConnection]| all[0].finished;
    assert!(
        server
            .wait_until(closed, Duration::from_secs(20))
            .await
            .is_some()
    );
}

#[tokio::test]
async fn the_longest_time_limit_is_none() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let config = settings().connect_timeout(Duration::MAX);
    let connector = Connector::new(&config).unwrap();
    connector
        .connect(&key(&server.url("/")), Alpn::Http1)
        .await
        .unwrap();
}
