//! The way from a connection key to a connection, within the time that it may take.

use std::{fmt, sync::Arc, time::Duration};

use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use pr_core::{BackendError, ConnectionKey, Scheme, TimeoutPhase, TransportConfig};
use pr_tls::{Alpn, TlsContext, handshake_error, server_name};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::{
    Connected, Stream, address, error,
    proxy::{self, Passed},
    resolver::Resolver,
};

/// Opens connections: name resolution, TCP, the proxy, and TLS where the scheme is `https`.
///
/// A host with several addresses is tried on all of them, IPv6 and IPv4 side by side after 300 ms
/// (Happy Eyeballs, RFC 8305). `TCP_NODELAY` is set, since a request waits for nothing that Nagle's
/// algorithm could gather; TCP keep-alive probes start after a minute of silence, so that a
/// connection through a forgetful NAT is noticed while it is idle.
///
/// Clones are cheap and share everything, TLS sessions included.
///
/// ```
/// use std::time::Duration;
/// use pr_connect::Connector;
/// use pr_core::TransportConfig;
///
/// let config = TransportConfig::default().connect_timeout(Duration::from_secs(3));
/// let connector = Connector::new(&config)?;
/// # drop(connector);
/// # Ok::<(), pr_core::BackendError>(())
/// ```
#[derive(Clone)]
pub struct Connector {
    inner: Arc<Inner>,
}

struct Inner {
    resolver: Resolver,
    tcp: HttpConnector<Resolver>,
    tls: TlsContext,
    connect_timeout: Duration,
}

/// How long a connection may be silent before the kernel asks the peer whether it is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// How long the kernel waits between two such questions.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

impl Connector {
    /// Takes whom to trust and the time limit of a connection; the rest of `config` is not for
    /// dialing.
    ///
    /// A setting that cannot work is an error of kind [`Config`](pr_core::ErrorKind::Config).
    pub fn new(config: &TransportConfig) -> Result<Self, BackendError> {
        config.validate()?;
        let resolver = Resolver::new();
        let mut tcp = HttpConnector::new_with_resolver(resolver.clone());
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE_AFTER));
        tcp.set_keepalive_interval(Some(KEEPALIVE_EVERY));
        // Shared out evenly among a host's addresses, so that one that never answers leaves time
        // for the next.
        tcp.set_connect_timeout(Some(config.connect_timeout));
        Ok(Self {
            inner: Arc::new(Inner {
                resolver,
                tcp,
                tls: TlsContext::new(&config.roots)?,
                connect_timeout: config.connect_timeout,
            }),
        })
    }

    /// Opens a connection that may carry requests of this key, through the key's proxy if it has
    /// one: an `http` proxy forwards plain requests, which [`Connected::forwarding`] tells, and
    /// gives a tunnel (CONNECT) to `https` origins; a SOCKS5 proxy gives a tunnel to all.
    ///
    /// `alpn` says what to offer over TLS; without TLS the protocol is HTTP/1.1. The connection
    /// belongs to the Tokio runtime of the caller, whose time and I/O drivers must be enabled.
    /// Dropping the future closes whatever it had opened; a look-up by the system's resolver that
    /// has begun ends by itself on a thread of the runtime.
    ///
    /// Errors: kind [`Dns`](pr_core::ErrorKind::Dns), [`Connect`](pr_core::ErrorKind::Connect) or
    /// [`Tls`](pr_core::ErrorKind::Tls); [`Proxy`](pr_core::ErrorKind::Proxy) for everything that
    /// goes wrong before the proxy has been passed; [`Config`](pr_core::ErrorKind::Config) if the
    /// machine has no CA certificates to verify with. When the settings' `connect_timeout` has
    /// passed, it is a [`Timeout`](pr_core::ErrorKind::Timeout) in the phase
    /// [`Connect`](TimeoutPhase::Connect) whose message says in which part. Nothing of a request
    /// has been sent in any of them.
    pub async fn connect(
        &self,
        key: &ConnectionKey,
        alpn: Alpn,
    ) -> Result<Connected, BackendError> {
        // A limit too long to be represented is no limit.
        let deadline = Instant::now().checked_add(self.inner.connect_timeout);
        let dialed = match key.proxy() {
            None => {
                let dialing = self.inner.dial(key.host(), key.port());
                Passed::Through(self.within(deadline, "DNS and TCP", dialing).await?)
            }
            Some(proxy) => {
                let dialing = self.inner.dial(proxy.host(), proxy.port());
                let dialing = self.within(deadline, "DNS and TCP to the proxy", dialing);
                let tcp = dialing.await.map_err(proxy::unreachable)?;
                let passing = proxy::pass(proxy, tcp, key, &self.inner.resolver);
                self.within(deadline, "the proxy's handshake", passing)
                    .await?
            }
        };
        let tcp = match dialed {
            Passed::Through(tcp) => tcp,
            Passed::Forwarding(tcp, forwarding) => {
                let remote = tcp.peer_addr().ok();
                return Ok(Connected::new(Stream::tcp(tcp), remote, Some(forwarding)));
            }
        };
        let remote = tcp.peer_addr().ok();
        let stream = match key.scheme() {
            Scheme::Http => Stream::tcp(tcp),
            Scheme::Https => {
                let handshake = self.inner.shake_hands(tcp, key, alpn);
                self.within(deadline, "the TLS handshake", handshake)
                    .await?
            }
        };
        Ok(Connected::new(stream, remote, None))
    }

    async fn within<T>(
        &self,
        deadline: Option<Instant>,
        part: &'static str,
        step: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        let Some(deadline) = deadline else {
            return step.await;
        };
        timeout_at(deadline, step).await.unwrap_or_else(|_| {
            let limit = self.inner.connect_timeout;
            Err(BackendError::timeout(
                TimeoutPhase::Connect,
                format!("the connect timeout of {limit:?} passed during {part}"),
            ))
        })
    }
}

impl Inner {
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, BackendError> {
        // The service is called through `&mut`; its clone is a reference count.
        let mut tcp = self.tcp.clone();
        let connecting = tcp.call(address::uri_of(host, port)?);
        connecting
            .await
            .map(TokioIo::into_inner)
            .map_err(error::dialing)
    }

    async fn shake_hands(
        &self,
        tcp: TcpStream,
        key: &ConnectionKey,
        alpn: Alpn,
    ) -> Result<Stream, BackendError> {
        let name = server_name(key)?;
        let config = self.tls.client_config(key.verify_ssl(), alpn)?;
        let tls = TlsConnector::from(config)
            .connect(name, tcp)
            .await
            .map_err(handshake_error)?;
        Ok(Stream::tls(tls))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("tls", &self.inner.tls)
            .field("connect_timeout", &self.inner.connect_timeout)
            .finish_non_exhaustive()
    }
}
