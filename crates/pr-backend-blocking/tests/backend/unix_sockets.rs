//! Requests through Unix sockets, which differ from TCP in nothing that a user sees.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::net::UnixListener,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures::StreamExt;
use pr_backend_blocking::{BackendExt, ErrorKind, RequestConfig};
use pr_testkit::{Script, ScriptedServer, Server, TestCa};

use crate::support::{PATIENCE, backend, single};

/// A Unix socket that leads to a server's TCP socket.
struct Relay {
    path: PathBuf,
    accepted: Arc<AtomicUsize>,
    /// How many times the client has been told of the server's end.
    ended: Arc<AtomicUsize>,
}

impl Relay {
    fn to(server: SocketAddr) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pr-blocking-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let ended = Arc::new(AtomicUsize::new(0));
        let ends = Arc::clone(&ended);
        thread::spawn(move || {
            // Ends when the test's process does.
            while let Ok((near, _)) = listener.accept() {
                count.fetch_add(1, Ordering::Relaxed);
                let far = TcpStream::connect(server).unwrap();
                let (from, to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                thread::spawn(move || {
                    pipe(from, &to);
                    let _ = to.shutdown(Shutdown::Write);
                });
                let ends = Arc::clone(&ends);
                thread::spawn(move || {
                    pipe(far, &near);
                    let _ = near.shutdown(Shutdown::Write);
                    ends.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self {
            path,
            accepted,
            ended,
        }
    }

    fn get(&self, url: impl Into<RequestConfig>) -> RequestConfig {
        url.into().unix_socket(&self.path).timeout(PATIENCE)
    }
}

fn pipe(mut from: impl Read, mut to: impl Write) {
    // An end is an end, whatever it is.
    let _ = std::io::copy(&mut from, &mut to);
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[tokio::test]
async fn requests_go_through_the_socket_and_share_it() {
    for tls in [false, true] {
        let mut server = Server::builder().http1_only();
        if tls {
            server = server.tls(TestCa::shared().localhost());
        }
        let server = server.start();
        let relay = Relay::to(server.addr());
        let backend = backend();
        let scheme = if tls { "https" } else { "http" };
        for number in 0..3 {
            // Nobody resolves the name, which is only what the certificate is for.
            let request = relay.get(format!("{scheme}://localhost:1/bytes/300000"));
            let response = backend.request(request).await.unwrap();
            assert_eq!(
                response.content()[..],
                pr_testkit::content::bytes(300_000)[..]
            );
            assert_eq!(response.connection().reused, number > 0);
            assert_eq!(response.connection().remote_addr, None);
        }
        let upload = relay
            .get(format!("{scheme}://localhost:1/post"))
            .data(vec![1; 3 << 20]);
        let upload = upload.method(http::Method::POST);
        assert_eq!(backend.request(upload).await.unwrap().status_code(), 200);
        assert_eq!(relay.accepted.load(Ordering::Relaxed), 1);
        let direct = format!("{scheme}://localhost:1/bytes/1");
        assert_eq!(
            backend.request(direct).await.unwrap_err().kind(),
            ErrorKind::Connect
        );
    }
}

#[tokio::test]
async fn a_connection_that_the_peer_has_left_is_not_used() {
    let server = Server::start();
    let relay = Relay::to(server.addr());
    let backend = backend();
    for ended in 1..=2 {
        let request = relay.get("http://localhost/bytes/10");
        let response = backend.request(request).await.unwrap();
        assert!(!response.connection().reused);
        assert_eq!(response.attempts(), 1);
        server.disconnect_clients();
        while relay.ended.load(Ordering::Relaxed) < ended {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn dropping_a_request_frees_its_thread() {
    let server = Server::start();
    let relay = Relay::to(server.addr());
    let backend = single();
    let mut hanging = Box::pin(backend.request(relay.get("http://localhost/hang")));
    assert!(futures::poll!(&mut hanging).is_pending());
    let begun = |seen: &pr_testkit::Counts| seen.requests_in_flight() == 1;
    server.ledger().wait_until(begun, PATIENCE).await.unwrap();
    let dropped = Instant::now();
    drop(hanging);
    backend.request(server.url("/get")).await.unwrap();
    assert!(dropped.elapsed() < Duration::from_secs(5));

    let streaming = relay.get("http://localhost/bytes/50000000");
    let mut body = backend.stream(streaming).await.unwrap();
    body.next().await.unwrap().unwrap();
    drop(body);
    backend.request(server.url("/get")).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_refuses_the_body_is_heard_while_it_is_sent() {
    let refusal = "HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig";
    let server = ScriptedServer::once(
        Script::new()
            .expect_head()
            .send(refusal)
            .stop_reading()
            .stall(),
    );
    let relay = Relay::to(server.addr());
    let upload = relay.get("http://localhost/").method(http::Method::POST);
    let response = backend()
        .request(upload.data(vec![1; 64 << 20]))
        .await
        .unwrap();
    assert_eq!(
        (response.status_code().as_u16(), &*response.text()),
        (413, "big")
    );
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_a_connect_error() {
    let missing = RequestConfig::get("http://localhost/").unix_socket("/nowhere/socket");
    let error = backend().request(missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
}
