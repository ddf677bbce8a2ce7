//! What is set once for the client's connections.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pr_core::{AddressFilter, Resolve, Roots, TlsConfig, TransportConfig};

use super::ClientBuilder;

/// Connections. None of these goes together with a backend that is given by value, which has its own.
impl ClientBuilder {
    /// The time for name resolution, TCP, proxy and TLS together.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.transport = self.transport.connect_timeout(limit);
        self.transport_setting = Some("connect_timeout");
        self
    }

    /// How many connections may be open at a time, idle ones included, to all hosts; more requests
    /// wait. The default follows from the limit of file descriptors; see
    /// [`TransportConfig::max_connections`].
    pub fn max_connections(mut self, count: usize) -> Self {
        self.transport = self.transport.max_connections(count);
        self.transport_setting = Some("max_connections");
        self
    }

    /// How many connections may be open at a time to one origin; see
    /// [`TransportConfig::max_connections_per_origin`].
    pub fn max_connections_per_origin(mut self, count: usize) -> Self {
        self.transport = self.transport.max_connections_per_origin(count);
        self.transport_setting = Some("max_connections_per_origin");
        self
    }

    /// How long a connection may be idle before it is closed.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.transport = self.transport.idle_timeout(limit);
        self.transport_setting = Some("idle_timeout");
        self
    }

    /// Whether `http://` peers are known to speak HTTP/2 (RFC 9113, section 3.3). Only h2 can.
    pub fn http2_prior_knowledge(mut self, known: bool) -> Self {
        self.transport = self.transport.http2_prior_knowledge(known);
        self.transport_setting = Some("http2_prior_knowledge");
        self
    }

    /// Whom to trust, within the [TLS settings](Self::tls).
    pub fn roots(mut self, roots: Roots) -> Self {
        self.transport = self.transport.roots(roots);
        self.transport_setting = Some("roots");
        self
    }

    /// The TLS settings: whom to trust, a client certificate, versions. They take the place of all
    /// earlier ones, [`roots`](Self::roots) included. Certificates are verified unless [`verify_ssl`](Self::verify_ssl) says otherwise.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.transport = self.transport.tls(tls);
        self.transport_setting = Some("tls");
        self
    }

    /// Sends connections to `host` to these addresses, without a look-up; see
    /// [`TransportConfig::resolve`].
    pub fn resolve(
        mut self,
        host: impl AsRef<str>,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Self {
        self.transport = self.transport.resolve(host, addresses);
        self.transport_setting = Some("resolve");
        self
    }

    /// Who resolves names, in place of the system.
    pub fn resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.transport = self.transport.resolver(resolver);
        self.transport_setting = Some("resolver");
        self
    }

    /// Which addresses may be dialed; for a program that fetches what strangers ask for,
    /// [`AddressFilter::public_only`].
    pub fn address_filter(mut self, filter: AddressFilter) -> Self {
        self.transport = self.transport.address_filter(filter);
        self.transport_setting = Some("address_filter");
        self
    }

    /// All settings of the transport at once, in place of those that were set before. The number of
    /// threads still follows the [`concurrency`](Self::concurrency), and so do those of idle connections
    /// that are kept, if they are the default's and it is more.
    pub fn transport(mut self, transport: TransportConfig) -> Self {
        self.transport = transport;
        self.transport_setting = Some("transport");
        self
    }
}
