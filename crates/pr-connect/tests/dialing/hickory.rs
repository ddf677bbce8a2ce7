//! The resolver that speaks DNS itself, against a name server of the test's own.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use pr_connect::HickoryResolver;
use pr_core::{DnsFailure, ErrorKind, Resolve};
use pr_testkit::Server;
use tokio::net::UdpSocket;

use crate::support::{connect, settings};

const A: u16 = 1;
const AAAA: u16 = 28;

/// A name server that knows what to answer by the first letters of a name (RFC 1035, section 4).
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 512];
        loop {
            let (length, client) = socket.recv_from(&mut query).await.unwrap();
            if let Some(answer) = answer(&query[..length]) {
                socket.send_to(&answer, client).await.unwrap();
            }
        }
    });
    addr
}

fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let name_ends = 12 + query[12..].iter().position(|byte| *byte == 0)?;
    let question_ends = name_ends + 5;
    let kind = u16::from_be_bytes([query[name_ends + 1], query[name_ends + 2]]);
    let label = &query[13..13 + usize::from(query[12])];
    let (code, data): (u8, Option<Vec<u8>>) = match (label, kind) {
        (b"both" | b"four", A) => (0, Some(Ipv4Addr::LOCALHOST.octets().to_vec())),
        (b"both" | b"six", AAAA) => (0, Some(Ipv6Addr::LOCALHOST.octets().to_vec())),
        (b"both" | b"four" | b"six" | b"empty", _) => (0, None),
        (b"servfail", _) => (2, None),
        (b"refused", _) => (5, None),
        (b"silent", _) => return None,
        _ => (3, None),
    };
    let mut answer = query[..2].to_vec();
    // A response, recursion desired and available.
    answer.extend([
        0x81,
        0x80 | code,
        0,
        1,
        0,
        u8::from(data.is_some()),
        0,
        0,
        0,
        0,
    ]);
    answer.extend(&query[12..question_ends]);
    if let Some(data) = data {
        // The name of the question, its type, class IN, a minute, and the address.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
        answer.extend(data);
    }
    Some(answer)
}

async fn resolver() -> HickoryResolver {
    let timeout = Duration::from_millis(200);
    HickoryResolver::with_servers(&[name_server().await], timeout).unwrap()
}

#[tokio::test]
async fn addresses_of_both_families_are_found() {
    let resolver = resolver().await;
    let (four, six) = (
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    );
    for (host, expected) in [
        ("both.example", vec![six, four]),
        ("four.example", vec![four]),
        ("six.example", vec![six]),
    ] {
        assert_eq!(resolver.resolve(host).await.unwrap(), expected, "{host}");
    }
}

#[tokio::test]
async fn failures_are_told_apart() {
    let resolver = resolver().await;
    let label = "a".repeat(64);
    for (host, failure) in [
        ("none.example", DnsFailure::NotFound),
        ("empty.example", DnsFailure::NotFound),
        (&*format!("{label}.example"), DnsFailure::NotFound),
        ("servfail.example", DnsFailure::Transient),
        ("silent.example", DnsFailure::Transient),
        ("refused.example", DnsFailure::Other),
    ] {
        let error = resolver.resolve(host).await.unwrap_err();
        assert_eq!(error.failure(), failure, "{host}: {error:?}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[tokio::test]
async fn connections_are_opened_by_what_it_finds() {
    let server = Server::start();
    let settings = settings().resolver(Arc::new(resolver().await));
    // Nobody listens on the IPv6 address.
    let url = server.url_with_host("both.example", "/");
    let connected = connect(settings.clone(), &url).await.unwrap();
    assert_eq!(connected.info.remote_addr, Some(server.addr()));
    let error = connect(settings, "http://servfail.example/")
        .await
        .unwrap_err();
    assert_eq!(error.dns_failure(), Some(DnsFailure::Transient));
}

#[tokio::test]
async fn it_does_not_mind_where_it_is_used_and_dropped() {
    let resolver = resolver().await;
    let other = resolver.clone();
    // A runtime without timers and sockets, and of which nothing runs afterwards.
    let elsewhere = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(other.resolve("four.example"))
    });
    assert_eq!(elsewhere.await.unwrap().unwrap().len(), 1);
    let pending = resolver.resolve("silent.example");
    drop(resolver);
    assert!(pending.await.is_err());
}

#[test]
fn a_resolver_without_servers_is_refused() {
    let error = HickoryResolver::with_servers(&[], Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}
