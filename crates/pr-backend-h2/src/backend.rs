//! The backend itself: the contract of `pr-core`, kept by a pool of HTTP/2 connections.

use std::fmt;

use async_trait::async_trait;
use pr_core::{
    Backend, BackendError, Capabilities, Capability, ExchangeRequest, ExchangeResponse,
    TransportConfig, Warnings,
};

use crate::pool::Pool;

/// A backend that speaks HTTP/2 where the peer does, and HTTP/1.1 where it does not.
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
    Capability::Network,
]);

impl H2Backend {
    /// A backend with the default settings.
    pub fn new() -> Result<Self, BackendError> {
        Self::with_config(TransportConfig::default())
    }

    /// A backend with settings.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the backends share this signature, and others keep the settings"
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

    async fn exchange(&self, request: ExchangeRequest) -> Result<ExchangeResponse, BackendError> {
        self.pool.exchange(request).await
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

impl fmt::Debug for H2Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("H2Backend")
            .field("origins", &self.pool.origins())
            .finish_non_exhaustive()
    }
}
