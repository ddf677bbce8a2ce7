//! What applies to every request that does not say otherwise.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName, header};

use crate::{
    Proxies, RedirectPolicy, RequestConfig, TlsConfig, UserAgents,
    request::{Options, RequestFields, Route},
};

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
    /// Names for the `user-agent` header, in turn, of requests that have none, neither of their own
    /// nor among [`headers`](Self::headers).
    pub user_agents: Option<UserAgents>,
    /// The total time of a request: [`RequestConfig::timeout`].
    pub timeout: Option<Duration>,
    /// The time for the head of the response: [`RequestConfig::first_byte_timeout`].
    pub first_byte_timeout: Option<Duration>,
    /// The time between two pieces of the response's body: [`RequestConfig::read_timeout`].
    pub read_timeout: Option<Duration>,
    /// The time in which the peer takes nothing of the request: [`RequestConfig::write_timeout`].
    pub write_timeout: Option<Duration>,
    /// The largest content: [`RequestConfig::max_body_size`].
    pub max_body_size: Option<u64>,
    /// Whether to read bodies without keeping them: [`RequestConfig::discard_body`].
    pub discard_body: Option<bool>,
    /// Whether to send again at once what a connection failed: [`RequestConfig::resend`].
    pub resend: Option<bool>,
    /// Whether to take the content coding off: [`RequestConfig::decode`].
    pub decode: Option<bool>,
    /// The proxies; a request can refuse them by [`no_proxy`](RequestConfig::no_proxy).
    pub proxies: Option<Proxies>,
    /// Whether to ask for HTTP/2.
    pub http2: Option<bool>,
    /// Whether to follow redirects.
    pub follow_redirects: Option<bool>,
    /// Which redirects to follow: [`RequestConfig::redirect_policy`].
    pub redirect_policy: Option<RedirectPolicy>,
    /// Whether only `https` will do: [`RequestConfig::https_only`].
    pub https_only: Option<bool>,
    /// Whether to verify certificates.
    pub verify_ssl: Option<bool>,
    /// TLS settings in place of the backend's: [`RequestConfig::tls`].
    pub tls: Option<TlsConfig>,
}

impl RequestDefaults {
    /// Fills in what the request leaves open.
    pub fn apply(&self, request: &mut RequestConfig) {
        self.apply_to(request.fields_mut());
    }

    pub(crate) fn apply_to(&self, request: &mut RequestFields) {
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
        if let Some(names) = &self.user_agents
            && !request.headers.contains_key(header::USER_AGENT)
        {
            request.headers.insert(header::USER_AGENT, names.next());
        }
        request.timeout = request.timeout.or(self.timeout);
        if let (Route::Default, Some(proxies)) = (&request.route, &self.proxies) {
            request.route = Route::By(proxies.clone());
        }
        request.http2 = request.http2.or(self.http2);
        request.discard_body = request.discard_body.or(self.discard_body);
        request.resend = request.resend.or(self.resend);
        request.follow_redirects = request.follow_redirects.or(self.follow_redirects);
        request.verify_ssl = request.verify_ssl.or(self.verify_ssl);
        self.apply_options(request);
    }

    /// Fills in what a request keeps apart. It gets room for that only if there is anything.
    fn apply_options(&self, request: &mut RequestFields) {
        fn fill<T: Clone>(
            request: &mut RequestFields,
            default: Option<&T>,
            option: fn(&mut Options) -> &mut Option<T>,
        ) {
            if let Some(default) = default {
                option(request.options_mut()).get_or_insert_with(|| default.clone());
            }
        }
        fill(request, self.first_byte_timeout.as_ref(), |options| {
            &mut options.first_byte_timeout
        });
        fill(request, self.read_timeout.as_ref(), |options| {
            &mut options.read_timeout
        });
        fill(request, self.write_timeout.as_ref(), |options| {
            &mut options.write_timeout
        });
        fill(request, self.max_body_size.as_ref(), |options| {
            &mut options.max_body_size
        });
        fill(request, self.decode.as_ref(), |options| &mut options.decode);
        fill(request, self.redirect_policy.as_ref(), |options| {
            &mut options.redirect_policy
        });
        fill(request, self.https_only.as_ref(), |options| {
            &mut options.https_only
        });
        fill(request, self.tls.as_ref(), |options| &mut options.tls);
    }
}

impl RequestFields {
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
            .field("user_agents", &self.user_agents)
            .field("timeout", &self.timeout)
            .field("first_byte_timeout", &self.first_byte_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("write_timeout", &self.write_timeout)
            .field("max_body_size", &self.max_body_size)
            .field("discard_body", &self.discard_body)
            .field("resend", &self.resend)
            .field("decode", &self.decode)
            .field("proxies", &self.proxies)
            .field("http2", &self.http2)
            .field("follow_redirects", &self.follow_redirects)
            .field("redirect_policy", &self.redirect_policy)
            .field("https_only", &self.https_only)
            .field("verify_ssl", &self.verify_ssl)
            .field("tls", &self.tls)
            .finish()
    }
}
