//! What the cases work with: backends of the kind under test, and servers to point them at.

use std::sync::Arc;
use std::time::Duration;

use http::Version;
use pr_core::{
    Backend, BackendError, BackendExt, Capabilities, Capability, Certificate, NormalizedResponse,
    RequestConfig, Roots, TransportConfig,
};
use serde_json::Value;

use crate::{Counts, Server, ServerBuilder, TestCa};

/// Longer than anything takes on a slow machine; only a failing case waits so long.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The kind of backend under test.
#[derive(Clone)]
pub(super) struct Subject {
    make: Arc<dyn Fn(TransportConfig) -> Arc<dyn Backend> + Send + Sync>,
    capabilities: Capabilities,
}

/// A server, and a backend that reaches it over one protocol.
pub(super) struct Link {
    pub(super) label: &'static str,
    pub(super) version: Version,
    pub(super) server: Server,
    pub(super) backend: Arc<dyn Backend>,
}

impl Subject {
    pub(super) fn new(
        make: impl Fn(TransportConfig) -> Arc<dyn Backend> + Send + Sync + 'static,
    ) -> Self {
        let mut subject = Self {
            make: Arc::new(make),
            capabilities: Capabilities::default(),
        };
        subject.capabilities = subject.backend().capabilities();
        subject
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    pub(super) fn can(&self, capability: Capability) -> bool {
        self.capabilities.has(capability)
    }

    /// A backend that trusts the shared authority.
    pub(super) fn backend(&self) -> Arc<dyn Backend> {
        self.backend_with(|config| config)
    }

    pub(super) fn backend_with(
        &self,
        change: impl FnOnce(TransportConfig) -> TransportConfig,
    ) -> Arc<dyn Backend> {
        let root = Certificate::from_der(TestCa::shared().der());
        let config = TransportConfig::default().roots(Roots::Only(vec![root]));
        (self.make)(change(config))
    }

    /// One link for each protocol that the backend speaks, plain and over TLS.
    pub(super) fn links(&self) -> Vec<Link> {
        self.links_with(|server| server)
    }

    /// The same with other settings of the servers. A backend without a network gets a server that
    /// it does not reach.
    pub(super) fn links_with(&self, change: impl Fn(ServerBuilder) -> ServerBuilder) -> Vec<Link> {
        let tls = || change(Server::builder()).tls(TestCa::shared().localhost());
        let mut links = Vec::new();
        let mut add = |label, version, server: ServerBuilder, backend| {
            links.push(Link {
                label,
                version,
                server: server.start(),
                backend,
            });
        };
        if self.can(Capability::Http1) {
            let (plain, backend) = (change(Server::builder()), self.backend());
            add("HTTP/1.1", Version::HTTP_11, plain, backend);
            if self.can(Capability::Tls) && self.can(Capability::Network) {
                let server = tls().http1_only();
                let backend = self.backend();
                add("HTTP/1.1 over TLS", Version::HTTP_11, server, backend);
            }
        }
        if self.can(Capability::Http2) && self.can(Capability::Network) {
            let backend = self.backend();
            add("HTTP/2 over TLS", Version::HTTP_2, tls(), backend);
        }
        if self.can(Capability::Http2PriorKnowledge) && self.can(Capability::Network) {
            let server = change(Server::builder()).http2_only();
            let backend = self.backend_with(|config| config.http2_prior_knowledge(true));
            add("HTTP/2 over plain TCP", Version::HTTP_2, server, backend);
        }
        assert!(!links.is_empty(), "the backend speaks no protocol at all");
        links
    }
}

impl Link {
    pub(super) fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    pub(super) async fn request(
        &self,
        request: impl Into<RequestConfig>,
    ) -> Result<NormalizedResponse, BackendError> {
        self.backend.request(request).await
    }

    /// The response, or a panic that says on which link there was none.
    pub(super) async fn answer(&self, request: impl Into<RequestConfig>) -> NormalizedResponse {
        match self.request(request).await {
            Ok(response) => response,
            Err(error) => panic!("{}: {}", self.label, error.chain()),
        }
    }

    /// The JSON with which the server echoes the request.
    pub(super) async fn echo(&self, request: impl Into<RequestConfig>) -> Value {
        let response = self.answer(request).await;
        assert_eq!(response.status_code(), 200, "{}", self.label);
        response
            .json()
            .unwrap_or_else(|error| panic!("{}: {}", self.label, error.chain()))
    }

    /// Waits until the server has seen something.
    pub(super) async fn seen(&self, what: &str, condition: impl FnMut(&Counts) -> bool) -> Counts {
        match self.server.ledger().wait_until(condition, PATIENCE).await {
            Ok(counts) => counts,
            Err(error) => panic!("{}: {what}: {error}", self.label),
        }
    }
}

/// The error where there must be one.
pub(super) fn error_of(
    what: &str,
    outcome: Result<NormalizedResponse, BackendError>,
) -> BackendError {
    match outcome {
        Err(error) => error,
        Ok(response) => panic!("{what}: expected an error, got {response:?}"),
    }
}

/// All values of a header in the server's echo.
pub(super) fn echoed<'a>(echo: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = echo["headers"].as_array().expect("the echo lists headers");
    headers
        .iter()
        .filter(|pair| pair[0] == name)
        .filter_map(|pair| pair[1].as_str())
        .collect()
}
