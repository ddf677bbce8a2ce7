//! HTTP/2 through proxies: a tunnel carries it, a proxy that forwards does not.

use http::Version;
use pr_backend_h2::{BackendExt, NormalizedResponse, RequestConfig};
use pr_core::Proxy;
use pr_testkit::{Server, TestCa};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    join,
    net::TcpStream,
};

use crate::support::{backend, plain, raw::Listener, soon, tls};

/// Reads a request's head and returns its first line.
async fn head(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(head)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn http2_goes_through_a_tunnel() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let listener = Listener::bind().await;
    let backend = backend(tls());
    let proxy: Proxy = listener.url("").parse().unwrap();
    let request = || RequestConfig::get(server.url("/get")).proxy(proxy.clone());
    let client = async {
        let first = backend.request(request()).await.unwrap();
        let second = backend.request(request()).await.unwrap();
        // Without the proxy, the connection that goes through it will not do.
        let direct = backend.request(server.url("/get")).await.unwrap();
        [first, second, direct]
    };
    let tunnel = async {
        let mut client = listener.accept_bytes().await;
        assert_eq!(
            head(&mut client).await,
            format!("CONNECT {} HTTP/1.1", server.authority())
        );
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut origin = TcpStream::connect(server.addr()).await.unwrap();
        copy_bidirectional(&mut client, &mut origin).await.ok();
    };
    let responses = soon(async {
        tokio::select! {
            responses = client => responses,
            () = tunnel => panic!("the connection is kept"),
        }
    })
    .await;
    assert!(
        responses
            .iter()
            .all(|response| response.version() == Version::HTTP_2)
    );
    let connections: Vec<_> = responses
        .iter()
        .map(NormalizedResponse::connection)
        .collect();
    assert_eq!(connections[0].id, connections[1].id);
    assert_ne!(connections[0].id, connections[2].id);
}

#[tokio::test]
async fn a_proxy_that_forwards_is_spoken_to_in_http1_whatever_the_origin_knows() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let proxy: Proxy = listener.url("").parse().unwrap();
    let client = backend.request(RequestConfig::get("http://example.org/").proxy(proxy));
    let server = async {
        let mut client = listener.accept_bytes().await;
        assert_eq!(head(&mut client).await, "GET http://example.org/ HTTP/1.1");
        client
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        client
    };
    let (response, _client) = soon(async { join!(client, server) }).await;
    assert_eq!(response.unwrap().version(), Version::HTTP_11);
}
