//! Streams taken apart, and used without a runtime.

use std::io::{self, Read, Write};

use pr_connect::{Alpn, Connector, Socket, StreamParts};
use pr_testkit::{ProxyServer, Server, TestCa};
use pr_tls::rustls::{ClientConnection, StreamOwned};

use crate::support::{key_through, settings};

struct Blocking(Socket);

impl Read for Blocking {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Socket::Tcp(socket) => socket.read(buf),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.read(buf),
        }
    }
}

impl Write for Blocking {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Socket::Tcp(socket) => socket.write(buf),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn exchange(mut stream: impl Read + Write) -> String {
    let request = "GET /get HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    stream.flush().unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    String::from_utf8(answer).unwrap()
}

fn over<S: Read + Write>(session: ClientConnection, stream: S) -> StreamOwned<ClientConnection, S> {
    StreamOwned::new(session, stream)
}

#[test]
fn the_parts_work_without_a_runtime() {
    let plain = Server::start();
    let encrypted = Server::builder().tls(TestCa::shared().localhost()).start();
    let proxy = ProxyServer::builder()
        .tls(TestCa::shared().localhost())
        .start();
    let through = proxy.url("https");
    let connector = Connector::new(&settings()).unwrap();
    for (url, proxy, count) in [
        (plain.url("/"), None, 0),
        (encrypted.url("/"), None, 1),
        (encrypted.url("/"), Some(&*through), 2),
    ] {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let key = key_through(&url, proxy, true);
        let parts = runtime.block_on(async {
            let connected = connector.connect(&key, Alpn::Http1).await.unwrap();
            connected.io.into_parts().unwrap()
        });
        drop(runtime);
        let StreamParts {
            socket,
            mut sessions,
            ..
        } = parts;
        assert_eq!(sessions.len(), count);
        let socket = Blocking(socket);
        let answer = match (sessions.pop(), sessions.pop()) {
            (None, _) => exchange(socket),
            (Some(session), None) => exchange(over(session, socket)),
            (Some(inner), Some(outer)) => exchange(over(inner, over(outer, socket))),
        };
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
