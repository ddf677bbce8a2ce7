//! What a request says of itself, without its secrets where it is shown.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use http::{HeaderMap, Method};
use url::Url;

use super::{Body, RequestConfig, RequestFields, Route, Target};
use crate::{ExchangeObserver, Proxy, redact};

impl RequestConfig {
    /// The URL with its parameters, or `None` if what was given is none.
    pub fn url(&self) -> Option<&Url> {
        self.fields.url()
    }

    /// The URL for messages: without user information, query and fragment. Never empty of meaning:
    /// text that is no URL is shown, shortened.
    pub fn display_url(&self) -> String {
        self.fields.display_url()
    }

    /// The method.
    pub fn method_ref(&self) -> &Method {
        &self.fields.method
    }

    /// The header fields that were set.
    pub fn header_map(&self) -> &HeaderMap {
        &self.fields.headers
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.fields.body
    }

    /// The total time that was set.
    pub fn timeout_setting(&self) -> Option<Duration> {
        self.fields.timeout
    }

    /// Whether HTTP/2 was asked for or refused.
    pub fn http2_setting(&self) -> Option<bool> {
        self.fields.http2
    }

    /// The proxy that was set.
    pub fn proxy_setting(&self) -> Option<&Proxy> {
        match &self.fields.route {
            Route::Via(proxy) => Some(proxy),
            Route::Default | Route::Direct | Route::By(_) | Route::Chosen(_) => None,
        }
    }

    /// Whether redirects are to be followed, if that was set.
    pub fn follow_redirects_setting(&self) -> Option<bool> {
        self.fields.follow_redirects
    }

    /// Whether certificates are to be verified, if that was set.
    pub fn verify_ssl_setting(&self) -> Option<bool> {
        self.fields.verify_ssl
    }

    /// The cookies of this request, names and values.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .cookies
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of this type that was [attached](Self::extension).
    pub fn extension_ref<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.fields.extensions.get()
    }

    /// Whether it can be sent again as it is: whether its body, if it has one, is
    /// [reopenable](Body::is_reopenable). Whether it *may* is for its method and the error's
    /// [`delivery`](crate::BackendError::delivery) to say.
    pub fn is_replayable(&self) -> bool {
        self.fields.body.is_reopenable()
    }

    /// The Unix socket that was set.
    pub fn unix_socket_setting(&self) -> Option<&Path> {
        self.fields.options.as_deref()?.unix_socket.as_deref()
    }

    /// Whether the request itself says which way it goes: through a [proxy](Self::proxy), through one
    /// that it has [chosen](Self::choose_proxy), or [without one](Self::no_proxy). Then nothing above
    /// should choose another for it.
    ///
    /// A [Unix socket](Self::unix_socket) is no such way: no proxy is used while the request goes
    /// through it, but a redirect that leads elsewhere leaves it, and then the proxy counts.
    pub fn has_own_route(&self) -> bool {
        matches!(
            self.fields.route,
            Route::Via(_) | Route::Direct | Route::Chosen(_)
        )
    }

    /// Whether it was said that it may, or may not, be [sent again](Self::resend) at once.
    pub fn resend_setting(&self) -> Option<bool> {
        self.fields.resend
    }

    /// The observer of its exchanges that was [set](Self::observe_exchange). Whoever wants to see them
    /// as well sets one of its own that passes on what it is told.
    pub fn exchange_observer(&self) -> Option<&Arc<dyn ExchangeObserver>> {
        let observer = self.fields.options.as_deref()?.observer.as_ref()?;
        Some(&observer.0)
    }

    /// Whether the response's body is to be read but not kept, if that was set.
    pub fn discard_body_setting(&self) -> Option<bool> {
        self.fields.discard_body
    }

    /// Whether the response's body was said to be long.
    pub fn is_streamed(&self) -> bool {
        self.fields.stream
    }
}

impl RequestFields {
    pub(crate) fn url(&self) -> Option<&Url> {
        match &self.target {
            Target::Url(url) => Some(url),
            Target::Invalid(_) => None,
        }
    }

    pub(crate) fn display_url(&self) -> String {
        match &self.target {
            Target::Url(url) => redact::url(url),
            Target::Invalid(text) => redact::text(text),
        }
    }
}

impl fmt::Debug for RequestConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = &*self.fields;
        f.debug_struct("RequestConfig")
            .field("method", &fields.method)
            .field("url", &format_args!("{}", self.display_url()))
            .field("headers", &redact::names(&fields.headers))
            .field("cookies", &fields.cookies.len())
            .field("body", &fields.body)
            .field("timeout", &fields.timeout)
            .field("route", &fields.route)
            .field("http2", &fields.http2)
            .field("stream", &fields.stream)
            .field("discard_body", &fields.discard_body)
            .field("resend", &fields.resend)
            .field("follow_redirects", &fields.follow_redirects)
            .field("verify_ssl", &fields.verify_ssl)
            .field("options", &fields.options)
            .field("defect", &fields.defect)
            .finish_non_exhaustive()
    }
}
