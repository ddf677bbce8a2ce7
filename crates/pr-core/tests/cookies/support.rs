//! Short ways to fill a jar as servers do and to look at what it sends, and a clock to be set.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, header};
use pr_core::CookieJar;
use url::Url;

pub(crate) fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// The header fields of a response that sets these cookies.
pub(crate) fn response<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let value = HeaderValue::from_bytes(line.as_ref()).unwrap();
        headers.append(header::SET_COOKIE, value);
    }
    headers
}

/// What the jar sends to this URL.
pub(crate) fn sent(jar: &CookieJar, to: &str) -> String {
    let Some(value) = jar.header_for(&url(to)) else {
        return String::new();
    };
    assert!(value.is_sensitive());
    String::from_utf8(value.as_bytes().to_vec()).unwrap()
}

/// What is sent to `to` when a server at `from` has set these cookies.
pub(crate) fn echoed(from: &str, lines: &[&str], to: &str) -> String {
    let jar = CookieJar::new();
    jar.store(&url(from), &response(lines));
    sent(&jar, to)
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    /// 2030-01-01, 00:00:00 UTC.
    pub(crate) const START: u64 = 1_893_456_000;

    pub(crate) fn jar() -> (Self, CookieJar) {
        let clock = Self(Arc::new(AtomicU64::new(Self::START)));
        let asked = clock.clone();
        (clock, CookieJar::with_clock(move || asked.now()))
    }

    pub(crate) fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}
