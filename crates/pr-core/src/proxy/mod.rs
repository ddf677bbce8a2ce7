//! A proxy's address and credentials, which never show in `Debug` output.

mod choose;
mod rules;

use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;
use url::{Host, Url};

pub(crate) use self::choose::Chooser;
pub use self::{choose::ChooseProxy, rules::Proxies};
use crate::{BackendError, ErrorKind, redact};

/// A proxy to send a request through.
///
/// The schemes are `http` (forwarding and CONNECT), `https` (the same, over TLS to the proxy),
/// `socks5` (names resolved here) and `socks5h` (names resolved by the proxy). Credentials stand in the URL and are part of the identity of a
/// proxy: requests under other credentials use other connections.
///
/// ```
/// use pr_core::Proxy;
///
/// let proxy: Proxy = "http://user:secret@proxy.example:3128".parse()?;
/// assert_eq!(proxy.host(), "proxy.example");
/// assert!(!format!("{proxy:?}").contains("secret"));
/// # Ok::<(), pr_core::BackendError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    url: Box<Url>,
}

impl Proxy {
    /// Takes a proxy's URL. A missing port is 80 for `http`, 443 for `https` and 1080 for SOCKS.
    ///
    /// Anything but the four schemes, a URL without a host, and credentials with control characters
    /// in them are errors of kind [`Input`](ErrorKind::Input).
    pub fn new(url: &str) -> Result<Self, BackendError> {
        let refuse = |why: String| BackendError::new(ErrorKind::Input, why);
        let mut url = Url::parse(url).map_err(|error| {
            refuse("the proxy is not a URL such as http://proxy.example:3128".to_owned())
                .with_source(error)
        })?;
        if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
            return Err(refuse(format!(
                "proxies of scheme {:?} are not supported; use http, https, socks5 or socks5h, and http:// \
                 before a mere host and port",
                url.scheme()
            )));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refuse("the proxy's URL has no host".to_owned()));
        }
        canonical(&mut url).ok_or_else(|| refuse("the proxy's host is none".to_owned()))?;
        if url.port() == Some(0) {
            return Err(refuse("the proxy's port is 0".to_owned()));
        }
        let holds_control = |text| percent_decode_str(text).any(|byte| byte.is_ascii_control());
        if holds_control(url.username()) || url.password().is_some_and(holds_control) {
            let why = "the proxy's credentials hold control characters, such as a line break";
            return Err(refuse(why.to_owned()));
        }
        Ok(Self { url: Box::new(url) })
    }

    /// `http`, `https`, `socks5` or `socks5h`.
    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// The proxy's host.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The proxy's port.
    pub fn port(&self) -> u16 {
        let default = match self.scheme() {
            "http" => 80,
            "https" => 443,
            _ => 1080,
        };
        self.url.port().unwrap_or(default)
    }

    /// Whether this is a SOCKS5 proxy.
    pub fn is_socks(&self) -> bool {
        self.scheme().starts_with("socks")
    }

    /// Whether the connection to the proxy itself is under TLS.
    pub fn is_tls(&self) -> bool {
        self.scheme() == "https"
    }

    /// The whole URL, **credentials included**: for dialing, never for a message.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// Puts the URL into the one form that equal proxies have: the host as in an `http` URL, no default
/// port, and nothing after them. `None` if the host is none.
fn canonical(url: &mut Url) -> Option<()> {
    let host = percent_decode_str(url.host_str()?).decode_utf8().ok()?;
    let host = Host::parse(&host).ok()?.to_string();
    url.set_host(Some(&host)).ok()?;
    if url.scheme().starts_with("socks") && url.port() == Some(1080) {
        url.set_port(None).ok()?;
    }
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    Some(())
}

impl FromStr for Proxy {
    type Err = BackendError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Self::new(url)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", redact::url(&self.url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_proxies_are_equal_however_they_are_written() {
        for (one, other) in [
            ("socks5://PROXY.Example", "socks5://proxy.example:1080/"),
            (
                "socks5h://bücher.example",
                "socks5h://xn--bcher-kva.example",
            ),
            ("socks5://127.1", "socks5://127.0.0.1"),
            (
                "http://p.example",
                "http://P.example:80/path?query#fragment",
            ),
            ("socks5://[::1]", "socks5://[0:0::1]:1080"),
        ] {
            assert_eq!(
                Proxy::new(one).unwrap(),
                Proxy::new(other).unwrap(),
                "{one}"
            );
        }
        assert_ne!(
            Proxy::new("http://a:b@p.example").unwrap(),
            Proxy::new("http://a:c@p.example").unwrap()
        );
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_a_secret() {
        for wrong in [
            "p.example:3128",
            "ftp://canary@p.example",
            "http://canary@p.example:0",
            "socks5://canary:canary@",
            "socks5://canary@a b",
            "http://user:canary%0d%0a@p.example",
            "http://user%00:canary@p.example",
        ] {
            let error = Proxy::new(wrong).unwrap_err();
            assert!(error.is_input(), "{wrong}");
            assert!(!error.chain().contains("canary"), "{}", error.chain());
        }
    }
}
