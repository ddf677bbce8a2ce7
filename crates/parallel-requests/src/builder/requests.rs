//! What applies to every request that does not say otherwise.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
#[cfg(feature = "cookies")]
use pr_core::CookieJar;
use pr_core::{Proxies, RedirectPolicy, UserAgents};

use super::{ClientBuilder, ProxyChoice};

/// Requests. A request's own settings win over all of these.
impl ClientBuilder {
    /// The total time of a request; see [`RequestConfig::timeout`](crate::RequestConfig::timeout).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.defaults.timeout = Some(limit);
        self
    }

    /// The time for the head of a response; see
    /// [`RequestConfig::first_byte_timeout`](crate::RequestConfig::first_byte_timeout).
    pub fn first_byte_timeout(mut self, limit: Duration) -> Self {
        self.defaults.first_byte_timeout = Some(limit);
        self
    }

    /// The time between two pieces of a response's body; see
    /// [`RequestConfig::read_timeout`](crate::RequestConfig::read_timeout).
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.defaults.read_timeout = Some(limit);
        self
    }

    /// The time in which the peer takes nothing of a request; see
    /// [`RequestConfig::write_timeout`](crate::RequestConfig::write_timeout).
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.defaults.write_timeout = Some(limit);
        self
    }

    /// The largest content of a response, in bytes; see
    /// [`RequestConfig::max_body_size`](crate::RequestConfig::max_body_size).
    pub fn max_body_size(mut self, bytes: u64) -> Self {
        self.defaults.max_body_size = Some(bytes);
        self
    }

    /// Whether content codings are taken off; see
    /// [`RequestConfig::decode`](crate::RequestConfig::decode).
    pub fn decode(mut self, decode: bool) -> Self {
        self.defaults.decode = Some(decode);
        self
    }

    /// Whether bodies of responses are read and counted without being kept; see
    /// [`RequestConfig::discard_body`](crate::RequestConfig::discard_body). Default: no.
    pub fn discard_body(mut self, discard: bool) -> Self {
        self.defaults.discard_body = Some(discard);
        self
    }

    /// Adds a header field to every request that has none of that name.
    pub fn header(
        mut self,
        name: impl TryInto<HeaderName>,
        value: impl TryInto<HeaderValue>,
    ) -> Self {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => {
                if self.defaults.headers.try_append(name, value).is_err() {
                    self.refuse("header", "there are too many header fields");
                }
            }
            (Err(_), _) => self.refuse("header", "the name is not a token (RFC 9110, section 5.1)"),
            (_, Err(_)) => self.refuse(
                "header",
                "the value has characters that a header cannot hold (RFC 9110, section 5.5)",
            ),
        }
        self
    }

    /// Adds these header fields to every request that has none of the same name.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        let mut last = None;
        for (name, value) in headers {
            last = name.or(last);
            if let Some(name) = &last {
                self = self.header(name, value);
            }
        }
        self
    }

    /// What the client calls itself, in place of `parallel-requests/<version>`.
    pub fn user_agent(mut self, name: impl TryInto<HeaderValue>) -> Self {
        match name.try_into() {
            Ok(name) => {
                self.defaults.user_agents = None;
                self.defaults.headers.insert(header::USER_AGENT, name);
            }
            Err(_) => self.refuse("user_agent", "it has characters that a header cannot hold"),
        }
        self
    }

    /// What the client calls itself, in turn, in place of an earlier
    /// [`user_agent`](Self::user_agent). Requests with a `user-agent` of their own keep it.
    pub fn user_agents(mut self, names: UserAgents) -> Self {
        self.defaults.headers.remove(header::USER_AGENT);
        self.defaults.user_agents = Some(names);
        self
    }

    /// Whether requests ask for HTTP/2 or refuse it; see
    /// [`RequestConfig::http2`](crate::RequestConfig::http2). `true` with a backend that has no
    /// HTTP/2 raises a [warning](crate::ParallelRequests::warnings).
    pub fn http2(mut self, http2: bool) -> Self {
        self.defaults.http2 = Some(http2);
        self
    }

    /// Whether redirects are followed.
    pub fn follow_redirects(mut self, follow: bool) -> Self {
        self.defaults.follow_redirects = Some(follow);
        self
    }

    /// Which redirects are followed; see
    /// [`RequestConfig::redirect_policy`](crate::RequestConfig::redirect_policy).
    pub fn redirect_policy(mut self, policy: RedirectPolicy) -> Self {
        self.defaults.redirect_policy = Some(policy);
        self
    }

    /// Whether only `https` will do; see
    /// [`RequestConfig::https_only`](crate::RequestConfig::https_only).
    pub fn https_only(mut self, only: bool) -> Self {
        self.defaults.https_only = Some(only);
        self
    }

    /// Whether certificates must be valid.
    pub fn verify_ssl(mut self, verify: bool) -> Self {
        self.defaults.verify_ssl = Some(verify);
        self
    }

    /// Keeps cookies: what any response sets is sent with later requests that it is for. The jar is
    /// shared by all requests of the client, and with whoever has a clone of it. Without one, only
    /// a request's own cookies are sent.
    #[cfg(feature = "cookies")]
    pub fn cookie_jar(mut self, jar: CookieJar) -> Self {
        self.cookie_jar = Some(jar);
        self
    }

    /// The proxies, in place of those of the [environment](Proxies#the-environment): a
    /// [`Proxies`], or a single [`Proxy`](crate::Proxy) for everything. With a backend that is given
    /// by value, the environment is not read.
    pub fn proxy(mut self, proxies: impl Into<Proxies>) -> Self {
        self.proxies = ProxyChoice::These(proxies.into());
        self
    }

    /// No proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.proxies = ProxyChoice::These(Proxies::none());
        self
    }
}
