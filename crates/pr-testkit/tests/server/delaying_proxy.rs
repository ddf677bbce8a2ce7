//! The relay delays, loses nothing, holds a bounded number of bytes, and can fall silent.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pr_testkit::{DelayingProxy, Server, content};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

async fn ask(proxy: SocketAddr, path: &str) -> TcpStream {
    let mut client = TcpStream::connect(proxy).await.expect("the relay listens");
    let head = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    let sent = client.write_all(head.as_bytes()).await;
    sent.expect("the relay reads");
    client
}

#[tokio::test]
async fn bytes_arrive_whole_and_late() {
    let server = Server::start();
    let proxy = DelayingProxy::start(server.addr(), Duration::from_millis(50));
    let begun = Instant::now();
    let mut client = ask(proxy.addr(), "/bytes/1000000").await;
    let mut first = [0];
    client.read_exact(&mut first).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(100));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(&content::bytes(1_000_000)));
    assert_eq!(proxy.connections(), 1);
    assert!(proxy.most_in_flight() > 100_000);
    assert!((30..1_000).contains(&proxy.most_in_flight_to_target()));
}

#[tokio::test]
async fn what_it_holds_is_bounded() {
    const HELD: usize = (16 << 20) + (64 << 10);
    let server = Server::start();
    // Longer than the test takes: nothing ever arrives.
    let proxy = DelayingProxy::start(server.addr(), Duration::from_secs(60));
    let mut upload = TcpStream::connect(proxy.addr()).await.unwrap();
    let endless = async {
        let zeros = vec![0; 1 << 20];
        loop {
            upload.write_all(&zeros).await.unwrap();
        }
    };
    let full = async {
        while proxy.most_in_flight_to_target() < 15 << 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Time for more, were there room for it.
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let filled = async {
        tokio::select! {
            () = endless => {}
            () = full => {}
        }
    };
    timeout(PATIENCE, filled).await.unwrap();
    assert!(proxy.most_in_flight_to_target() <= HELD);
}

#[tokio::test]
async fn a_silent_relay_swallows_everything_and_closes_nothing() {
    let server = Server::start();
    let proxy = DelayingProxy::start(server.addr(), Duration::from_millis(1));
    let mut old = ask(proxy.addr(), "/drip?duration=0.1&numbytes=2").await;
    let mut first = [0];
    old.read_exact(&mut first).await.unwrap();
    proxy.fall_silent();
    // The server answers to the end and closes, of which nothing is heard here.
    server
        .ledger()
        .wait_until(|seen| seen.connections_open == 0, PATIENCE)
        .await
        .unwrap();
    let mut heard = Vec::new();
    let silence = timeout(Duration::from_millis(200), old.read_to_end(&mut heard)).await;
    assert!(silence.is_err(), "the connection was closed");
    assert!(!heard.ends_with(b"**"), "the rest was not swallowed");
    old.write_all(b"is anybody there?").await.unwrap();

    let mut new = ask(proxy.addr(), "/bytes/10").await;
    let mut answer = Vec::new();
    new.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(&content::bytes(10)));
}
