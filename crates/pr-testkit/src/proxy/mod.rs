//! A proxy that does its work, keeps account of what it was shown, and misbehaves on order: the
//! party between a client and an origin that must learn nothing that is not its business.

mod builder;
mod connect;
mod connection;
mod fault;
mod forward;
mod record;
mod routes;
mod socks;
mod tap;

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::failures::Failures;
use crate::thread::LoopbackThread;

pub use self::builder::ProxyServerBuilder;
pub use self::fault::ProxyFault;
pub use self::record::{ProxyConnection, ProxyRequest, ProxyTarget};

use self::connection::Shared;

/// An HTTP or SOCKS5 proxy on 127.0.0.1 and a free port, on a thread of its own.
///
/// - As an HTTP proxy it forwards requests in absolute form (RFC 9112 section 3.2.2), keeps
///   connections alive, and makes tunnels (CONNECT, RFC 9110 section 9.3.6); over plain TCP or TLS,
///   with or without Basic credentials.
/// - As a SOCKS5 proxy (RFC 1928) it makes connections to names, IPv4 and IPv6 addresses, with or
///   without user name and password (RFC 1929).
///
/// It never looks a name up and never leaves this machine: it knows `localhost`, loopback addresses
/// and what it was [told](ProxyServerBuilder::resolve), and refuses everything else. So a client
/// that gets to a name which only the proxy was told has not looked it up itself.
///
/// ```
/// use pr_testkit::{ProxyServer, Server};
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
/// # runtime.block_on(async {
/// let server = Server::start();
/// let proxy = ProxyServer::builder()
///     .credentials("user", "pass:word")
///     .resolve("origin.invalid", server.addr())
///     .start();
///
/// let through = proxy.url_with_credentials("http", "user", "pass:word");
/// let client = reqwest::Client::builder().proxy(reqwest::Proxy::all(through)?).build()?;
/// let response = client.get("http://origin.invalid/get").send().await?;
/// assert_eq!(response.status(), 200);
///
/// let request = &proxy.requests()[0];
/// assert_eq!(request.target.to_string(), "origin.invalid:80");
/// assert_eq!(request.credentials.as_deref(), Some("user:pass:word"));
/// assert!(server.ledger().requests()[0].header("proxy-authorization").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ProxyServer {
    thread: LoopbackThread,
    shared: Arc<Shared>,
    failures: Failures,
}

impl ProxyServer {
    /// Starts an HTTP proxy over plain TCP that wants no credentials.
    ///
    /// # Panics
    ///
    /// If no loopback port or thread is to be had.
    pub fn http() -> Self {
        Self::builder().start()
    }

    /// Starts a SOCKS5 proxy that wants no credentials.
    ///
    /// # Panics
    ///
    /// If no loopback port or thread is to be had.
    pub fn socks5() -> Self {
        Self::builder().socks5().start()
    }

    /// A proxy with other settings.
    pub fn builder() -> ProxyServerBuilder {
        ProxyServerBuilder::default()
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.thread.addr()
    }

    /// Host and port, as in `127.0.0.1:40123`.
    pub fn authority(&self) -> String {
        self.addr().to_string()
    }

    /// The proxy's URL. Clients tell by the scheme how to use a proxy: `http`, `https`, `socks5`,
    /// `socks5h`.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.addr())
    }

    /// The proxy's URL with credentials in it, percent-encoded.
    pub fn url_with_credentials(&self, scheme: &str, user: &str, password: &str) -> String {
        let user = utf8_percent_encode(user, NON_ALPHANUMERIC);
        let password = utf8_percent_encode(password, NON_ALPHANUMERIC);
        format!("{scheme}://{user}:{password}@{}", self.addr())
    }

    /// From now on, does this to every request instead of what it asks for; `None` ends that.
    /// Tunnels that are there already stay.
    pub fn set_fault(&self, fault: impl Into<Option<ProxyFault>>) {
        self.shared.set_fault(fault.into());
    }

    /// What happened on each connection so far, in the order of acceptance.
    pub fn connections(&self) -> Vec<ProxyConnection> {
        self.shared.records.all()
    }

    /// What the proxy was asked to do so far, connection by connection.
    pub fn requests(&self) -> Vec<ProxyRequest> {
        let connections = self.connections();
        connections
            .into_iter()
            .flat_map(|connection| connection.requests)
            .collect()
    }

    /// Whether these bytes stood anywhere in what the proxy could read: see
    /// [`ProxyConnection::received`]. Empty bytes do not.
    pub fn saw(&self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        !bytes.is_empty()
            && self
                .connections()
                .iter()
                .any(|one| one.received.windows(bytes.len()).any(|here| here == bytes))
    }

    /// Waits until the connections satisfy `condition`, and returns them; `None` after `timeout`.
    /// Needs a Tokio runtime with timers; dropping the future stops waiting.
    #[must_use = "a wait that timed out is a failed test"]
    pub async fn wait_until(
        &self,
        mut condition: impl FnMut(&[ProxyConnection]) -> bool,
        timeout: Duration,
    ) -> Option<Vec<ProxyConnection>> {
        let look = || Some(self.connections()).filter(|all| condition(all));
        self.shared.records.bell().wait(timeout, look).await
    }

    /// As [`wait_until`](Self::wait_until), for code without a runtime.
    #[must_use = "a wait that timed out is a failed test"]
    pub fn wait_until_blocking(
        &self,
        mut condition: impl FnMut(&[ProxyConnection]) -> bool,
        timeout: Duration,
    ) -> Option<Vec<ProxyConnection>> {
        let look = || Some(self.connections()).filter(|all| condition(all));
        self.shared.records.bell().wait_blocking(timeout, look)
    }

    /// Fails the test if anything in the proxy has panicked so far.
    ///
    /// # Panics
    ///
    /// Just then, with the text of every panic.
    pub fn verify(&self) {
        self.failures.raise();
    }

    /// Ends the proxy with all of its connections and tunnels, and then [verifies](Self::verify).
    ///
    /// # Panics
    ///
    /// If anything in the proxy panicked.
    pub fn shutdown(mut self) {
        self.thread.stop();
        self.failures.raise();
    }
}

impl Drop for ProxyServer {
    fn drop(&mut self) {
        self.thread.stop();
        self.failures.raise_unless_panicking();
    }
}

/// `user:password`, the form in which credentials are compared and recorded.
fn pair(user: impl Display, password: impl Display) -> String {
    format!("{user}:{password}")
}
