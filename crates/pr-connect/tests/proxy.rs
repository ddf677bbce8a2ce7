//! Dialing through proxies: real ones, and ones that refuse, lie or stall.

#![expect(
    clippy::unwrap_used,
    reason = "tests state what they expect by unwrapping it"
)]

use std::{net::SocketAddr, time::Duration};

use pr_connect::{Alpn, Connected, Connector, Protocol};
use pr_core::{
    BackendError, Certificate, ConnectionKey, Delivery, ErrorKind, ProtocolChoice, Proxy, Roots,
    TimeoutPhase, TransportConfig,
};
use pr_testkit::{Script, ScriptedServer, Server, TestCa, closed_port};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use url::Url;

fn settings() -> TransportConfig {
    let authority = Certificate::from_pem_bundle(TestCa::shared().pem().as_bytes()).unwrap();
    TransportConfig::default().roots(Roots::Only(authority))
}

async fn connect(url: &str, proxy: &str) -> Result<Connected, BackendError> {
    connect_with(settings(), url, proxy).await
}

async fn connect_with(
    settings: TransportConfig,
    url: &str,
    proxy: &str,
) -> Result<Connected, BackendError> {
    let proxy = Some(Proxy::new(proxy).unwrap());
    let url = Url::parse(url).unwrap();
    let key = ConnectionKey::new(&url, proxy, true, ProtocolChoice::Negotiate).unwrap();
    Connector::new(&settings)
        .unwrap()
        .connect(&key, Alpn::Http2OrHttp1)
        .await
}

/// The error of an attempt to reach an origin that is there for nobody.
async fn refused(scheme: &str, proxy: &str) -> BackendError {
    let error = connect(&format!("{scheme}://origin.example/"), proxy)
        .await
        .unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(!format!("{} {error:?}", error.chain()).contains("s3cret"));
    error
}

/// A proxy that makes one tunnel, and gives back the head of the request for it.
async fn relay() -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let relaying = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let target = head.split(' ').nth(1).unwrap();
        let mut origin = TcpStream::connect(target).await.unwrap();
        // Any 2xx makes a tunnel, and what it says of content means nothing.
        let answer = "HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\n";
        client.write_all(answer.as_bytes()).await.unwrap();
        // The test ends one of the two sides in its own way.
        copy_bidirectional(&mut client, &mut origin).await.ok();
        head
    });
    (addr, relaying)
}

