//! What the tests of this crate share: backends, patience, and a peer that speaks raw frames.

pub(crate) mod raw;

use std::time::Duration;

use http::Method;
use pr_backend_h2::{H2Backend, Roots, TransportConfig};
use pr_core::{Certificate, ConnectionKey, ExchangeRequest, ProtocolChoice};
use pr_testkit::TestCa;
use tokio::time::timeout;
use url::Url;

/// Longer than anything here takes on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the future yields. A test that hangs fails.
pub(crate) fn soon<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    // On the heap before anything else, because tests make large ones.
    let future = Box::pin(future);
    async {
        let outcome = timeout(PATIENCE, future).await;
        outcome.expect("this should not take so long")
    }
}

/// Settings for peers that speak HTTP/2 over plain TCP.
pub(crate) fn plain() -> TransportConfig {
    TransportConfig::default().http2_prior_knowledge(true)
}

/// Settings for peers with a certificate of the shared test authority.
pub(crate) fn tls() -> TransportConfig {
    let roots = Certificate::from_pem_bundle(TestCa::shared().pem().as_bytes()).unwrap();
    TransportConfig::default().roots(Roots::Only(roots))
}

pub(crate) fn backend(config: TransportConfig) -> H2Backend {
    H2Backend::with_config(config).unwrap()
}

/// One exchange, to be given to a backend directly, without anything that would send it again.
pub(crate) fn exchange(method: Method, url: &str) -> ExchangeRequest {
    let url = Url::parse(url).unwrap();
    let key = ConnectionKey::new(&url, None, true, ProtocolChoice::Negotiate).unwrap();
    ExchangeRequest::new(method, url.as_str().parse().unwrap(), key)
}

/// Lets the runtime poll its sockets, and the tasks that this makes runnable, a few times.
pub(crate) async fn turns_of_the_event_loop() {
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
