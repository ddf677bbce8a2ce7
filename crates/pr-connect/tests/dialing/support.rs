//! What the tests have in common: settings that trust the test authority, and keys.

use std::{collections::HashMap, net::IpAddr, sync::Mutex, time::Duration};

use futures::future::BoxFuture;
use pr_connect::{Alpn, Connected, Connector};
use pr_core::{
    BackendError, Certificate, ConnectionKey, Delivery, DnsFailure, ProtocolChoice, Proxy, Resolve,
    ResolveError, Roots, TransportConfig,
};
use pr_testkit::TestCa;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
};
use url::Url;

/// How long a test waits for what is bound to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn settings() -> TransportConfig {
    let authority = Certificate::from_pem_bundle(TestCa::shared().pem().as_bytes()).unwrap();
    TransportConfig::default().roots(Roots::Only(authority))
}

pub(crate) fn key(url: &str) -> ConnectionKey {
    key_through(url, None, true)
}

pub(crate) fn key_through(url: &str, proxy: Option<&str>, verify_ssl: bool) -> ConnectionKey {
    let url = Url::parse(url).unwrap();
    let proxy = proxy.map(|proxy| Proxy::new(proxy).unwrap());
    ConnectionKey::new(&url, proxy, verify_ssl, ProtocolChoice::Negotiate).unwrap()
}

/// Connects to a URL under some settings, offering HTTP/2.
pub(crate) async fn connect(
    settings: TransportConfig,
    url: &str,
) -> Result<Connected, BackendError> {
    connect_key(settings, &key(url)).await
}

/// The same through a proxy.
pub(crate) async fn connect_through(
    settings: TransportConfig,
    url: &str,
    proxy: &str,
) -> Result<Connected, BackendError> {
    connect_key(settings, &key_through(url, Some(proxy), true)).await
}

pub(crate) async fn connect_key(
    settings: TransportConfig,
    key: &ConnectionKey,
) -> Result<Connected, BackendError> {
    let connector = Connector::new(&settings).unwrap();
    let outcome = connector.connect(key, Alpn::Http2OrHttp1).await;
    if let Err(error) = &outcome {
        assert_eq!(error.delivery(), Delivery::NotSent);
        let shown = format!("{} {error:?}", error.chain());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    outcome
}

/// Asks an HTTP/1.1 server for a path, and gives back all that it answers.
pub(crate) async fn get(connected: &mut Connected, host: &str, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    connected.io.write_all(request.as_bytes()).await.unwrap();
    connected.io.flush().await.unwrap();
    let mut answer = Vec::new();
    // Not every server says goodbye.
    connected.io.read_to_end(&mut answer).await.ok();
    String::from_utf8(answer).unwrap()
}

/// A resolver that knows a few names, remembers what it was asked, and can be made to wait.
#[derive(Debug)]
pub(crate) struct Table {
    names: HashMap<&'static str, Vec<IpAddr>>,
    asked: Mutex<Vec<String>>,
    /// How many look-ups have begun.
    begun: watch::Sender<usize>,
    /// Whether they may answer.
    open: watch::Sender<bool>,
}

impl Table {
    pub(crate) fn new<const N: usize>(names: [(&'static str, &[[u8; 4]]); N]) -> Self {
        let addresses = |list: &[[u8; 4]]| list.iter().copied().map(IpAddr::from).collect();
        let names = names.into_iter();
        Self {
            names: names.map(|(name, list)| (name, addresses(list))).collect(),
            asked: Mutex::default(),
            begun: watch::Sender::new(0),
            open: watch::Sender::new(true),
        }
    }

    pub(crate) fn hold(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn release(&self) {
        self.open.send_replace(true);
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) async fn has_begun(&self, count: usize) {
        let mut begun = self.begun.subscribe();
        let waiting = begun.wait_for(|begun| *begun >= count);
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap()
            .unwrap();
    }
}

impl Resolve for Table {
    fn resolve(&self, host: &str) -> BoxFuture<'static, Result<Vec<IpAddr>, ResolveError>> {
        self.asked.lock().unwrap().push(host.to_owned());
        self.begun.send_modify(|begun| *begun += 1);
        let answer = match self.names.get(host) {
            Some(addresses) => Ok(addresses.clone()),
            None if host.starts_with("flaky") => Err(DnsFailure::Transient),
            None => Err(DnsFailure::NotFound),
        };
        let mut open = self.open.subscribe();
        Box::pin(async move {
            open.wait_for(|open| *open).await.ok();
            answer.map_err(|failure| ResolveError::new(failure).with_source("the table says so"))
        })
    }
}
