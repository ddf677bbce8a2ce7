//! The name that a peer's certificate must be valid for.

use pr_core::{BackendError, ConnectionKey, ErrorKind, Proxy};
use rustls::pki_types::ServerName;

/// The name to verify a peer's certificate against, and to send as SNI if it is a DNS name
/// (RFC 6066, section 3).
///
/// It is the key's host: a DNS name or an IP address. A host that is neither, such as `a..b`, is an
/// error of kind [`Input`](ErrorKind::Input).
///
/// ```
/// use pr_core::{ConnectionKey, ProtocolChoice};
/// use pr_tls::{rustls::pki_types::ServerName, server_name};
/// use url::Url;
///
/// let url = Url::parse("https://[::1]:8443/").unwrap();
/// let key = ConnectionKey::new(&url, None, true, ProtocolChoice::Negotiate).unwrap();
/// assert!(matches!(server_name(&key).unwrap(), ServerName::IpAddress(_)));
/// ```
pub fn server_name(key: &ConnectionKey) -> Result<ServerName<'static>, BackendError> {
    name_of(
        key.bare_host(),
        "the URL's host is neither a DNS name nor an IP address, so that no certificate can be \
         valid for it",
    )
}

/// The same for an `https` proxy.
///
/// ```
/// use pr_core::Proxy;
/// use pr_tls::{proxy_name, rustls::pki_types::ServerName};
///
/// let proxy = Proxy::new("https://proxy.example").unwrap();
/// assert!(matches!(proxy_name(&proxy).unwrap(), ServerName::DnsName(_)));
/// ```
pub fn proxy_name(proxy: &Proxy) -> Result<ServerName<'static>, BackendError> {
    name_of(
        proxy.host().trim_start_matches('[').trim_end_matches(']'),
        "the proxy's host is neither a DNS name nor an IP address, so that no certificate can be \
         valid for it",
    )
}

fn name_of(host: &str, otherwise: &'static str) -> Result<ServerName<'static>, BackendError> {
    ServerName::try_from(host.to_owned())
        .map_err(|error| BackendError::new(ErrorKind::Input, otherwise).with_source(error))
}
