//! Playing a script on one connection.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::record::{Records, RequestHead};
use super::script::{Script, Step};
use crate::failures::Failures;

pub(super) struct Shared {
    pub(super) scripts: Vec<Script>,
    pub(super) repeat_last: bool,
    pub(super) acceptor: Option<TlsAcceptor>,
    pub(super) records: Arc<Records>,
    pub(super) failures: Failures,
}

/// Accepts connections for ever and plays the script of each.
pub(super) async fn accept_all(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                let failure = format!("accepting a connection failed: {error}");
                return shared.failures.record(failure);
            }
        };
        let index = shared.records.add();
        let last = shared.scripts.last().filter(|_| shared.repeat_last);
        let Some(script) = shared.scripts.get(index).or(last).cloned() else {
            let failure = format!("connection {index} came, and there is no script for it");
            shared.failures.record(failure);
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let failures = shared.failures.clone();
            let played = play(stream, index, &script, &shared);
            failures.watch("a scripted connection", played).await;
        });
    }
}

async fn play(stream: TcpStream, index: usize, script: &Script, shared: &Shared) {
    // Fails only if the client is gone already, which the first step will show.
    stream.set_nodelay(true).ok();
    let stream = match &shared.acceptor {
        None => Stream::Plain(stream),
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => Stream::Tls(Box::new(stream)),
            Err(_) => return shared.records.change(index, |one| one.client_closed = true),
        },
    };
    let mut player = Player {
        stream,
        index,
        records: &shared.records,
        unread: BytesMut::new(),
    };
    match player.play(script).await {
        Ok(()) => {}
        Err(Stop::ClientGone) => shared.records.change(index, |one| one.client_closed = true),
        Err(Stop::Violated(step, what)) => {
            let received = &shared.records.all()[index].received;
            shared.failures.record(format!(
                "connection {index} violated its script at step {step}: {what}; received so far: \"{}\"",
                received.escape_ascii()
            ));
        }
    }
}

/// Why a script did not reach its end.
enum Stop {
    /// There is nobody left to send to.
    ClientGone,
    /// The step, counted from 0, and what happened instead.
    Violated(usize, String),
}

struct Player<'a> {
    stream: Stream,
    index: usize,
    records: &'a Records,
    /// Read from the stream and not yet expected by a step.
    unread: BytesMut,
}

impl Player<'_> {
    async fn play(&mut self, script: &Script) -> Result<(), Stop> {
        loop {
            for (number, step) in script.steps.iter().enumerate() {
                let violated = |what| Stop::Violated(number, what);
                match step {
                    Step::ExpectHead => self.expect_head().await.map_err(violated)?,
                    Step::ExpectBytes(count) => {
                        self.take(*count).await.map_err(violated)?;
                    }
                    Step::Expect(expected) => {
                        let found = self.take(expected.len()).await.map_err(violated)?;
                        if found != *expected {
                            return Err(violated(format!(
                                "expected \"{}\", got \"{}\"",
                                expected.escape_ascii(),
                                found.escape_ascii()
                            )));
                        }
                    }
                    Step::ExpectSilence(duration) => {
                        let silent = self.unread.is_empty()
                            && tokio::time::timeout(*duration, self.read()).await.is_err();
                        if !silent {
                            let what = "expected the client to wait, it did not";
                            return Err(violated(what.to_owned()));
                        }
                    }
                    Step::ExpectEnd => {
                        if !self.unread.is_empty() || self.read().await {
                            let what = "expected the client to close, got more bytes";
                            return Err(violated(what.to_owned()));
                        }
                    }
                    Step::Send(bytes) => self.send(bytes).await?,
                    Step::Pause(duration) => tokio::time::sleep(*duration).await,
                    Step::Open(latch) => latch.open(),
                    Step::WaitFor(latch) => latch.opened().await,
                    Step::Stall => self.read_to_end().await,
                    Step::StopReading => std::future::pending().await,
                    Step::ShutDownWrite => self.shut_down().await?,
                    Step::Close => return self.close().await,
                    Step::CloseWithoutNotify => return self.close_without_notify().await,
                    Step::Reset => {
                        self.stream.tcp().set_zero_linger().ok();
                        self.finish();
                        return Ok(());
                    }
                }
            }
            let done = !script.repeat || (self.unread.is_empty() && !self.read().await);
            if done {
                return self.close().await;
            }
        }
    }

    fn finish(&self) {
        self.records.change(self.index, |one| one.finished = true);
    }

    async fn expect_head(&mut self) -> Result<(), String> {
        let length = loop {
            let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            if !self.read().await {
                return Err("expected a request's head, the client closed".to_owned());
            }
        };
        let head = self.unread.split_to(length);
        let head = RequestHead::new(String::from_utf8_lossy(&head));
        self.records.change(self.index, |one| one.heads.push(head));
        Ok(())
    }

    async fn take(&mut self, count: usize) -> Result<BytesMut, String> {
        while self.unread.len() < count {
            if !self.read().await {
                let found = self.unread.len();
                return Err(format!(
                    "expected {count} bytes, the client closed after {found}"
                ));
            }
        }
        Ok(self.unread.split_to(count))
    }

    /// Reads what there is; `false` at the end of the stream or if it broke.
    async fn read(&mut self) -> bool {
        let before = self.unread.len();
        let read = self.stream.io().read_buf(&mut self.unread).await;
        let count = read.unwrap_or(0);
        let bytes = &self.unread[before..];
        self.records.change(self.index, |one| {
            one.received.extend_from_slice(bytes);
            one.client_closed |= count == 0;
        });
        count > 0
    }

    async fn read_to_end(&mut self) {
        // What nobody will look at need not pile up here; the record keeps it anyway.
        while self.read().await {
            self.unread.clear();
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let io = self.stream.io();
        let sent = async {
            io.write_all(bytes).await?;
            io.flush().await
        };
        sent.await.map_err(|_| Stop::ClientGone)
    }

    async fn shut_down(&mut self) -> Result<(), Stop> {
        let done = self.stream.io().shutdown().await;
        done.map_err(|_| Stop::ClientGone)
    }

    async fn close(&mut self) -> Result<(), Stop> {
        let closed = self.shut_down().await;
        self.finish();
        // Closing a socket with unread data resets the connection, and the client could lose what
        // was sent to it; so read on until the client closes too.
        self.read_to_end().await;
        closed
    }

    async fn close_without_notify(&mut self) -> Result<(), Stop> {
        let closed = self.stream.tcp_mut().shutdown().await;
        self.finish();
        self.read_to_end().await;
        closed.map_err(|_| Stop::ClientGone)
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

impl Stream {
    fn io(&mut self) -> &mut dyn Io {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream,
        }
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    fn tcp_mut(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_mut().0,
        }
    }
}
