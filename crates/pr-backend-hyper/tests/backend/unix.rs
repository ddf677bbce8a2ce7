//! Connections through Unix sockets.

use std::{path::Path, sync::Arc};

use http::Method;
use pr_backend_hyper::{Backend, BackendExt, ErrorKind, RequestConfig};
use pr_testkit::{Server, TestCa};
use tokio::{
    io::copy_bidirectional,
    net::{TcpStream, UnixListener},
};

use crate::support::{backend, request};

/// A Unix socket that leads to a server, for as long as the test's runtime lives.
fn lead_to(server: &Server, name: &str) -> Arc<Path> {
    let name = format!("pr-backend-hyper-{}-{name}.sock", std::process::id());
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
    path.into()
}

#[tokio::test]
async fn requests_go_through_the_socket_and_share_its_connections_only() {
    let (first, second) = (Server::start(), Server::start());
    let sockets = [lead_to(&first, "first"), lead_to(&second, "second")];
    let backend = backend();
    // All of them for the same origin, which is none that could be reached otherwise.
    let url = "http://host.invalid/get";
    for round in 0..3 {
        for socket in &sockets {
            let mut through = request(Method::GET, url);
            through.key = through.key.with_unix_socket(socket.clone());
            let response = backend.exchange(through).await.unwrap();
            assert_eq!(response.status, 200);
            assert_eq!(response.connection.reused, round > 0);
        }
    }
    for (server, socket) in [first, second].iter().zip(&sockets) {
        assert_eq!(server.ledger().counts().connections_accepted, 1);
        let seen = server.ledger().requests();
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[0].header("host"), Some("host.invalid"));
        std::fs::remove_file(socket).unwrap();
    }
    // Without the socket, the name would have to be resolved.
    let error = backend
        .exchange(request(Method::GET, url))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Dns);
}

#[tokio::test]
async fn tls_works_through_the_socket() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let socket = lead_to(&server, "tls");
    let request = RequestConfig::get("https://localhost/get").unix_socket(&socket);
    assert_eq!(backend().request(request).await.unwrap().status_code(), 200);
    std::fs::remove_file(socket).unwrap();
}
