//! What a request says of itself, without its secrets where it is shown.

use std::{fmt, time::Duration};

use http::{HeaderMap, Method};
use url::Url;

use super::{Body, RequestConfig, Route, Target};
use crate::{Proxy, redact};

impl RequestConfig {
    /// The URL with its parameters, or `None` if what was given is none.
    pub fn url(&self) -> Option<&Url> {
        match &self.target {
            Target::Url(url) => Some(url),
            Target::Invalid(_) => None,
        }
    }

    /// The URL for messages: without user information, query and fragment. Never empty of meaning:
    /// text that is no URL is shown, shortened.
    pub fn display_url(&self) -> String {
        match &self.target {
            Target::Url(url) => redact::url(url),
            Target::Invalid(text) => redact::text(text),
        }
    }

    /// The method.
    pub fn method_ref(&self) -> &Method {
        &self.method
    }

    /// The header fields that were set.
    pub fn header_map(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The total time that was set.
    pub fn timeout_setting(&self) -> Option<Duration> {
        self.timeout
    }

    /// Whether HTTP/2 was asked for or refused.
    pub fn http2_setting(&self) -> Option<bool> {
        self.http2
    }

    /// The proxy that was set.
    pub fn proxy_setting(&self) -> Option<&Proxy> {
        match &self.route {
            Route::Via(proxy) => Some(proxy),
            Route::Default | Route::Direct | Route::By(_) => None,
        }
    }

    /// Whether redirects are to be followed, if that was set.
    pub fn follow_redirects_setting(&self) -> Option<bool> {
        self.follow_redirects
    }

    /// Whether certificates are to be verified, if that was set.
    pub fn verify_ssl_setting(&self) -> Option<bool> {
        self.verify_ssl
    }

    /// The cookies of this request, names and values.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cookies
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether the response's body was said to be long.
    pub fn is_streamed(&self) -> bool {
        self.stream
    }
}

impl fmt::Debug for RequestConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestConfig")
            .field("method", &self.method)
            .field("url", &format_args!("{}", self.display_url()))
            .field("headers", &redact::names(&self.headers))
            .field("cookies", &self.cookies.len())
            .field("body", &self.body)
            .field("timeout", &self.timeout)
            .field("route", &self.route)
            .field("http2", &self.http2)
            .field("stream", &self.stream)
            .field("follow_redirects", &self.follow_redirects)
            .field("verify_ssl", &self.verify_ssl)
            .field("options", &self.options)
            .field("defect", &self.defect)
            .finish_non_exhaustive()
    }
}
