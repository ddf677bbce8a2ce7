//! The backend itself: the contract of `pr-core`, kept by a pool of HTTP/2 connections.

use async_trait::async_trait;
use futures::future::BoxFuture;
use pr_core::{
    Backend, BackendError, Capabilities, Capability, ExchangeRequest, ExchangeResponse,
    TransportConfig, Warnings,
};

use crate::pool::Pool;

/// HTTP/2 over TCP and TLS, many requests to a connection, and HTTP/1.1 to peers that speak nothing
/// newer. The [crate's documentation](crate) says which requests travel how.
///
/// Closing, and dropping as well, ends exchanges that are still in flight, bodies that are still
/// being read included, with kind [`Closed`](pr_core::ErrorKind::Closed). Tasks on a current-thread
/// runtime other than the caller's are told to end but not waited for, because they can end only
/// while somebody drives that runtime.
///
/// ```
/// use std::time::Duration;
/// use pr_backend_h2::{Backend, H2Backend, TransportConfig};
///
/// let config = TransportConfig::default()
///     .connect_timeout(Duration::from_secs(3))
///     .http2_connections_per_origin(4);
/// let backend = H2Backend::with_config(config)?;
/// assert_eq!(backend.name(), "h2");
/// # Ok::<(), pr_backend_h2::BackendError>(())
/// ```
#[derive(Debug)]
pub struct H2Backend {
    pool: Pool,
    warnings: Warnings,
}

const CAPABILITIES: Capabilities = Capabilities::of(&[
    Capability::Http1,
    Capability::Http2,
    Capability::Http2PriorKnowledge,
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

impl H2Backend {
    /// A backend with the default settings, which trusts the system's certificate authorities.
    pub fn new() -> Result<Self, BackendError> {
        Self::with_config(TransportConfig::default())
    }

    /// A backend with these settings.
    ///
    /// Nothing is opened yet, and no runtime is needed. Settings that cannot work, such as a root
    /// certificate that cannot be read, are an error of kind
    /// [`Config`](pr_core::ErrorKind::Config).
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every backend takes its settings by value, and some keep them"
    )]
    pub fn with_config(config: TransportConfig) -> Result<Self, BackendError> {
        Ok(Self {
            pool: Pool::new(&config)?,
            warnings: Warnings::default(),
        })
    }
}

#[async_trait]
impl Backend for H2Backend {
    fn name(&self) -> &'static str {
        "h2"
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
        self.pool.reset();
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

impl Drop for H2Backend {
    fn drop(&mut self) {
        self.pool.shut_down();
    }
}
