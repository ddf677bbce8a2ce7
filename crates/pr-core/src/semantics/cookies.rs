//! The cookies of a session, on their way into requests and out of responses.

use http::HeaderMap;
use url::Url;

#[cfg(feature = "cookies")]
use crate::CookieJar;

/// The jar of a session, if it has one. Without the feature `cookies` there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cookies {
    #[cfg(feature = "cookies")]
    jar: Option<CookieJar>,
}

#[cfg(feature = "cookies")]
impl Cookies {
    pub(crate) fn of(jar: CookieJar) -> Self {
        Self { jar: Some(jar) }
    }

    pub(crate) fn jar(&self) -> Option<&CookieJar> {
        self.jar.as_ref()
    }

    /// Adds what is for this URL to the headers of a request.
    pub(super) fn add_to(&self, url: &Url, headers: &mut HeaderMap) {
        if let Some(jar) = &self.jar {
            jar.add_to(url, headers);
        }
    }

    /// Keeps what a response from this URL sets.
    pub(super) fn keep(&self, url: &Url, headers: &HeaderMap) {
        if let Some(jar) = &self.jar {
            jar.store(url, headers);
        }
    }
}

#[cfg(not(feature = "cookies"))]
#[expect(clippy::unused_self, reason = "the other one has a jar")]
impl Cookies {
    pub(super) fn add_to(&self, _url: &Url, _headers: &mut HeaderMap) {}

    pub(super) fn keep(&self, _url: &Url, _headers: &HeaderMap) {}
}