#[tokio::test]
async fn an_https_origin_is_reached_through_a_tunnel() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let (addr, relaying) = relay().await;
    let proxy = format!("http://us%20er:p%40ss@{addr}");
    let connected = connect(&server.url("/"), &proxy).await.unwrap();
    assert_eq!(connected.protocol, Protocol::Http2);
    assert_eq!(connected.info.remote_addr, Some(addr));
    assert!(connected.forwarding.is_none());
    drop(connected);
    let head = relaying.await.unwrap().to_lowercase();
    let origin = server.authority();
    assert!(
        head.starts_with(&format!("connect {origin} http/1.1\r\n")),
        "{head}"
    );
    assert!(head.contains(&format!("host: {origin}\r\n")), "{head}");
    // "us er:p@ss"
    assert!(
        head.contains("proxy-authorization: basic dxmgzxi6cebzcw==\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn a_certificate_is_verified_through_a_tunnel_too() {
    let server = Server::builder()
        .tls(TestCa::generate().localhost())
        .start();
    let (addr, _relaying) = relay().await;
    let error = connect(&server.url("/"), &format!("http://{addr}"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
}

#[tokio::test]
async fn a_plain_request_is_forwarded() {
    let server = ScriptedServer::always(Script::new().stall());
    let connected = connect(
        "http://origin.example/",
        &format!("http://u:s3cret@{}", server.authority()),
    )
    .await;
    let connected = connected.unwrap();
    assert_eq!(connected.protocol, Protocol::Http1);
    assert_eq!(connected.info.remote_addr, Some(server.addr()));
    assert!(!format!("{connected:?}").contains("dTpzM2NyZXQ="));
    let authorization = connected.forwarding.unwrap().authorization.unwrap();
    assert_eq!(authorization, "Basic dTpzM2NyZXQ=");

    let proxy = format!("http://{}", server.authority());
    let without = connect("http://origin.example/", &proxy).await.unwrap();
    assert!(without.forwarding.unwrap().authorization.is_none());
}

#[tokio::test]
async fn a_tunnel_that_is_refused_says_with_which_status() {
    for (answer, credentials, text) in [
        (
            "HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n",
            "",
            "put them into its URL",
        ),
        (
            "HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n",
            "u:s3cret@",
            "does not accept",
        ),
        (
            "HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nno!!",
            "",
            "status 403",
        ),
        ("HTTP/1.1 502 No\r\n\r\n", "", "status 502"),
        (
            "HTTP/1.1 302 No\r\nlocation: http://127.0.0.1/\r\n\r\n",
            "",
            "status 302",
        ),
        ("HTTP/1.1 101 No\r\n\r\n", "", "status 101"),
        ("220 mail.example\r\n\r\n", "", "not HTTP/1.1"),
        ("HTTP/1.1 200 OK\0\r\n\r\n", "", "not HTTP/1.1"),
        ("HTTP/1.1 200 OK\r\n", "", "without an answer"),
        ("", "", "without an answer"),
        (
            "HTTP/1.1 200 OK\r\n\r\nearly",
            "",
            "before the tunnel was used",
        ),
    ] {
        let server = ScriptedServer::once(Script::new().expect_head().send(answer).close());
        let error = refused(
            "https",
            &format!("http://{credentials}{}", server.authority()),
        )
        .await;
        assert_eq!(error.kind(), ErrorKind::Proxy, "{answer:?}");
        assert!(
            error.message().contains(text),
            "{answer:?}: {}",
            error.message()
        );
        assert_eq!(server.connections().len(), 1);
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_a_proxy_error() {
    let port = closed_port().unwrap();
    for scheme in ["http", "socks5", "socks5h"] {
        let error = refused("https", &format!("{scheme}://{}", port.addr())).await;
        assert_eq!(error.kind(), ErrorKind::Proxy);
        assert!(error.message().contains("refused"), "{}", error.message());
    }
    let unknown = format!("http://{}.invalid:1", "a".repeat(64));
    assert_eq!(refused("http", &unknown).await.kind(), ErrorKind::Proxy);
}

#[tokio::test]
async fn a_proxy_that_stalls_is_a_timeout() {
    let server = ScriptedServer::always(Script::new().stall());
    for scheme in ["http", "socks5h"] {
        let limited = settings().connect_timeout(Duration::from_millis(100));
        let proxy = format!("{scheme}://{}", server.authority());
        let error = connect_with(limited, "https://origin.example/", &proxy)
            .await
            .unwrap_err();
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Connect));
        assert!(
            error.message().contains("the proxy's handshake"),
            "{}",
            error.message()
        );
    }
}

const NO_CREDENTIALS: &[u8] = b"\x05\x01\x00";
const WITH_CREDENTIALS: &[u8] = b"\x05\x01\x02";
const DONE: &[u8] = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";

async fn ping(connected: Result<Connected, BackendError>) {
    let mut connected = connected.unwrap();
    assert!(connected.forwarding.is_none());
    connected.io.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    connected.io.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"pong");
}

#[tokio::test]
async fn socks5h_leaves_the_name_to_the_proxy() {
    let script = Script::new()
        .expect(NO_CREDENTIALS)
        .send(&b"\x05\x00"[..])
        .expect(&b"\x05\x01\x00\x03\x0eorigin.example\x00\x51"[..])
        .send(DONE)
        .expect("ping")
        .send("pong");
    let server = ScriptedServer::once(script);
    let proxy = format!("socks5h://{}", server.authority());
    ping(connect("http://origin.example:81/", &proxy).await).await;
}

#[tokio::test]
async fn socks5_credentials_are_sent_as_they_were_meant() {
    let script = Script::new()
        .expect(WITH_CREDENTIALS)
        .send(&b"\x05\x02"[..])
        .expect(&b"\x01\x04us@r\x02pw"[..])
        .send(&b"\x01\x00"[..])
        .expect(&b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50"[..])
        .send(DONE)
        .expect("ping")
        .send("pong");
    let server = ScriptedServer::once(script);
    let proxy = format!("socks5://us%40r:pw@{}", server.authority());
    ping(connect("http://127.0.0.1/", &proxy).await).await;
}

#[tokio::test]
async fn socks5_resolves_the_name_here() {
    let script = Script::new()
        .expect(NO_CREDENTIALS)
        .send(&b"\x05\x00"[..])
        .expect_bytes(4)
        .send(&b"\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"[..]);
    let server = ScriptedServer::once(script);
    let proxy = format!("socks5://{}", server.authority());
    let error = connect("http://localhost/", &proxy).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Proxy);
    let address_type = server.connections()[0].received[NO_CREDENTIALS.len() + 3];
    assert!([1, 4].contains(&address_type), "a name was sent");

    let server = ScriptedServer::once(Script::new().stall());
    let unknown = format!("http://{}.invalid/", "a".repeat(64));
    let proxy = format!("socks5://{}", server.authority());
    assert_eq!(
        connect(&unknown, &proxy).await.unwrap_err().kind(),
        ErrorKind::Dns
    );
}

#[tokio::test]
async fn a_socks5_proxy_that_refuses_is_a_proxy_error() {
    let no_method = Script::new()
        .expect(WITH_CREDENTIALS)
        .send(&b"\x05\xff"[..]);
    let bad_credentials = Script::new()
        .expect(WITH_CREDENTIALS)
        .send(&b"\x05\x02"[..])
        .expect(&b"\x01\x01u\x06s3cret"[..])
        .send(&b"\x01\x01"[..]);
    let garbage = Script::new()
        .expect(WITH_CREDENTIALS)
        .send("HTTP/1.1 400 Bad Request\r\n\r\n");
    let silence = Script::new().expect(WITH_CREDENTIALS);
    for script in [no_method, bad_credentials, garbage, silence] {
        let server = ScriptedServer::once(script.close());
        let error = refused(
            "https",
            &format!("socks5h://u:s3cret@{}", server.authority()),
        )
        .await;
        assert_eq!(error.kind(), ErrorKind::Proxy, "{}", error.chain());
    }
}

#[tokio::test]
async fn credentials_that_socks_cannot_carry_are_refused() {
    let server = ScriptedServer::always(Script::new().stall());
    let error = refused(
        "http",
        &format!("socks5h://%ff:s3cret@{}", server.authority()),
    )
    .await;
    assert_eq!(error.kind(), ErrorKind::Input);
}
