//! A raw TCP server that does byte for byte what a test tells it to: the faults that no
//! well-behaved HTTP server would commit.

mod connection;
mod old_tls;
mod record;
mod script;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::certificates::Identity;
use crate::failures::Failures;
use crate::thread::LoopbackThread;
use crate::tls::TlsSettings;

pub use self::record::{RequestHead, ScriptedConnection};
pub use self::script::Script;

use self::connection::{Shared, accept_all};
use self::record::Records;

/// A server on 127.0.0.1 and a free port that plays one [`Script`] on each connection.
///
/// It knows nothing of HTTP beyond where a request's head ends. A script that meets something else
/// than it expects, or a connection for which there is no script, is a failure: it is recorded, and
/// dropping the server (or [`verify`](Self::verify)) panics with it, so that the test fails.
///
/// ```
/// use std::time::Duration;
/// use pr_testkit::{Latch, Script, ScriptedServer};
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
/// # runtime.block_on(async {
/// // The first connection breaks in the middle of the body; the second one is answered in full.
/// let asked = Latch::new();
/// let server = ScriptedServer::builder()
///     .connection(
///         Script::new()
///             .expect_head()
///             .open(&asked)
///             .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
///             .close(),
///     )
///     .connection(Script::new().expect_head().send("HTTP/1.1 204 No Content\r\n\r\n").close())
///     .start();
///
/// let broken = reqwest::get(server.url("/first")).await?.bytes().await;
/// assert!(broken.is_err());
/// assert!(asked.wait(Duration::from_secs(10)).await);
/// assert_eq!(reqwest::get(server.url("/second")).await?.status(), 204);
///
/// assert_eq!(server.connections()[1].heads[0].request_line(), "GET /second HTTP/1.1");
/// server.shutdown();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ScriptedServer {
    thread: LoopbackThread,
    tls: bool,
    records: Arc<Records>,
    failures: Failures,
}

impl ScriptedServer {
    /// A server with several scripts, or with TLS.
    pub fn builder() -> ScriptedServerBuilder {
        ScriptedServerBuilder::default()
    }

    /// A server that plays the script on the first connection and takes a second one for a failure.
    ///
    /// # Panics
    ///
    /// If no loopback port or thread is to be had.
    pub fn once(script: Script) -> Self {
        Self::builder().connection(script).start()
    }

    /// A server that plays the script on every connection.
    ///
    /// # Panics
    ///
    /// If no loopback port or thread is to be had.
    pub fn always(script: Script) -> Self {
        Self::builder().connection(script).repeat_last().start()
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
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.addr())
    }

    /// What happened on each connection so far, in the order of acceptance.
    pub fn connections(&self) -> Vec<ScriptedConnection> {
        self.records.all()
    }

    /// Waits until the connections satisfy `condition`, and returns them; `None` after `timeout`.
    /// Needs a Tokio runtime with timers; dropping the future stops waiting.
    #[must_use = "a wait that timed out is a failed test"]
    pub async fn wait_until(
        &self,
        mut condition: impl FnMut(&[ScriptedConnection]) -> bool,
        timeout: Duration,
    ) -> Option<Vec<ScriptedConnection>> {
        let look = || Some(self.connections()).filter(|all| condition(all));
        self.records.bell().wait(timeout, look).await
    }

    /// As [`wait_until`](Self::wait_until), for code without a runtime.
    #[must_use = "a wait that timed out is a failed test"]
    pub fn wait_until_blocking(
        &self,
        mut condition: impl FnMut(&[ScriptedConnection]) -> bool,
        timeout: Duration,
    ) -> Option<Vec<ScriptedConnection>> {
        let look = || Some(self.connections()).filter(|all| condition(all));
        self.records.bell().wait_blocking(timeout, look)
    }

    /// Fails the test if a script was violated, or anything panicked, so far.
    ///
    /// # Panics
    ///
    /// Just then, with the text of every failure.
    pub fn verify(&self) {
        self.failures.raise();
    }

    /// Ends the server with all of its connections, and then [verifies](Self::verify).
    ///
    /// # Panics
    ///
    /// If a script was violated, or anything panicked.
    pub fn shutdown(mut self) {
        self.thread.stop();
        self.failures.raise();
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.thread.stop();
        self.failures.raise_unless_panicking();
    }
}

/// The scripts and settings of a [`ScriptedServer`]; made by [`ScriptedServer::builder`].
///
/// ```
/// use pr_testkit::{Script, ScriptedServer, TestCa};
///
/// // Over TLS, a body that ends when the connection does, without TLS's own farewell.
/// let server = ScriptedServer::builder()
///     .tls(TestCa::shared().localhost())
///     .connection(
///         Script::new()
///             .expect_head()
///             .send("HTTP/1.1 200 OK\r\n\r\nis this all?")
///             .close_without_notify(),
///     )
///     .repeat_last()
///     .start();
/// assert!(server.url("/").starts_with("https://127.0.0.1:"));
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it starts a server"]
pub struct ScriptedServerBuilder {
    scripts: Vec<Script>,
    repeat_last: bool,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
}

impl ScriptedServerBuilder {
    /// Adds the script for the next connection.
    pub fn connection(mut self, script: Script) -> Self {
        self.scripts.push(script);
        self
    }

    /// Plays the last script on all connections beyond it too. Default: those are failures.
    pub fn repeat_last(mut self) -> Self {
        self.repeat_last = true;
        self
    }

    /// Speaks TLS with this certificate; each script begins after the handshake. A handshake that
    /// fails is no failure of the test, and uses up a script. Default: no TLS.
    pub fn tls(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The protocol names to offer in ALPN (RFC 7301), best first. Default: no ALPN.
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        self
    }

    /// Starts the server.
    ///
    /// # Panics
    ///
    /// Where [`try_start`](Self::try_start) returns an error.
    pub fn start(self) -> ScriptedServer {
        self.try_start()
            .expect("a loopback server needs a free port and a thread")
    }

    /// Starts the server. Fails if no loopback port or thread is to be had, or if the certificate
    /// cannot be used.
    pub fn try_start(self) -> io::Result<ScriptedServer> {
        let acceptor = match &self.identity {
            None => None,
            Some(identity) => {
                let settings = TlsSettings {
                    alpn: self.alpn,
                    ..TlsSettings::default()
                };
                Some(settings.acceptor(identity)?)
            }
        };
        let failures = Failures::default();
        let records = Arc::new(Records::default());
        let shared = Arc::new(Shared {
            scripts: self.scripts,
            repeat_last: self.repeat_last,
            acceptor,
            records: records.clone(),
            failures: failures.clone(),
        });
        let thread = LoopbackThread::start("pr-testkit script", failures.clone(), |listener| {
            accept_all(listener, shared)
        })?;
        Ok(ScriptedServer {
            thread,
            tls: self.identity.is_some(),
            records,
            failures,
        })
    }
}
