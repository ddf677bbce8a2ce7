//! Cookies as JSON, to outlive the process.

use std::io::{self, Read, Write};

use cookie_store::{CookieDomain, CookiePath};
use serde::{Deserialize, Serialize};
use url::Host;

use super::{
    BROKEN_PREFIX, MAX_AGE, MAX_ATTRIBUTE, MAX_IN_ALL, MAX_PAIR, Refusal, receive, site,
    store::Entry,
};
use crate::{BackendError, ErrorKind};

/// The one format there is.
const VERSION: u32 = 1;

/// More than a full jar takes, even if every character of it has to be escaped.
const MAX_FILE: u64 = (2 * MAX_IN_ALL * (MAX_PAIR + 3 * MAX_ATTRIBUTE)) as u64;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    /// Older ones first.
    cookies: Vec<Saved>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    name: String,
    value: String,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
    http_only: bool,
    /// In seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
}

/// Writes these cookies, older ones first.
pub(super) fn write(mut to: impl Write, mut entries: Vec<Entry>) -> Result<(), BackendError> {
    let fail = |error: io::Error| {
        BackendError::new(ErrorKind::Config, "the cookies cannot be written").with_source(error)
    };
    entries.sort_by_key(|entry| entry.created);
    let file = File {
        version: VERSION,
        cookies: entries.into_iter().map(Saved::from).collect(),
    };
    let json = serde_json::to_vec_pretty(&file).map_err(|error| fail(error.into()))?;
    to.write_all(&json).and_then(|()| to.flush()).map_err(fail)
}

/// Reads what [`write()`] wrote, and checks it as if it came from a stranger.
pub(super) fn read(from: impl Read, now: i64) -> Result<Vec<Entry>, BackendError> {
    let mut json = Vec::new();
    let fail = |why: String| BackendError::new(ErrorKind::Config, why);
    from.take(MAX_FILE + 1)
        .read_to_end(&mut json)
        .map_err(|error| fail("the saved cookies cannot be read".to_owned()).with_source(error))?;
    if json.len() as u64 > MAX_FILE {
        return Err(fail(
            "there are more saved cookies than a jar holds".to_owned(),
        ));
    }
    // The cause is not kept, because it may quote a cookie.
    let file: File = serde_json::from_slice(&json).map_err(|error| {
        fail(format!(
            "the saved cookies are not as CookieJar::save writes them: line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    if file.version != VERSION {
        let found = file.version;
        return Err(fail(format!(
            "the saved cookies are of version {found}, and {VERSION} is what can be read"
        )));
    }
    let mut entries = Vec::with_capacity(file.cookies.len());
    for (number, saved) in (1..).zip(file.cookies) {
        let entry = saved.check(now).map_err(|Refusal(why)| {
            fail(format!(
                "saved cookie number {number} cannot be taken: {why}"
            ))
        })?;
        // The list of public suffixes may have grown since.
        if entry.is_host_only() || !site::is_public_suffix(entry.domain()) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

impl From<Entry> for Saved {
    fn from(entry: Entry) -> Self {
        Self {
            domain: entry.domain().to_owned(),
            host_only: entry.is_host_only(),
            name: entry.name.into(),
            value: entry.value.into(),
            path: entry.path.into(),
            secure: entry.secure,
            http_only: entry.http_only,
            expires: entry.expires,
        }
    }
}

impl Saved {
    fn check(self, now: i64) -> Result<Entry, Refusal> {
        let texts = [&self.name, &self.value, &self.path];
        // A path may have a semicolon in it: it comes from a URL as often as from a server.
        if texts.iter().any(|text| receive::has_control(text))
            || self.name.contains([';', '='])
            || self.value.contains(';')
        {
            return Err(Refusal("it has characters that no cookie can have"));
        }
        receive::check_pair(&self.name, &self.value)?;
        let canonical = Host::parse(&self.domain).is_ok_and(|host| host.to_string() == self.domain);
        if !canonical {
            return Err(Refusal("its domain is not one"));
        }
        let domain = if self.host_only {
            CookieDomain::HostOnly(self.domain)
        } else if site::is_address(&self.domain) {
            return Err(Refusal("its domain is an IP address"));
        } else {
            CookieDomain::Suffix(self.domain)
        };
        let path = CookiePath::parse(&self.path)
            .filter(|path| path.len() <= MAX_ATTRIBUTE)
            .ok_or(Refusal("its path is not one"))?;
        let latest = now.saturating_add(MAX_AGE);
        let entry = Entry {
            name: self.name.into(),
            value: self.value.into(),
            domain,
            path,
            secure: self.secure,
            http_only: self.http_only,
            expires: self.expires.map(|expires| expires.min(latest)),
            created: 0,
            used: 0,
        };
        receive::check_prefix(&entry).map_err(|_| BROKEN_PREFIX)?;
        Ok(entry)
    }
}
