//! What must be equal for two requests to share a connection.

use std::fmt;

use url::Url;

use crate::Proxy;

/// The URL schemes that this library speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain TCP, port 80 unless said otherwise.
    Http,
    /// TLS, port 443 unless said otherwise.
    Https,
}

impl Scheme {
    /// The scheme as it stands in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(crate) fn of(url: &Url) -> Option<Self> {
        match url.scheme() {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }
}

/// Which versions of HTTP a request may travel over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProtocolChoice {
    /// The best that the backend and the peer agree upon.
    #[default]
    Negotiate,
    /// HTTP/1.1, whatever the peer offers: a request that said `http2(false)`.
    Http1,
}

/// Everything that must be equal for two requests to share a connection.
///
/// A connection belongs to one origin (scheme, host, port; RFC 6454), is reached through one proxy
/// under one set of proxy credentials, was or was not verified, and speaks a version of HTTP that
/// the request accepts. What is fixed for a backend's whole life, such as the certificates that it
/// trusts, is no part of the key, because connections never leave their backend.
///
/// Its `Debug` output shows no proxy credentials.
///
/// ```
/// use pr_core::{ConnectionKey, ProtocolChoice};
/// use url::Url;
///
/// let a = Url::parse("https://example.org/a").unwrap();
/// let b = Url::parse("https://example.org:443/b?c").unwrap();
/// let key = |url| ConnectionKey::new(url, None, true, ProtocolChoice::Negotiate).unwrap();
/// assert_eq!(key(&a), key(&b));
///
/// let unverified = ConnectionKey::new(&b, None, false, ProtocolChoice::Negotiate).unwrap();
/// assert_ne!(key(&a), unverified);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConnectionKey {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
    proxy: Option<Proxy>,
    verify_ssl: bool,
    protocol: ProtocolChoice,
}

impl ConnectionKey {
    /// The key of a request to `url`, or `None` if the URL is not `http` or `https`, or has no host.
    ///
    /// For `http`, certificate verification makes no difference and is taken as on.
    pub fn new(
        url: &Url,
        proxy: Option<Proxy>,
        verify_ssl: bool,
        protocol: ProtocolChoice,
    ) -> Option<Self> {
        let scheme = Scheme::of(url)?;
        Some(Self {
            scheme,
            host: url.host_str()?.into(),
            port: url.port_or_known_default()?,
            proxy,
            verify_ssl: verify_ssl || scheme == Scheme::Http,
            protocol,
        })
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host as it stands in the URL: lower-case, in ASCII, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host without the brackets of an IPv6 address: what is resolved, dialed and verified.
    pub fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, the scheme's default included.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The proxy that the connection goes through.
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// Whether the peer's certificate must be valid.
    pub fn verify_ssl(&self) -> bool {
        self.verify_ssl
    }

    /// Which versions of HTTP will do.
    pub fn protocol(&self) -> ProtocolChoice {
        self.protocol
    }
}

impl fmt::Debug for ConnectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionKey")
            .field(
                "origin",
                &format_args!("{}://{}:{}", self.scheme.as_str(), self.host, self.port),
            )
            .field("proxy", &self.proxy)
            .field("verify_ssl", &self.verify_ssl)
            .field("protocol", &self.protocol)
            .finish()
    }
}
