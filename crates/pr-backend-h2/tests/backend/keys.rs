//! Which requests share a connection, and what is remembered of a peer for whom: all that stands in
//! the connection's key makes a difference.

use http::Version;
use pr_backend_h2::{BackendExt, RequestConfig, TransportConfig};
use pr_core::{ErrorKind, TlsConfig};
use pr_testkit::{Server, TestCa};

use crate::support::{backend, plain, soon, tls};

fn with_alpn(protocols: &[&str]) -> TlsConfig {
    tls().tls.alpn(protocols.iter().copied())
}

#[tokio::test]
async fn tls_settings_of_a_requests_own_are_learned_from_for_themselves() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = backend(tls());
    let own = |protocols: &[&str]| RequestConfig::get(server.url("/get")).tls(with_alpn(protocols));
    // The first ones have the peer speak HTTP/1.1, which is no reason to take it for a peer that
    // speaks nothing newer.
    for (request, version) in [
        (own(&["http/1.1"]), Version::HTTP_11),
        (own(&["h2"]), Version::HTTP_2),
        (RequestConfig::get(server.url("/get")), Version::HTTP_2),
        (own(&[]), Version::HTTP_11),
        (own(&["http/1.1"]), Version::HTTP_11),
        (own(&["h2"]), Version::HTTP_2),
        (RequestConfig::get(server.url("/get")), Version::HTTP_2),
        (own(&[]), Version::HTTP_11),
    ] {
        let response = soon(backend.request(request)).await.unwrap();
        assert_eq!(response.version(), version);
    }
    let offered: Vec<_> = server.ledger().connections();
    assert_eq!(offered.len(), 4);
}

#[tokio::test]
async fn alpn_of_the_backends_own_decides_even_with_prior_knowledge() {
    let secure = Server::builder().tls(TestCa::shared().localhost()).start();
    let open = Server::builder().http2_only().start();
    for (protocols, version) in [
        (&["http/1.1"][..], Version::HTTP_11),
        (&[], Version::HTTP_11),
        (&["h2"], Version::HTTP_2),
    ] {
        let config = TransportConfig::default()
            .tls(with_alpn(protocols))
            .http2_prior_knowledge(true);
        let backend = backend(config);
        for _ in 0..2 {
            let response = soon(backend.request(secure.url("/get"))).await.unwrap();
            assert_eq!(response.version(), version, "{protocols:?}");
        }
        let response = soon(backend.request(open.url("/get"))).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2, "{protocols:?}");
    }
}

#[tokio::test]
async fn a_peer_that_insists_on_h2_cannot_be_asked_for_http1() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = backend(tls());
    let request = RequestConfig::get(server.url("/get"))
        .tls(with_alpn(&["h2"]))
        .http2(false);
    let error = soon(backend.request(request)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
}

#[tokio::test]
async fn the_request_that_opens_a_connection_says_what_that_took() {
    let identity = || TestCa::shared().localhost();
    for server in [
        Server::builder().tls(identity()).start(),
        Server::builder().tls(identity()).http1_only().start(),
        Server::builder().http2_only().start(),
    ] {
        let config = tls().http2_prior_knowledge(true);
        let backend = backend(config);
        let first = soon(backend.request(server.url("/get"))).await.unwrap();
        let dial = first.timings().dial.unwrap();
        assert!(dial.tcp.is_some(), "{dial:?}");
        assert_eq!(dial.tls.is_some(), server.url("/").starts_with("https"));
        let second = soon(backend.request(server.url("/get"))).await.unwrap();
        assert_eq!(second.timings().dial, None);
    }
}

#[tokio::test]
async fn of_those_who_wait_for_one_connection_one_has_opened_it() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain().http2_connections_per_origin(1));
    let burst = (0..20).map(|_| backend.request(server.url("/get")));
    let responses = soon(futures::future::join_all(burst)).await;
    let told = responses
        .iter()
        .filter(|response| response.as_ref().unwrap().timings().dial.is_some());
    assert_eq!(told.count(), 1);
}

#[cfg(unix)]
mod unix {
    use std::path::PathBuf;

    use tokio::{
        io::copy_bidirectional,
        net::{TcpStream, UnixListener},
    };

    use super::*;

    /// A Unix socket that leads to a server, for as long as the test's runtime lives.
    fn lead_to(server: &Server, name: &str) -> PathBuf {
        let name = format!("pr-backend-h2-{}-{name}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        drop(std::fs::remove_file(&path));
        let listener = UnixListener::bind(&path).unwrap();
        let address = server.addr();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(address).await.unwrap();
                    drop(copy_bidirectional(&mut client, &mut server).await);
                });
            }
        });
        path
    }

    #[tokio::test]
    async fn alpn_decides_through_unix_sockets_too() {
        for (server, version, name) in [
            (Server::builder(), Version::HTTP_2, "h2"),
            (Server::builder().http1_only(), Version::HTTP_11, "http1"),
        ] {
            let server = server.tls(TestCa::shared().localhost()).start();
            let socket = lead_to(&server, name);
            let backend = backend(tls());
            for _ in 0..3 {
                let request = RequestConfig::get("https://localhost/get").unix_socket(&socket);
                let response = soon(backend.request(request)).await.unwrap();
                assert_eq!(response.version(), version);
            }
            assert_eq!(server.ledger().counts().connections_accepted, 1);
            std::fs::remove_file(socket).unwrap();
        }
    }

    #[tokio::test]
    async fn prior_knowledge_holds_through_unix_sockets_each_for_itself() {
        let servers = [(), ()].map(|()| Server::builder().http2_only().start());
        let sockets = [
            lead_to(&servers[0], "first"),
            lead_to(&servers[1], "second"),
        ];
        let backend = backend(plain());
        for _ in 0..3 {
            for socket in &sockets {
                let request = RequestConfig::get("http://host.invalid/get").unix_socket(socket);
                let response = soon(backend.request(request)).await.unwrap();
                assert_eq!(response.version(), Version::HTTP_2);
            }
        }
        for (server, socket) in servers.iter().zip(&sockets) {
            let counts = server.ledger().counts();
            assert_eq!((counts.connections_accepted, counts.requests_begun), (1, 3));
            std::fs::remove_file(socket).unwrap();
        }
    }
}
