//! Unix sockets, with and without TLS over them.

use std::{path::Path, sync::Arc};

use pr_connect::{Alpn, Protocol};
use pr_core::{AddressFilter, ErrorKind};
use pr_testkit::{Server, TestCa};
use tokio::{
    io::copy_bidirectional,
    net::{TcpStream, UnixListener},
};

use crate::support::{connect_key, get, key, settings};

/// A Unix socket that leads to a server.
fn leading_to(server: &Server, directory: &Path) -> Arc<Path> {
    let path = directory.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let addr = server.addr();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(addr).await.unwrap();
        copy_bidirectional(&mut client, &mut server).await.ok();
    });
    path.into()
}

#[tokio::test]
async fn http_and_https_go_through_a_unix_socket() {
    let plain = Server::start();
    let encrypted = Server::builder().tls(TestCa::shared().localhost()).start();
    // No address is dialed, so that there is nothing to filter and no name to resolve.
    let settings = || settings().address_filter(AddressFilter::new(|_| false));

    let directory = tempfile::tempdir().unwrap();
    let socket = leading_to(&plain, directory.path());
    let key_to = key("http://origin.invalid/").with_unix_socket(socket);
    let mut connected = connect_key(settings(), &key_to).await.unwrap();
    assert_eq!(connected.info.remote_addr, None);
    assert!(connected.timings.tcp.is_some() && connected.timings.dns.is_none());
    let answer = get(&mut connected, "origin.invalid", "/get").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let directory = tempfile::tempdir().unwrap();
    let socket = leading_to(&encrypted, directory.path());
    let key_to = key("https://localhost/").with_unix_socket(socket);
    let connected = connect_key(settings(), &key_to).await.unwrap();
    assert_eq!(connected.protocol, Protocol::Http2);
    assert_eq!(connected.info.remote_addr, None);
    assert!(connected.timings.tls.is_some());
    let parts = connected.io.into_parts().unwrap();
    assert!(matches!(parts.socket, pr_connect::Socket::Unix(_)));
    assert_eq!(parts.sessions.len(), 1);
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_a_connect_error() {
    let directory = tempfile::tempdir().unwrap();
    let closed = directory.path().join("closed");
    drop(UnixListener::bind(&closed).unwrap());
    let missing = directory.path().join("missing");
    for (path, text) in [(closed, "nobody listens"), (missing, "no such Unix socket")] {
        let key = key("http://origin.invalid/").with_unix_socket(path.into());
        let connector = pr_connect::Connector::new(&settings()).unwrap();
        let error = connector.connect(&key, Alpn::Http1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.message().contains(text), "{error}");
    }
}

/// Linux only: elsewhere a full backlog is a refusal, as that of a socket which nobody listens on.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_backlog_is_waited_for_until_time_is_up() {
    use std::time::Duration;

    use pr_connect::Connector;
    use pr_core::TimeoutPhase;
    use socket2::{Domain, SockAddr, Socket, Type};

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let address = SockAddr::unix(&path).unwrap();
    let stream = || Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let listener = stream();
    listener.bind(&address).unwrap();
    listener.listen(0).unwrap();
    let mut waiting = Vec::new();
    let full = loop {
        let socket = stream();
        socket.set_nonblocking(true).unwrap();
        match socket.connect(&address) {
            Ok(()) => waiting.push(socket),
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);

    let key = key("http://origin.invalid/").with_unix_socket(path.into());
    let limited = settings().connect_timeout(Duration::from_millis(50));
    let error = connect_key(limited, &key).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Connect));

    let connector = Connector::new(&settings()).unwrap();
    let mut connecting = Box::pin(connector.connect(&key, Alpn::Http1));
    assert!(futures::poll!(&mut connecting).is_pending());
    let accepted = listener.accept().unwrap();
    connecting.await.unwrap();
    drop((accepted, waiting));
}
