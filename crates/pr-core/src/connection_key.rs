//! What must be equal for two requests to share a connection.

use std::{fmt, path::Path, sync::Arc};

use url::Url;

use crate::{Proxy, TlsConfig};

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
/// under one set of proxy credentials or through one Unix socket, was made under one set of TLS
/// settings, was or was not verified, and speaks a version of HTTP that the request accepts. What is
/// fixed for a backend's whole life, such as its own TLS settings and its resolver, is no part of the
/// key, because connections never leave their backend.
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
    // Boxed, because few requests have any, and each has a key.
    apart: Option<Box<Apart>>,
    verify_ssl: bool,
    protocol: ProtocolChoice,
}

/// What few requests have.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Apart {
    unix_socket: Option<Arc<Path>>,
    tls: Option<TlsConfig>,
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
            apart: None,
            verify_ssl: verify_ssl || scheme == Scheme::Http,
            protocol,
        })
    }

    /// The same for a request with TLS settings of its own. For `http`, they make no difference and
    /// are left out.
    pub fn with_tls(mut self, tls: TlsConfig) -> Self {
        if self.scheme == Scheme::Https {
            self.apart.get_or_insert_default().tls = Some(tls);
        }
        self
    }

    /// The same through a Unix socket, in place of TCP and of any proxy.
    pub fn with_unix_socket(mut self, path: Arc<Path>) -> Self {
        self.apart.get_or_insert_default().unix_socket = Some(path);
        self.proxy = None;
        self
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

    /// The Unix socket that the connection goes through.
    pub fn unix_socket(&self) -> Option<&Path> {
        self.apart.as_ref()?.unix_socket.as_deref()
    }

    /// The request's own TLS settings; without them, the backend's hold.
    pub fn tls(&self) -> Option<&TlsConfig> {
        self.apart.as_ref()?.tls.as_ref()
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
        // What is kept apart is shown as if it were not.
        f.debug_struct("ConnectionKey")
            .field(
                "origin",
                &format_args!("{}://{}:{}", self.scheme.as_str(), self.host, self.port),
            )
            .field("proxy", &self.proxy)
            .field("unix_socket", &self.unix_socket())
            .field("tls", &self.tls())
            .field("verify_ssl", &self.verify_ssl)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}
