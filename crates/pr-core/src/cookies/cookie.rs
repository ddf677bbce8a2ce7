//! A cookie to look at.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::store::Entry;

/// A cookie as a [`CookieJar`](crate::CookieJar) had it when it was asked: a copy, to be read.
///
/// `Debug` output does not show the value.
///
/// ```
/// use pr_core::CookieJar;
/// use url::Url;
///
/// let jar = CookieJar::new();
/// let url = Url::parse("https://shop.example.com/cart/")?;
/// jar.set(&url, "basket=7; Domain=example.com; Secure; Max-Age=3600")?;
///
/// let cookie = jar.get(&url, "basket").unwrap();
/// assert_eq!(cookie.value(), "7");
/// assert_eq!((cookie.domain(), cookie.is_host_only()), ("example.com", false));
/// assert_eq!(cookie.path(), "/cart");
/// assert!(cookie.is_secure() && cookie.expires().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Cookie(Entry);

impl Cookie {
    pub(super) fn new(entry: &Entry) -> Self {
        Self(entry.clone())
    }

    /// The name; empty if the server gave none.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The value, as the server gave it: quotation marks and percent signs have no meaning.
    pub fn value(&self) -> &str {
        &self.0.value
    }

    /// The domain to which it is sent, in lower case.
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    /// Whether it is sent to that very host, and not to those below it.
    pub fn is_host_only(&self) -> bool {
        self.0.is_host_only()
    }

    /// The path at and below which it is sent.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// When it ends; `None` for a session cookie, which ends with the jar.
    pub fn expires(&self) -> Option<SystemTime> {
        let seconds = u64::try_from(self.0.expires?).unwrap_or_default();
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    /// Whether it is sent over `https` only.
    pub fn is_secure(&self) -> bool {
        self.0.secure
    }

    /// Whether it is kept from scripts in pages; here that means nothing.
    pub fn is_http_only(&self) -> bool {
        self.0.http_only
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookie")
            .field("name", &self.name())
            .field("domain", &self.domain())
            .field("host_only", &self.is_host_only())
            .field("path", &self.path())
            .field("expires", &self.expires())
            .field("secure", &self.is_secure())
            .field("http_only", &self.is_http_only())
            .finish_non_exhaustive()
    }
}
