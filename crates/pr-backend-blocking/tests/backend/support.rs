//! What the tests of this crate have in common.

use std::time::Duration;

use futures::StreamExt;
use http::Method;
use pr_backend_blocking::{
    Backend, BackendError, BlockingBackend, Certificate, Roots, TransportConfig,
};
use pr_core::{ConnectionKey, ExchangeRequest, ExchangeResponse, Frame, ProtocolChoice};
use pr_testkit::{Server, TestCa};
use url::Url;

/// How long a test waits for what is bound to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A response without a body.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A backend that trusts the test's certificate authority.
pub(crate) fn backend() -> BlockingBackend {
    BlockingBackend::with_config(trusting()).unwrap()
}

/// The same with a single thread, so that the next request waits for it to be free.
pub(crate) fn single() -> BlockingBackend {
    BlockingBackend::with_config(trusting().max_threads(1)).unwrap()
}

pub(crate) fn trusting() -> TransportConfig {
    let authority = Certificate::from_pem_bundle(TestCa::shared().pem().as_bytes()).unwrap();
    TransportConfig::default().roots(Roots::Only(authority))
}

/// One request as the backend is given it, without the semantics above.
pub(crate) fn request(method: Method, url: &str) -> ExchangeRequest {
    let url = Url::parse(url).unwrap();
    let key = ConnectionKey::new(&url, None, true, ProtocolChoice::Negotiate).unwrap();
    ExchangeRequest::new(method, url.as_str().parse().unwrap(), key)
}

pub(crate) async fn get(
    backend: &BlockingBackend,
    url: impl AsRef<str>,
) -> Result<ExchangeResponse, BackendError> {
    backend.exchange(request(Method::GET, url.as_ref())).await
}

/// The rest of a body.
pub(crate) async fn read(mut response: ExchangeResponse) -> Result<Vec<u8>, BackendError> {
    let mut content = Vec::new();
    while let Some(frame) = response.body.next().await {
        if let Frame::Data(piece) = frame? {
            content.extend_from_slice(&piece);
        }
    }
    Ok(content)
}

/// Waits until the server has this many open connections.
pub(crate) async fn wait_for_open(server: &Server, open: u64) {
    server
        .ledger()
        .wait_until(|counts| counts.connections_open == open, PATIENCE)
        .await
        .unwrap();
}
