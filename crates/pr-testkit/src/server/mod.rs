//! A loopback HTTP server that behaves: HTTP/1.1, HTTP/2 and TLS with the routes that people know
//! from httpbin, and an account of what it saw.

mod body;
mod builder;
mod connection;
mod io;

use std::net::SocketAddr;

use tokio::sync::watch;

use crate::failures::Failures;
use crate::ledger::Ledger;
use crate::thread::LoopbackThread;

pub use self::builder::ServerBuilder;

pub(crate) use self::body::{BodyError, RequestBody, ResponseBody};
pub(crate) use self::builder::Handlers;

use self::connection::Disconnect;

/// An HTTP server on 127.0.0.1 and a free port, on a thread of its own.
///
/// By default it speaks HTTP/1.1 and HTTP/2 with prior knowledge (RFC 9113 section 3.3) on the same
/// port, without TLS; [`Server::builder`] has the rest. The routes are listed in
/// [the crate's documentation](crate#routes).
///
/// Dropping it ends all of its connections and waits for its thread, a matter of microseconds. If
/// anything in it panicked, a handler of the test included, the drop panics, so that the test
/// fails; [`verify`](Self::verify) does the same at a chosen moment.
///
/// ```
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
/// # runtime.block_on(async {
/// let server = pr_testkit::Server::start();
/// let response = reqwest::get(server.url("/status/204")).await?;
/// assert_eq!(response.status(), 204);
/// assert_eq!(server.ledger().counts().requests_begun, 1);
/// server.shutdown();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    thread: LoopbackThread,
    tls: bool,
    ledger: Ledger,
    failures: Failures,
    disconnect: watch::Sender<Disconnect>,
}

impl Server {
    /// Starts a server with the defaults.
    ///
    /// # Panics
    ///
    /// If no loopback port or thread is to be had; [`ServerBuilder::try_start`] returns that error.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server with other settings.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.thread.addr()
    }

    /// Host and port, as in `127.0.0.1:40123`.
    pub fn authority(&self) -> String {
        self.addr().to_string()
    }

    /// An absolute URL; `path` begins with a slash and may have a query.
    pub fn url(&self, path: &str) -> String {
        self.url_with_host("127.0.0.1", path)
    }

    /// As [`url`](Self::url) with another name for the host, such as `localhost`.
    pub fn url_with_host(&self, host: &str, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{host}:{}{path}", self.addr().port())
    }

    /// What the server has seen.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Ends every open connection at once: requests in flight get no answer. New connections are
    /// accepted as before.
    pub fn disconnect_clients(&self) {
        self.disconnect.send_modify(|order| order.at_once += 1);
    }

    /// Asks every open connection to end: what is in flight is answered, idle HTTP/1.1 connections
    /// are closed, and HTTP/2 connections get a GOAWAY (RFC 9113 section 6.8). New connections are
    /// accepted as before.
    pub fn drain_clients(&self) {
        self.disconnect.send_modify(|order| order.gracefully += 1);
    }

    /// Fails the test if anything in the server has panicked so far.
    ///
    /// # Panics
    ///
    /// Just then, with the text of every panic.
    pub fn verify(&self) {
        self.failures.raise();
    }

    /// Ends the server, waits for its thread, and then [verifies](Self::verify).
    ///
    /// # Panics
    ///
    /// If anything in the server panicked.
    pub fn shutdown(mut self) {
        self.thread.stop();
        self.failures.raise();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.thread.stop();
        self.failures.raise_unless_panicking();
    }
}
