//! The cookies themselves, by registrable domain, within their limits (RFC 6265bis, section 5.7).

use std::collections::HashMap;

use cookie_store::{CookieDomain, CookiePath};
use url::Url;

use super::{MAX_IN_ALL, MAX_PER_SITE, Refusal, receive::is_secure, site};

/// One cookie as it is kept. Times are in seconds since 1970.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) name: Box<str>,
    pub(super) value: Box<str>,
    pub(super) domain: CookieDomain,
    pub(super) path: CookiePath,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    /// `None` is the end of the session.
    pub(super) expires: Option<i64>,
    /// When it was made and last sent, in ticks of the store. They order cookies of the same second.
    pub(super) created: u64,
    pub(super) used: u64,
}

impl Entry {
    pub(super) fn is_host_only(&self) -> bool {
        matches!(self.domain, CookieDomain::HostOnly(_))
    }

    pub(super) fn domain(&self) -> &str {
        match &self.domain {
            CookieDomain::HostOnly(domain) | CookieDomain::Suffix(domain) => domain,
            CookieDomain::NotPresent | CookieDomain::Empty => "",
        }
    }

    pub(super) fn is_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether it is sent to this URL (RFC 6265bis, section 5.8.3).
    fn matches(&self, url: &Url, now: i64) -> bool {
        !self.is_expired(now)
            && (!self.secure || is_secure(url))
            && self.domain.matches(url)
            && self.path.matches(url)
    }

    /// Whether the two cannot be in a store at the same time.
    fn replaces(&self, other: &Self) -> bool {
        // The paths as text: the library's type also compares where they came from.
        self.name == other.name && self.domain == other.domain && *self.path == *other.path
    }

    /// Whether it would be sent in the place of that Secure cookie.
    fn overlays(&self, secure: &Self) -> bool {
        self.name == secure.name
            && secure.secure
            && (is_below(self.domain(), secure.domain())
                || is_below(secure.domain(), self.domain()))
            && is_within(&self.path, &secure.path)
    }
}

/// Whether a host is the domain or below it (RFC 6265bis, section 5.1.3).
fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether a path is the other or below it (RFC 6265bis, section 5.1.4).
fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || above.ends_with('/') || rest.starts_with('/'))
}

/// All cookies.
#[derive(Default)]
pub(super) struct Store {
    /// By [`site::of`] their domain. No list is empty.
    sites: HashMap<Box<str>, Vec<Entry>>,
    count: usize,
    ticks: u64,
}

impl Store {
    /// Whether there is nothing, not even expired cookies.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The cookies that have something to do with this URL's host, if there are any.
    fn near(&self, url: &Url) -> Option<&Vec<Entry>> {
        if self.is_empty() {
            return None;
        }
        self.sites.get(site::of(url.host_str()?))
    }

    /// What is sent to this URL, in the order in which it is sent: longer paths first, then older
    /// cookies. `now` is asked only if there may be something.
    pub(super) fn matching(&self, url: &Url, now: impl FnOnce() -> i64) -> Vec<&Entry> {
        let Some(entries) = self.near(url) else {
            return Vec::new();
        };
        let now = now();
        let mut found: Vec<&Entry> = entries
            .iter()
            .filter(|entry| entry.matches(url, now))
            .collect();
        found.sort_by_key(|entry| (usize::MAX - entry.path.len(), entry.created));
        found
    }

    /// Remembers that what matches this URL has been sent.
    pub(super) fn touch(&mut self, url: &Url, now: i64) {
        self.ticks += 1;
        let Some(entries) = url
            .host_str()
            .and_then(|host| self.sites.get_mut(site::of(host)))
        else {
            return;
        };
        for entry in entries.iter_mut().filter(|entry| entry.matches(url, now)) {
            entry.used = self.ticks;
        }
    }

    /// Takes a cookie in, in place of the one that it replaces. One that has expired removes that
    /// and is not kept. `secure` says whether it came over https.
    pub(super) fn insert(
        &mut self,
        mut entry: Entry,
        secure: bool,
        now: i64,
    ) -> Result<(), Refusal> {
        let site: Box<str> = site::of(entry.domain()).into();
        let none = &Vec::new();
        let present = self.sites.get(&site).unwrap_or(none);
        let hides = |other: &Entry| !other.is_expired(now) && entry.overlays(other);
        if !secure && !entry.secure && present.iter().any(hides) {
            return Err(Refusal(
                "it would hide a Secure cookie, and the URL is not https",
            ));
        }
        self.ticks += 1;
        entry.used = self.ticks;
        entry.created = present
            .iter()
            .find(|other| entry.replaces(other) && !other.is_expired(now))
            .map_or(self.ticks, |replaced| replaced.created);
        self.remove(&site, |other| {
            entry.replaces(other) || other.is_expired(now)
        });
        if entry.is_expired(now) {
            return Ok(());
        }
        let entries = self.sites.entry(site).or_default();
        entries.push(entry);
        self.count += 1;
        if entries.len() > MAX_PER_SITE
            // Cookies that anybody on the way could have set go first.
            && let Some(evicted) = (0..entries.len())
                .min_by_key(|&place| (entries[place].secure, entries[place].used))
        {
            entries.remove(evicted);
            self.count -= 1;
        }
        self.limit(now);
        Ok(())
    }

    /// Makes room if there are more cookies than there may be: first by what has expired, then by
    /// what has not been sent for the longest time.
    fn limit(&mut self, now: i64) {
        if self.count <= MAX_IN_ALL {
            return;
        }
        self.retain(|entry| !entry.is_expired(now));
        if self.count <= MAX_IN_ALL {
            return;
        }
        let oldest = self.iter().map(|entry| entry.used).min();
        // One insertion exceeds the limit by one, and no two of them have the same tick unless
        // they were sent together.
        let mut excess = self.count - MAX_IN_ALL;
        self.retain(|entry| {
            let goes = excess > 0 && Some(entry.used) == oldest;
            excess -= usize::from(goes);
            !goes
        });
    }

    /// Removes the cookies of a site for which this is true, and says how many.
    pub(super) fn remove(&mut self, site: &str, goes: impl Fn(&Entry) -> bool) -> usize {
        let Some(entries) = self.sites.get_mut(site) else {
            return 0;
        };
        let before = entries.len();
        entries.retain(|entry| !goes(entry));
        let removed = before - entries.len();
        if entries.is_empty() {
            self.sites.remove(site);
        }
        self.count -= removed;
        removed
    }

    /// Removes what is sent to this URL under this name, and says how many cookies that were.
    pub(super) fn remove_matching(&mut self, url: &Url, name: &str, now: i64) -> usize {
        let Some(host) = url.host_str() else { return 0 };
        self.remove(site::of(host), |entry| {
            *entry.name == *name && entry.matches(url, now)
        })
    }

    fn retain(&mut self, mut stays: impl FnMut(&Entry) -> bool) {
        self.sites.retain(|_, entries| {
            entries.retain(&mut stays);
            !entries.is_empty()
        });
        self.count = self.sites.values().map(Vec::len).sum();
    }

    /// Every cookie, expired ones included, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.sites.values().flatten()
    }

    pub(super) fn clear(&mut self) {
        self.sites.clear();
        self.count = 0;
    }
}
