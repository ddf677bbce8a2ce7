//! One thread with one runtime for each loopback server, so that a server neither borrows the
//! runtime of the client under test nor stalls with it, and works for tests that have none.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use crate::failures::Failures;

/// Enough for every client that a test starts at once; the kernel caps it at its own limit. With a
/// short queue, a burst of connections would wait a second for TCP's retransmission.
const LISTEN_BACKLOG: u32 = 4096;

/// A thread that listens on a free loopback port until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct LoopbackThread {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    failures: Failures,
}

impl LoopbackThread {
    /// Binds 127.0.0.1 on a free port and runs `serve` with the listener on a new thread. What
    /// `serve` spawns ends with it.
    pub(crate) fn start<S, F>(name: &str, failures: Failures, serve: S) -> io::Result<Self>
    where
        S: FnOnce(TcpListener) -> F + Send + 'static,
        F: Future<Output = ()>,
    {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, bound) = mpsc::sync_channel::<io::Result<SocketAddr>>(1);
        let watcher = failures.clone();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let runtime = match tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                runtime.block_on(async move {
                    let (listener, addr) = match listen() {
                        Ok(listening) => listening,
                        Err(error) => return drop(ready.send(Err(error))),
                    };
                    // The starter waits for this message, so it is there to receive it.
                    drop(ready.send(Ok(addr)));
                    tokio::select! {
                        _ = stopped => {}
                        _ = watcher.watch("the accept loop", serve(listener)) => {}
                    }
                });
            })?;
        let addr = bound
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the server's thread ended early")))?;
        Ok(Self {
            addr,
            stop: Some(stop),
            thread: Some(thread),
            failures,
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends every task and connection of the server and waits for its thread.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && let Err(payload) = thread.join()
        {
            let text = crate::failures::panic_text(&*payload);
            self.failures
                .record(format!("the server's thread panicked: {text}"));
        }
    }
}

impl Drop for LoopbackThread {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let listener = socket.listen(LISTEN_BACKLOG)?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}
