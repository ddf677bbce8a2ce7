//! The settings of a proxy.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use super::connection::{Kind, Shared, accept_all};
use super::record::Records;
use super::routes::Routes;
use super::{ProxyFault, ProxyServer, pair};
use crate::certificates::Identity;
use crate::failures::Failures;
use crate::thread::LoopbackThread;
use crate::tls::TlsSettings;

/// Settings of a [`ProxyServer`]; made by [`ProxyServer::builder`].
///
/// ```
/// use pr_testkit::{ProxyFault, ProxyServer, TestCa};
///
/// // An `https://` proxy that is out of order.
/// let proxy = ProxyServer::builder()
///     .tls(TestCa::shared().localhost())
///     .credentials("user", "password")
///     .fault(ProxyFault::Refuse { status: 503, body: "try later" })
///     .start();
/// assert!(proxy.url("https").starts_with("https://127.0.0.1:"));
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it starts a proxy"]
pub struct ProxyServerBuilder {
    kind: Kind,
    identity: Option<Identity>,
    credentials: Option<String>,
    routes: Routes,
    fault: Option<ProxyFault>,
}

impl ProxyServerBuilder {
    /// Speaks SOCKS5. Default: HTTP.
    pub fn socks5(mut self) -> Self {
        self.kind = Kind::Socks;
        self
    }

    /// Speaks TLS with the client, with this certificate and without ALPN. Default: no TLS.
    pub fn tls(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Serves only those who show these credentials: Basic (RFC 7617) for HTTP, where others get a
    /// 407, user name and password (RFC 1929) for SOCKS5. Default: serves everybody, and notes
    /// the credentials of those who offer some.
    pub fn credentials(mut self, user: &str, password: &str) -> Self {
        self.credentials = Some(pair(user, password));
        self
    }

    /// Where requests for this name or IP address lead, whatever their port. Letter case of names
    /// does not matter. Default: `localhost` and loopback addresses lead to themselves, and nothing
    /// else leads anywhere.
    pub fn resolve(mut self, host: &str, to: SocketAddr) -> Self {
        self.routes.add(host, to);
        self
    }

    /// What to do to every request instead of what it asks for. Default: nothing.
    pub fn fault(mut self, fault: ProxyFault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Starts the proxy.
    ///
    /// # Panics
    ///
    /// Where [`try_start`](Self::try_start) returns an error.
    pub fn start(self) -> ProxyServer {
        self.try_start()
            .expect("a loopback proxy needs a free port and a thread")
    }

    /// Starts the proxy. Fails if no loopback port or thread is to be had, or if the certificate
    /// cannot be used.
    pub fn try_start(self) -> io::Result<ProxyServer> {
        let acceptor = match &self.identity {
            None => None,
            Some(identity) => Some(TlsSettings::default().acceptor(identity)?),
        };
        let failures = Failures::default();
        let shared = Arc::new(Shared {
            kind: self.kind,
            acceptor,
            credentials: self.credentials,
            routes: self.routes,
            fault: Mutex::new(self.fault),
            records: Arc::new(Records::default()),
            failures: failures.clone(),
        });
        let accepting = shared.clone();
        let thread = LoopbackThread::start("pr-testkit proxy", failures.clone(), |listener| {
            accept_all(listener, accepting)
        })?;
        Ok(ProxyServer {
            thread,
            shared,
            failures,
        })
    }
}
