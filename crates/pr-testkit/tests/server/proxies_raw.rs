//! Proxies talked to byte by byte: SOCKS5, and what goes wrong on order.

use std::time::Duration;

use pr_testkit::{ProxyFault, ProxyServer, ProxyTarget, Server, closed_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::PATIENCE;

/// Sends this and nothing more over a connection of its own, and returns what comes until the proxy
/// closes.
pub(crate) async fn say(proxy: &ProxyServer, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut stream = sent(proxy, bytes).await;
    stream.shutdown().await.expect("the proxy is there");
    hear(stream).await
}

/// The same without closing the sending side first: the peer behind the proxy has to end it.
pub(crate) async fn say_on(proxy: &ProxyServer, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    hear(sent(proxy, bytes).await).await
}

async fn sent(proxy: &ProxyServer, bytes: impl AsRef<[u8]>) -> TcpStream {
    let stream = TcpStream::connect(proxy.addr()).await;
    let mut stream = stream.expect("the proxy listens");
    let written = stream.write_all(bytes.as_ref()).await;
    written.expect("the proxy reads");
    stream
}

async fn hear(mut stream: TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
    read.expect("it ends").expect("the proxy closes in order");
    heard
}

/// A greeting without credentials and a request for a connection, with this command and address.
fn socks(command: u8, address: &[u8], port: u16) -> Vec<u8> {
    let start = [5, 1, 0, 5, command, 0];
    [&start[..], address, &port.to_be_bytes()].concat()
}

#[tokio::test]
async fn socks_targets_are_names_or_addresses() {
    let server = Server::start();
    let port = server.addr().port();
    let proxy = ProxyServer::builder()
        .socks5()
        .resolve("origin.invalid", server.addr())
        .resolve("::1", server.addr())
        .start();
    let ask = b"GET /status/204 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    let [name, v4, v6] = [
        b"\x03\x0eorigin.invalid".to_vec(),
        vec![1, 127, 0, 0, 1],
        [&[4][..], &[0; 15], &[1]].concat(),
    ];
    for (address, shown) in [
        (&name, "origin.invalid"),
        (&v4, "127.0.0.1"),
        (&v6, "[::1]"),
    ] {
        let heard = say_on(&proxy, [&socks(1, address, port), &ask[..]].concat()).await;
        assert!(
            heard.starts_with(&[5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
            "{heard:?}"
        );
        assert!(heard[12..].starts_with(b"HTTP/1.1 204"), "{heard:?}");
        let asked = proxy.requests().pop().unwrap();
        assert_eq!(asked.target.to_string(), format!("{shown}:{port}"));
        let by_name = matches!(asked.target, ProxyTarget::Name(..));
        assert_eq!(by_name, shown.starts_with('o'));
    }
    let closed = closed_port().unwrap();
    for (reply, bytes) in [
        (4, socks(1, b"\x03\x07unknown", 80)),
        (4, socks(1, &[1, 192, 0, 2, 1], 80)),
        (5, socks(1, &v4, closed.addr().port())),
        (7, socks(2, &v4, port)),
        (8, socks(1, &[9], port)),
    ] {
        assert_eq!(say(&proxy, bytes).await[2..4], [5, reply]);
    }
    assert_eq!(say(&proxy, [5, 1, 3]).await, [5, 0xff]);
    let anybody = [
        &[5, 2, 0, 2, 1, 1, b'u', 1, b'p'][..],
        &socks(1, &v4, port)[3..],
    ]
    .concat();
    assert_eq!(say(&proxy, anybody).await[..6], [5, 2, 1, 0, 5, 0]);
    let last = proxy.requests().pop().unwrap();
    assert_eq!(last.credentials.as_deref(), Some("u:p"));
    assert!(say(&proxy, "GET / HTTP/1.1\r\n\r\n").await.is_empty());
    assert!(
        proxy
            .connections()
            .iter()
            .all(|one| !one.received.is_empty())
    );
}

#[tokio::test]
async fn faults_come_as_ordered() {
    let server = Server::start();
    let connect = format!("CONNECT {} HTTP/1.1\r\n\r\n", server.authority());
    let get = format!(
        "GET {} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
        server.url("/get")
    );
    let dial = socks(1, &[1, 127, 0, 0, 1], server.addr().port());
    let refuse = ProxyFault::Refuse {
        status: 403,
        body: "no, s3cret",
    };
    let answer = ProxyFault::Answer("\0garbage".into());
    let (http, socks) = (ProxyServer::http(), ProxyServer::socks5());
    for (fault, http_says, socks_says) in [
        (refuse, &b"HTTP/1.1 403"[..], &[5, 0, 5, 2][..]),
        (answer, b"\0garbage", b"\x05\0\0garbage"),
        (ProxyFault::Close, b"", &[5, 0]),
    ] {
        http.set_fault(fault.clone());
        for heard in [say(&http, &connect).await, say_on(&http, &get).await] {
            assert!(heard.starts_with(http_says), "{fault:?}: {heard:?}");
            assert_eq!(heard.is_empty(), http_says.is_empty(), "{fault:?}");
        }
        socks.set_fault(fault.clone());
        let heard = say(&socks, &dial).await;
        assert!(heard.starts_with(socks_says), "{fault:?}: {heard:?}");
    }
    socks.set_fault(ProxyFault::SocksReply(6));
    assert_eq!(say(&socks, &dial).await[2..4], [5, 6]);
    assert_eq!(server.ledger().counts().connections_accepted, 0);

    let established = "HTTP/1.1 200 Fine\r\ncontent-length: 5\r\n\r\n";
    http.set_fault(ProxyFault::TunnelHead(established.into()));
    assert_eq!(say(&http, &connect).await, established.as_bytes());

    for (proxy, request) in [
        (&http, connect.as_bytes()),
        (&http, get.as_bytes()),
        (&socks, &dial),
    ] {
        proxy.set_fault(ProxyFault::Stall);
        let mut stream = sent(proxy, request).await;
        let asked = proxy.wait_until(
            |all| all.last().is_some_and(|one| one.requests.len() == 1),
            PATIENCE,
        );
        assert!(asked.await.is_some());
        let mut heard = [0; 3];
        let quiet = timeout(Duration::from_millis(50), stream.read_exact(&mut heard)).await;
        assert!(quiet.is_err(), "{heard:?}");
        drop(stream);
        let closed = proxy.wait_until(|all| all.iter().all(|one| !one.open), PATIENCE);
        assert!(closed.await.is_some());
        proxy.set_fault(None);
    }
    assert!(say(&http, &connect).await.starts_with(b"HTTP/1.1 200"));
}
