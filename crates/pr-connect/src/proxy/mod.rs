//! Proxies: which way a connection takes through one, and under whose name.

mod forwarding;
mod socks;
mod tunnel;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use pr_core::{BackendError, ConnectionKey, ErrorKind, Proxy, Scheme};
use tokio::net::TcpStream;

pub use self::forwarding::Forwarding;
use crate::resolver::Resolver;

/// What there is once the proxy has been passed.
pub(crate) enum Passed {
    /// A way through to the origin.
    Through(TcpStream),
    /// A connection to the proxy, which forwards one request after another.
    Forwarding(TcpStream, Forwarding),
}

/// Gets past a proxy that has just been dialed.
pub(crate) async fn pass(
    proxy: &Proxy,
    tcp: TcpStream,
    key: &ConnectionKey,
    resolver: &Resolver,
) -> Result<Passed, BackendError> {
    let credentials = Credentials::of(proxy);
    if proxy.is_socks() {
        let names = if proxy.scheme() == "socks5" {
            Some(resolver)
        } else {
            None
        };
        return socks::open(tcp, key, credentials, names)
            .await
            .map(Passed::Through);
    }
    let authorization = credentials
        .map(|credentials| credentials.basic())
        .transpose()?;
    match key.scheme() {
        Scheme::Http => Ok(Passed::Forwarding(tcp, Forwarding { authorization })),
        Scheme::Https => tunnel::open(tcp, key, authorization)
            .await
            .map(Passed::Through),
    }
}

/// The error for a proxy that could not even be dialed.
pub(crate) fn unreachable(error: BackendError) -> BackendError {
    if error.is_timeout() {
        return error;
    }
    let message = format!("the proxy cannot be reached: {}", error.message());
    BackendError::new(ErrorKind::Proxy, message).with_source(error)
}

/// User name and password, as bytes, because nothing says in which encoding they are.
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Credentials {
    fn of(proxy: &Proxy) -> Option<Self> {
        let url = proxy.url();
        if url.username().is_empty() && url.password().is_none() {
            return None;
        }
        let decoded = |text| percent_decode_str(text).collect();
        Some(Self {
            user: decoded(url.username()),
            password: decoded(url.password().unwrap_or_default()),
        })
    }

    /// As HTTP sends them (RFC 7617).
    fn basic(&self) -> Result<HeaderValue, BackendError> {
        let pair = [&self.user[..], b":", &self.password].concat();
        let value = format!("Basic {}", BASE64_STANDARD.encode(pair));
        let mut value = HeaderValue::try_from(value).map_err(|_| unsendable())?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// As SOCKS sends them (RFC 1929), through an interface that takes text.
    fn text(self) -> Result<(String, String), BackendError> {
        let text = |bytes| String::from_utf8(bytes).map_err(|_| unsendable());
        Ok((text(self.user)?, text(self.password)?))
    }
}

fn unsendable() -> BackendError {
    // Without a source, which might show them.
    BackendError::new(ErrorKind::Input, "the proxy's credentials cannot be sent")
}

fn failed(message: impl Into<std::borrow::Cow<'static, str>>) -> BackendError {
    BackendError::new(ErrorKind::Proxy, message)
}
