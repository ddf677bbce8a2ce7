//! The backend that users make: the HTTP/1.1 pool under the contract of `pr-core`.

use async_trait::async_trait;
use futures::future::BoxFuture;
use pr_connect::Connector;
use pr_core::{
    Backend, BackendError, Capabilities, Capability, ExchangeRequest, ExchangeResponse,
    TransportConfig, Warnings,
};

use crate::Http1Pool;

/// HTTP/1.1 over TCP and TLS, asynchronous throughout.
///
/// Requests are sent from within a Tokio runtime, of either flavor, whose time and I/O drivers are
/// enabled. A connection belongs to the runtime that it was opened on: one backend may serve
/// several runtimes, and those do not share connections.
///
/// Closing, and dropping as well, ends exchanges that are still in flight, bodies that are still
/// being read included, with kind [`Closed`](pr_core::ErrorKind::Closed).
///
/// ```
/// use std::time::Duration;
/// use pr_backend_hyper::{Backend, HyperBackend, TransportConfig};
///
/// let config = TransportConfig::default().connect_timeout(Duration::from_secs(3));
/// let backend = HyperBackend::with_config(config)?;
/// assert_eq!(backend.name(), "hyper");
/// # Ok::<(), pr_backend_hyper::BackendError>(())
/// ```
#[derive(Debug)]
pub struct HyperBackend {
    pool: Http1Pool,
    warnings: Warnings,
}

const NAME: &str = "hyper";

const CAPABILITIES: Capabilities = Capabilities::of(&[
    Capability::Http1,
    Capability::AsyncNative,
    Capability::StreamingDownload,
    Capability::StreamingUpload,
    Capability::ConnectionReuse,
    Capability::Tls,
    Capability::Trailers,
    Capability::ExpectContinue,
    Capability::HttpProxy,
    Capability::SocksProxy,
    Capability::UnixSocket,
    Capability::Network,
]);

impl HyperBackend {
    /// A backend with the default settings, which trusts the system's certificate authorities.
    pub fn new() -> Result<Self, BackendError> {
        Self::with_config(TransportConfig::default())
    }

    /// A backend with these settings.
    ///
    /// Nothing is opened yet, and no runtime is needed. Settings that cannot work, such as a root
    /// certificate that cannot be read, are an error of kind
    /// [`Config`](pr_core::ErrorKind::Config). HTTP/2 by prior knowledge has no effect here, and
    /// leaves a [`Warning`](pr_core::Warning).
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every backend takes its settings by value, and some keep them"
    )]
    pub fn with_config(config: TransportConfig) -> Result<Self, BackendError> {
        let connector = Connector::new(&config)?;
        Ok(Self {
            pool: Http1Pool::new(&config, connector),
            warnings: Warnings::about(&config, NAME, CAPABILITIES),
        })
    }
}

#[async_trait]
impl Backend for HyperBackend {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    // Written out, because `async_trait` would keep the request twice.
    fn exchange<'a, 'b>(
        &'a self,
        request: ExchangeRequest,
    ) -> BoxFuture<'b, Result<ExchangeResponse, BackendError>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.pool.exchange(request))
    }

    fn reset_connections(&self) {
        self.pool.reset_connections();
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
