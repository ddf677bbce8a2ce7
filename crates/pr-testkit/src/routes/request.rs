//! A request as the routes see it.

use std::time::Duration;

use http::request::Parts;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use url::form_urlencoded;

use crate::server::RequestBody;

pub(crate) struct Received {
    pub(crate) head: Parts,
    pub(crate) body: RequestBody,
    pub(crate) scheme: &'static str,
    /// When its head had been read.
    pub(crate) arrived: Instant,
}

impl Received {
    /// Returns so long after the request has arrived; never, after more than a clock can hold.
    pub(super) async fn wait_since_arrival(&self, delay: Duration) {
        match self.arrived.checked_add(delay) {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// The pairs of the query, decoded, in order.
    pub(super) fn query_pairs(&self) -> Vec<(String, String)> {
        form_pairs(self.head.uri.query().unwrap_or_default().as_bytes())
    }

    /// The first value of a query parameter.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        let mut pairs = self.query_pairs().into_iter();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A query parameter as a number; `default` where it is absent, `None` where it is no number.
    pub(super) fn query_number<T: std::str::FromStr>(&self, name: &str, default: T) -> Option<T> {
        match self.query(name) {
            None => Some(default),
            Some(text) => text.parse().ok(),
        }
    }

    pub(super) fn header(&self, name: http::HeaderName) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Host and port as the client named them.
    pub(super) fn authority(&self) -> &str {
        match self.head.uri.authority() {
            Some(authority) => authority.as_str(),
            None => self.header(http::header::HOST).unwrap_or_default(),
        }
    }

    /// The URL that the client asked for.
    pub(super) fn url(&self) -> String {
        let target = self
            .head
            .uri
            .path_and_query()
            .map_or("/", |all| all.as_str());
        self.url_of(target)
    }

    /// An absolute URL on this server, under the name that the client used.
    pub(super) fn url_of(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.authority())
    }

    /// All header fields as pairs, in order.
    pub(super) fn headers_json(&self) -> Value {
        let pairs =
            self.head.headers.iter().map(|(name, value)| {
                json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
            });
        pairs.collect()
    }
}

/// The pairs of `application/x-www-form-urlencoded` bytes, decoded, in order.
pub(super) fn form_pairs(bytes: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(bytes).into_owned().collect()
}

/// Pairs as a JSON array of two-element arrays, which keeps their order and repeated names.
pub(super) fn pairs_json(pairs: &[(String, String)]) -> Value {
    pairs
        .iter()
        .map(|(key, value)| json!([key, value]))
        .collect()
}
