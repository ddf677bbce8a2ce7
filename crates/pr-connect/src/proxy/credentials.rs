//! User name and password of a proxy, in the forms in which they are sent.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use pr_core::{BackendError, ErrorKind, Proxy};

/// User name and password, as bytes, because nothing says in which encoding they are.
pub(super) struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Credentials {
    /// Those of the proxy's URL.
    pub(super) fn of(proxy: &Proxy) -> Option<Self> {
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
    pub(super) fn basic(&self) -> Result<HeaderValue, BackendError> {
        let pair = [&self.user[..], b":", &self.password].concat();
        let value = format!("Basic {}", BASE64_STANDARD.encode(pair));
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| refuse("the proxy's credentials cannot be sent"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// As SOCKS sends them (RFC 1929), through an interface that takes text.
    pub(super) fn login(self) -> Result<(String, String), BackendError> {
        let lengths = 1..=255;
        if !lengths.contains(&self.user.len()) || !lengths.contains(&self.password.len()) {
            return Err(refuse(
                "the user name and the password for a SOCKS5 proxy have 1 to 255 bytes each (RFC \
                 1929, section 2)",
            ));
        }
        let text = |bytes| {
            String::from_utf8(bytes)
                .map_err(|_| refuse("the proxy's credentials cannot be sent: they are not UTF-8"))
        };
        Ok((text(self.user)?, text(self.password)?))
    }
}

/// Without a source, which might show them.
fn refuse(why: &'static str) -> BackendError {
    BackendError::new(ErrorKind::Input, why)
}
