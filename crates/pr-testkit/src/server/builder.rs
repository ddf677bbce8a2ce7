//! The settings of a server.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use tokio::sync::watch;

use super::Server;
use super::connection::{Disconnect, Protocols, Shared, accept_all};
use crate::certificates::{Identity, TestCa};
use crate::failures::Failures;
use crate::ledger::Ledger;
use crate::thread::LoopbackThread;
use crate::tls::{ClientCertificates, TlsSettings, TlsVersions};

/// How much of each request's body the ledger keeps by default, in bytes.
const RECORDED_BODY: usize = 64 * 1024;

pub(crate) type Handler =
    dyn Fn(Request<Bytes>) -> BoxFuture<'static, Response<Bytes>> + Send + Sync;
pub(crate) type Handlers = HashMap<String, Arc<Handler>>;

/// Settings of a [`Server`]; made by [`Server::builder`].
///
/// ```
/// use pr_testkit::{Server, TestCa};
///
/// let server = Server::builder()
///     .tls(TestCa::shared().localhost())
///     .http2_only()
///     .max_concurrent_streams(10)
///     .handle("/hello", |request| async move {
///         http::Response::new(format!("{} from a test", request.method()).into())
///     })
///     .start();
/// assert!(server.url("/hello").starts_with("https://127.0.0.1:"));
/// ```
#[must_use = "a builder does nothing until it starts a server"]
pub struct ServerBuilder {
    identity: Option<Identity>,
    tls_versions: TlsVersions,
    client_certificates: Option<ClientCertificates>,
    protocols: Protocols,
    alpn: Option<Vec<Vec<u8>>>,
    max_concurrent_streams: Option<u32>,
    record_requests: bool,
    recorded_body: usize,
    handlers: Handlers,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            identity: None,
            tls_versions: TlsVersions::default(),
            client_certificates: None,
            protocols: Protocols::Both,
            alpn: None,
            max_concurrent_streams: None,
            record_requests: true,
            recorded_body: RECORDED_BODY,
            handlers: Handlers::new(),
        }
    }
}

impl ServerBuilder {
    /// Speaks TLS with this certificate. Default: no TLS.
    pub fn tls(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Speaks TLS 1.2 only. Default: 1.2 and 1.3. Needs [`tls`](Self::tls).
    pub fn tls12_only(mut self) -> Self {
        self.tls_versions = TlsVersions::Tls12;
        self
    }

    /// Speaks TLS 1.3 only. Default: 1.2 and 1.3. Needs [`tls`](Self::tls).
    pub fn tls13_only(mut self) -> Self {
        self.tls_versions = TlsVersions::Tls13;
        self
    }

    /// Requires clients to show a certificate that this authority has issued. Needs
    /// [`tls`](Self::tls); without it, this changes nothing.
    pub fn require_client_certificate(self, authority: &TestCa) -> Self {
        self.client_certificates(authority, true)
    }

    /// Asks clients for a certificate that this authority has issued, and serves those without one
    /// too; [`ConnectionRecord::client_certificate`](crate::ConnectionRecord::client_certificate)
    /// tells which it was. Needs [`tls`](Self::tls); without it, this changes nothing.
    pub fn request_client_certificate(self, authority: &TestCa) -> Self {
        self.client_certificates(authority, false)
    }

    fn client_certificates(mut self, authority: &TestCa, required: bool) -> Self {
        self.client_certificates = Some(ClientCertificates {
            authority: authority.der().to_vec(),
            required,
        });
        self
    }

    /// Speaks HTTP/1.1 only. Default: both, told apart by ALPN or by the first bytes.
    pub fn http1_only(mut self) -> Self {
        self.protocols = Protocols::Http1;
        self
    }

    /// Speaks HTTP/2 only. Default: both, told apart by ALPN or by the first bytes.
    pub fn http2_only(mut self) -> Self {
        self.protocols = Protocols::Http2;
        self
    }

    /// The protocol names to offer in ALPN (RFC 7301), best first; an empty list switches ALPN off.
    /// Default: `h2` and `http/1.1`, as far as they are spoken.
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = Some(
            protocols
                .iter()
                .map(|name| name.as_bytes().to_vec())
                .collect(),
        );
        self
    }

    /// How many streams one HTTP/2 connection may have open: `SETTINGS_MAX_CONCURRENT_STREAMS`
    /// (RFC 9113 section 6.5.2). Default: 200.
    pub fn max_concurrent_streams(mut self, streams: u32) -> Self {
        self.max_concurrent_streams = Some(streams);
        self
    }

    /// Whether the ledger keeps a record of each request and connection, or only counts. Default:
    /// it keeps them.
    pub fn record_requests(mut self, on: bool) -> Self {
        self.record_requests = on;
        self
    }

    /// How much of each request's body the ledger keeps, in bytes. Default: 64 KiB.
    pub fn recorded_body(mut self, bytes: usize) -> Self {
        self.recorded_body = bytes;
        self
    }

    /// Answers requests for exactly this path, whatever their method, with a function of the test.
    /// It takes precedence over the built-in routes. It gets the whole body, up to 64 MiB; a panic
    /// in it is answered with 500 and fails the test.
    pub fn handle<H, F>(mut self, path: &str, handler: H) -> Self
    where
        H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Bytes>> + Send + 'static,
    {
        let handler = move |request| handler(request).boxed();
        self.handlers.insert(path.to_owned(), Arc::new(handler));
        self
    }

    /// Starts the server.
    ///
    /// # Panics
    ///
    /// Where [`try_start`](Self::try_start) returns an error.
    pub fn start(self) -> Server {
        self.try_start()
            .expect("a loopback server needs a free port and a thread")
    }

    /// Starts the server. Fails if no loopback port or thread is to be had, or if the certificate
    /// cannot be used.
    pub fn try_start(self) -> io::Result<Server> {
        let tls = self.identity.is_some();
        let acceptor = match &self.identity {
            None => None,
            Some(identity) => {
                let settings = TlsSettings {
                    alpn: self.alpn.unwrap_or_else(|| self.protocols.alpn()),
                    versions: self.tls_versions,
                    client: self.client_certificates,
                };
                Some(settings.acceptor(identity)?)
            }
        };
        let ledger = Ledger::new(self.record_requests, self.recorded_body);
        let failures = Failures::default();
        let (disconnect, disconnected) = watch::channel(Disconnect::default());
        let shared = Arc::new(Shared {
            ledger: ledger.clone(),
            failures: failures.clone(),
            handlers: self.handlers,
            scheme: if tls { "https" } else { "http" },
            acceptor,
            protocols: self.protocols,
            max_concurrent_streams: self.max_concurrent_streams,
            disconnected,
        });
        let thread = LoopbackThread::start("pr-testkit server", failures.clone(), |listener| {
            accept_all(listener, shared)
        })?;
        Ok(Server {
            thread,
            tls,
            ledger,
            failures,
            disconnect,
        })
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("tls", &self.identity.is_some())
            .field("protocols", &self.protocols)
            .field("handlers", &self.handlers.keys())
            .finish_non_exhaustive()
    }
}
