//! Who limits, pauses and failures belong to: the origin of a request.

use std::{
    borrow::{Borrow, Cow},
    fmt,
    sync::Arc,
};

use pr_core::RequestConfig;
use url::{Position, Url};

/// The origin of a URL: its scheme, host and port (RFC 6454, section 4).
///
/// It is written as RFC 6454, section 6.2, has it: without user information, and with the port only
/// if that is not the scheme's own. A clone shares the text.
///
/// What a policy keeps by origin can be looked up by [`Origin::key`], for which nothing is
/// allocated, because an origin borrows as a `str`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Origin(Arc<str>);

impl Origin {
    /// The origin that a request goes to first; `None` if what it has is no URL with a host, so that
    /// it is refused before anything is sent.
    pub(crate) fn of(request: &RequestConfig) -> Option<Self> {
        request.url().and_then(Self::of_url)
    }

    /// The origin of a URL, if that has a host.
    pub(crate) fn of_url(url: &Url) -> Option<Self> {
        Self::key(url).map(|key| Self::from_key(&key))
    }

    /// As it is written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin that [`key`](Self::key) gave this text for.
    pub(crate) fn from_key(key: &str) -> Self {
        Self(key.into())
    }

    /// What [`of_url`](Self::of_url) would be written as.
    pub(crate) fn key(url: &Url) -> Option<Cow<'_, str>> {
        url.host_str().filter(|host| !host.is_empty())?;
        // `Url` has normalized the scheme, the host and the port already.
        if url.username().is_empty() && url.password().is_none() {
            return Some(Cow::Borrowed(&url[..Position::AfterPort]));
        }
        let scheme = url.scheme();
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        Some(Cow::Owned(format!("{scheme}://{authority}")))
    }

    /// The origin that a setting names: a URL of which only the origin counts, or a host by itself,
    /// which is taken for an `https` origin.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let url = if text.contains("://") {
            Url::parse(text)
        } else {
            Url::parse(&format!("https://{text}"))
        };
        let url = url.ok()?;
        matches!(url.scheme(), "http" | "https")
            .then(|| Self::of_url(&url))
            .flatten()
    }
}

impl Borrow<str> for Origin {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_else() {
        for (url, origin) in [
            ("http://h.example/p?q=1#f", "http://h.example"),
            ("http://h.example:80/", "http://h.example"),
            ("https://h.example:443", "https://h.example"),
            ("https://h.example:80", "https://h.example:80"),
            ("HTTPS://H.Example/", "https://h.example"),
            (
                "https://user:secret@h.example:8443/",
                "https://h.example:8443",
            ),
            ("https://user@h.example/", "https://h.example"),
            ("https://:secret@h.example/", "https://h.example"),
            ("http://[::1]:8080/a@b", "http://[::1]:8080"),
            ("https://bücher.example/", "https://xn--bcher-kva.example"),
        ] {
            let found = Origin::of(&RequestConfig::get(url)).unwrap();
            assert_eq!(found.to_string(), origin, "{url}");
            assert_eq!(format!("{found:?}"), origin);
        }
    }

    #[test]
    fn what_has_no_host_has_no_origin() {
        for text in ["", "h.example/p", "mailto:a@h.example", "data:text/plain,x"] {
            assert_eq!(Origin::of(&RequestConfig::get(text)), None, "{text}");
        }
    }

    #[test]
    fn a_setting_may_name_a_host_or_a_url() {
        for (text, origin) in [
            ("h.example", Some("https://h.example")),
            (" H.example:8443 ", Some("https://h.example:8443")),
            ("http://h.example/p", Some("http://h.example")),
            ("http://user:secret@h.example", Some("http://h.example")),
            ("[::1]:80", Some("https://[::1]:80")),
            ("ftp://h.example", None),
            ("", None),
            ("a b", None),
        ] {
            let found = Origin::parse(text).map(|origin| origin.to_string());
            assert_eq!(found.as_deref(), origin, "{text}");
        }
    }
}
