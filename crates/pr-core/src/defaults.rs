//! What applies to every request that does not say otherwise.

use std::time::Duration;

use http::HeaderMap;

use crate::{Proxy, RequestConfig};

/// Settings for every request of a [`Session`](crate::Session) or client. A request's own wins.
///
/// ```
/// use std::time::Duration;
/// use pr_core::{RequestConfig, RequestDefaults};
///
/// let mut defaults = RequestDefaults::default();
/// defaults.timeout = Some(Duration::from_secs(5));
/// let mut request = RequestConfig::get("https://example.org/");
/// defaults.apply(&mut request);
/// assert_eq!(request.timeout_setting(), Some(Duration::from_secs(5)));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RequestDefaults {
    /// Header fields, each for requests that have none of that name.
    pub headers: HeaderMap,
    /// The total time of a request.
    pub timeout: Option<Duration>,
    /// The proxy.
    pub proxy: Option<Proxy>,
    /// Whether to ask for HTTP/2.
    pub http2: Option<bool>,
    /// Whether to follow redirects.
    pub follow_redirects: Option<bool>,
    /// Whether to verify certificates.
    pub verify_ssl: Option<bool>,
}

impl RequestDefaults {
    /// Fills in what the request leaves open.
    pub fn apply(&self, request: &mut RequestConfig) {
        for name in self.headers.keys() {
            if !request.headers.contains_key(name) {
                for value in self.headers.get_all(name) {
                    request.headers.append(name, value.clone());
                }
            }
        }
        request.timeout = request.timeout.or(self.timeout);
        if request.proxy.is_none() {
            request.proxy.clone_from(&self.proxy);
        }
        request.http2 = request.http2.or(self.http2);
        request.follow_redirects = request.follow_redirects.or(self.follow_redirects);
        request.verify_ssl = request.verify_ssl.or(self.verify_ssl);
    }
}
