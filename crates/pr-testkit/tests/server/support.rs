//! Servers and the clients to talk to them, for every way of speaking HTTP.

use std::sync::Once;
use std::time::Duration;

use pr_testkit::{Latch, Server, TestCa};
use reqwest::{Client, ClientBuilder};

/// Longer than anything here takes on a slow machine; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A client that trusts the shared authority and does nothing of its own accord.
pub(crate) fn client_builder() -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .expect("nothing else installs a provider");
    });
    let ca = reqwest::Certificate::from_pem(TestCa::shared().pem().as_bytes())
        .expect("the authority's certificate is PEM");
    Client::builder()
        .tls_certs_only([ca])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
}

pub(crate) fn client() -> Client {
    build(client_builder())
}

fn build(builder: ClientBuilder) -> Client {
    builder.build().expect("the settings are consistent")
}

/// HTTP/1.1, HTTP/2 with prior knowledge, and each of them over TLS.
pub(crate) fn every_way() -> Vec<(&'static str, Server, Client)> {
    let tls = || Server::builder().tls(TestCa::shared().localhost());
    let prior_knowledge = client_builder().http2_prior_knowledge();
    vec![
        ("HTTP/1.1", Server::start(), client()),
        ("HTTP/2", Server::start(), build(prior_knowledge)),
        ("HTTP/1.1", tls().http1_only().start(), client()),
        ("HTTP/2", tls().start(), client()),
    ]
}

/// A server whose route `/wait` answers once the latch is open.
pub(crate) fn server_that_waits_for(latch: &Latch) -> Server {
    let latch = latch.clone();
    let wait = move |_| {
        let latch = latch.clone();
        async move {
            assert!(latch.wait(PATIENCE).await, "the test opens the latch");
            http::Response::default()
        }
    };
    Server::builder()
        .max_concurrent_streams(3)
        .handle("/wait", wait)
        .start()
}

/// A response's body as JSON.
pub(crate) async fn json(response: reqwest::Response) -> serde_json::Value {
    let text = response.text().await.expect("the body arrives");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}
