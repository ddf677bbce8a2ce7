//! What applies to every request that does not say otherwise.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName, header};

use crate::{Proxy, RequestConfig, request::Route};

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
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RequestDefaults {
    /// Header fields, each for requests that have none of that name. `authorization` is not for
    /// requests whose URL has credentials of its own, nor `content-type` for those whose body
    /// implies one. `Debug` output shows no values.
    pub headers: HeaderMap,
    /// The total time of a request.
    pub timeout: Option<Duration>,
    /// The proxy; a request can refuse it by [`no_proxy`](RequestConfig::no_proxy).
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
            if request.says(name) {
                continue;
            }
            for value in self.headers.get_all(name) {
                if request.headers.try_append(name, value.clone()).is_err() {
                    request.note("there are too many header fields");
                }
            }
        }
        request.timeout = request.timeout.or(self.timeout);
        if let (Route::Default, Some(proxy)) = (&request.route, &self.proxy) {
            request.route = Route::Via(proxy.clone());
        }
        request.http2 = request.http2.or(self.http2);
        request.follow_redirects = request.follow_redirects.or(self.follow_redirects);
        request.verify_ssl = request.verify_ssl.or(self.verify_ssl);
    }
}

impl RequestConfig {
    /// Whether the request itself settles what a header of this name will be.
    fn says(&self, name: &HeaderName) -> bool {
        let implied = match *name {
            header::AUTHORIZATION => self
                .url()
                .is_some_and(|url| !url.username().is_empty() || url.password().is_some()),
            header::CONTENT_TYPE => self.content_type.is_some(),
            _ => false,
        };
        implied || self.headers.contains_key(name)
    }
}

impl fmt::Debug for RequestDefaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestDefaults")
            .field("headers", &crate::redact::names(&self.headers))
            .field("timeout", &self.timeout)
            .field("proxy", &self.proxy)
            .field("http2", &self.http2)
            .field("follow_redirects", &self.follow_redirects)
            .field("verify_ssl", &self.verify_ssl)
            .finish()
    }
}
