//! What the tests of this crate have in common.

use std::time::Duration;

use http::Method;
use pr_backend_hyper::{Backend, BackendError, HyperBackend, TransportConfig};
use pr_core::{
    Certificate, ConnectionKey, ExchangeRequest, ExchangeResponse, ProtocolChoice, Roots,
};
use pr_testkit::{Server, TestCa};
use url::Url;

/// How long a test waits for what is bound to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A backend that trusts the test's certificate authority.
pub(crate) fn backend() -> HyperBackend {
    HyperBackend::with_config(trusting()).unwrap()
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
    backend: &HyperBackend,
    url: &str,
) -> Result<ExchangeResponse, BackendError> {
    backend.exchange(request(Method::GET, url)).await
}

/// Waits until the server has this many open connections.
pub(crate) async fn wait_for_open(server: &Server, open: u64) {
    server
        .ledger()
        .wait_until(|counts| counts.connections_open == open, PATIENCE)
        .await
        .unwrap();
}

/// Waits until this many tasks of the runtime are left: a connection has one, and it ends when the
/// backend has noticed that the peer is gone, which may be later than the peer was.
pub(crate) async fn wait_for_tasks(tasks: usize) {
    let metrics = tokio::runtime::Handle::current().metrics();
    let noticed = async {
        while metrics.num_alive_tasks() > tasks {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, noticed)
        .await
        .expect("the task of a closed connection ends");
}
