//! The jar: what users and the semantics above one exchange do with cookies.

use std::{
    fmt,
    io::{Read, Write},
    str,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use http::{HeaderMap, HeaderValue, header};
use url::Url;

use super::{
    Cookie, MAX_PER_RESPONSE, Refusal, header as field, receive, saved,
    store::{Entry, Store},
};
use crate::{BackendError, ErrorKind};

/// Cookies that responses set and later requests send (RFC 6265bis).
///
/// Clones share the cookies. Every method takes one lock, briefly; a jar that has nothing for a URL
/// says so without allocating.
///
/// # What is taken
///
/// A cookie is refused, as by browsers,
///
/// - whose `Domain` is a public suffix such as `co.uk`, another host's, or an IP address. The list
///   of public suffixes is compiled in, and a top-level domain that it does not know counts as one;
/// - that is `Secure`, or would hide a `Secure` one, and does not come over `https`. That a host is
///   `localhost` makes no difference;
/// - whose name starts with `__Secure-` or `__Host-`, in whatever case, without being that;
/// - with control characters in it, or with more than 4,096 bytes in name and value.
///
/// Attributes of more than 1,024 bytes are ignored, and so is `SameSite`, because there are no pages
/// here that one request could come from and another not. An age is cut to 400 days. Lines that are
/// not UTF-8 are ignored.
///
/// Of one response 50 cookies are taken. There may be 180 for each registrable domain, such as
/// `example.com` with everything below, and 3,000 in all. When there is one more, what has expired
/// goes first; then, within a domain, what is not `Secure`; then what has not been sent for the
/// longest time.
///
/// # What is sent
///
/// What matches the URL's host, path and scheme: longer paths first, then older cookies, as one
/// `cookie` field line of at most 8,190 bytes. A cookie with which it would be longer is left out;
/// shorter ones after it may still find room. A request's own cookies come before those of the jar,
/// and a cookie of the jar with the name of one of them is left out.
///
/// `Debug` output shows no cookies.
///
/// ```
/// use pr_core::CookieJar;
/// use url::Url;
///
/// let jar = CookieJar::new();
/// let login = Url::parse("https://example.com/login")?;
/// jar.set(&login, "session=31d4; Path=/; Secure; HttpOnly")?;
/// jar.insert(&login, "lang", "en")?;
///
/// let page = Url::parse("https://example.com/news/today")?;
/// let sent: Vec<_> = jar.matching(&page).iter().map(|cookie| cookie.name().to_owned()).collect();
/// assert_eq!(sent, ["session", "lang"]);
///
/// let plain = Url::parse("http://example.com/")?;
/// assert!(jar.matching(&plain).is_empty());
/// assert!(jar.set(&plain, "a=1; Domain=com").unwrap_err().is_input());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CookieJar(Arc<Inner>);

struct Inner {
    store: Mutex<Store>,
    clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
}

impl CookieJar {
    /// A jar without cookies.
    pub fn new() -> Self {
        Self::with_clock(SystemTime::now)
    }

    /// A jar that asks for the time here: for tests, to see cookies expire.
    pub fn with_clock(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            store: Mutex::default(),
            clock: Box::new(clock),
        }))
    }

    /// Takes a cookie as a server at this URL would set it: `line` is the value of a `set-cookie`
    /// field. One that has expired removes the cookie that it would replace.
    ///
    /// A cookie that is refused is an error of kind [`Input`](ErrorKind::Input).
    pub fn set(&self, url: &Url, line: &str) -> Result<(), BackendError> {
        let now = self.now();
        receive::read(line, url, now)
            .and_then(|entry| self.lock().insert(entry, receive::is_secure(url), now))
            .map_err(refused)
    }

    /// Takes a session cookie for all paths of this URL's host, and for that host only. If the URL
    /// is `https`, the cookie is `Secure`.
    ///
    /// A cookie that is refused is an error of kind [`Input`](ErrorKind::Input): one whose name or
    /// value would not be read back as it is, too.
    pub fn insert(&self, url: &Url, name: &str, value: &str) -> Result<(), BackendError> {
        let now = self.now();
        receive::given(url, name, value)
            .and_then(|entry| self.lock().insert(entry, receive::is_secure(url), now))
            .map_err(refused)
    }

    /// Takes what a response from this URL sets. Cookies that are refused are passed over, as
    /// RFC 6265bis has it.
    pub fn store(&self, url: &Url, headers: &HeaderMap) {
        let mut fields = headers.get_all(header::SET_COOKIE).iter().peekable();
        if fields.peek().is_none() {
            return;
        }
        let now = self.now();
        let mut store = self.lock();
        for field in fields.take(MAX_PER_RESPONSE) {
            let outcome = str::from_utf8(field.as_bytes())
                .map_err(|_| Refusal("it is not UTF-8"))
                .and_then(|line| receive::read(line, url, now))
                .and_then(|entry| store.insert(entry, receive::is_secure(url), now));
            if let Err(Refusal(why)) = outcome {
                tracing::debug!(host = url.host_str(), "a cookie was refused: {why}");
            }
        }
    }

    /// The value of the `cookie` field of a request to this URL that has no cookies of its own,
    /// marked as sensitive; `None` if there is none to be sent.
    pub fn header_for(&self, url: &Url) -> Option<HeaderValue> {
        self.joined(url, None)
    }

    /// Adds what is sent to this URL to a request's header fields, as one `cookie` field with those
    /// that are there. If the jar has nothing to add, the fields stay as they are.
    pub fn add_to(&self, url: &Url, headers: &mut HeaderMap) {
        if let Some(value) = self.joined(url, Some(headers)) {
            headers.insert(header::COOKIE, value);
        }
    }

    /// The first cookie of this name that would be sent to this URL.
    pub fn get(&self, url: &Url, name: &str) -> Option<Cookie> {
        let store = self.lock();
        let found = store.matching(url, || self.now());
        let found = found.into_iter().find(|entry| *entry.name == *name);
        found.map(Cookie::new)
    }

    /// What would be sent to this URL, in the order in which it would be sent.
    pub fn matching(&self, url: &Url) -> Vec<Cookie> {
        let store = self.lock();
        let found = store.matching(url, || self.now());
        found.into_iter().map(Cookie::new).collect()
    }

    /// Every cookie that has not expired, older ones first.
    pub fn all(&self) -> Vec<Cookie> {
        let mut entries = self.unexpired();
        entries.sort_by_key(|entry| entry.created);
        entries.iter().map(Cookie::new).collect()
    }

    /// Removes the cookies of this name that would be sent to this URL, and says how many there
    /// were: with different paths or domains there may be several.
    pub fn remove(&self, url: &Url, name: &str) -> usize {
        let now = self.now();
        self.lock().remove_matching(url, name, now)
    }

    /// Removes every cookie.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The number of cookies that have not expired.
    pub fn len(&self) -> usize {
        let now = self.now();
        let store = self.lock();
        store.iter().filter(|entry| !entry.is_expired(now)).count()
    }

    /// Whether there is no cookie that has not expired.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the cookies that have an expiry as JSON, for [`load`](Self::load). Session cookies
    /// are left out, because the session ends with the jar (RFC 6265bis, section 5.7);
    /// [`save_all`](Self::save_all) writes them too.
    ///
    /// What is written are secrets in plain text: keep the file from others.
    ///
    /// ```
    /// use pr_core::CookieJar;
    /// use url::Url;
    ///
    /// let jar = CookieJar::new();
    /// jar.set(&Url::parse("https://example.com/")?, "a=1; Max-Age=3600")?;
    /// let mut saved = Vec::new();
    /// jar.save(&mut saved)?;
    ///
    /// let later = CookieJar::new();
    /// later.load(&saved[..])?;
    /// assert_eq!(later.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// An error is of kind [`Config`](ErrorKind::Config).
    pub fn save(&self, to: impl Write) -> Result<(), BackendError> {
        let mut entries = self.unexpired();
        entries.retain(|entry| entry.expires.is_some());
        saved::write(to, entries)
    }

    /// As [`save`](Self::save), with the session cookies: to go on with the session later.
    pub fn save_all(&self, to: impl Write) -> Result<(), BackendError> {
        saved::write(to, self.unexpired())
    }

    /// Takes the cookies that were saved in addition to those that are there, which they replace
    /// where both have the same name, domain and path. What has expired meanwhile is left out, and
    /// so is what has a domain that is a public suffix by a newer list.
    ///
    /// What cannot be read, is not such JSON, or holds a cookie that would be refused is an error
    /// of kind [`Config`](ErrorKind::Config), and the jar stays as it is.
    pub fn load(&self, from: impl Read) -> Result<(), BackendError> {
        let now = self.now();
        let entries = saved::read(from, now)?;
        let mut store = self.lock();
        for entry in entries {
            if !entry.is_expired(now) {
                // Only cookies from plain http are ever refused here.
                store.insert(entry, true, now).map_err(refused)?;
            }
        }
        Ok(())
    }

    fn joined(&self, url: &Url, own: Option<&HeaderMap>) -> Option<HeaderValue> {
        let mut store = self.lock();
        let mut now = None;
        let found = store.matching(url, || *now.insert(self.now()));
        if found.is_empty() {
            return None;
        }
        let value = field::joined(own, &found);
        if let Some(now) = now {
            store.touch(url, now);
        }
        value
    }

    fn unexpired(&self) -> Vec<Entry> {
        let now = self.now();
        let store = self.lock();
        let unexpired = store.iter().filter(|entry| !entry.is_expired(now));
        unexpired.cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // No method leaves the store half changed when it panics: none calls foreign code, but
        // for the clock, in the middle of a change.
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In seconds since 1970.
    fn now(&self) -> i64 {
        let since = (self.0.clock)().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
    }
}

impl Default for CookieJar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieJar")
            .field("cookies", &self.len())
            .finish_non_exhaustive()
    }
}

fn refused(Refusal(why): Refusal) -> BackendError {
    BackendError::new(ErrorKind::Input, format!("the cookie is refused: {why}"))
}
