//! A cookie as it comes in, from a server or a user: read, checked, and turned into something to be
//! kept (RFC 6265bis, sections 5.6 and 5.7).

use std::borrow::Cow;

use cookie_store::{Cookie as Attributes, CookieDomain, CookiePath, RawCookie};
use url::Url;

use super::{BROKEN_PREFIX, MAX_AGE, MAX_ATTRIBUTE, MAX_PAIR, Refusal, date, site, store::Entry};

/// Reads one field that came from this URL at this time, in seconds since 1970.
pub(super) fn read(line: &str, url: &Url, now: i64) -> Result<Entry, Refusal> {
    if has_control(line) {
        return Err(Refusal("it has control characters"));
    }
    let (pair, attributes) = match line.find(';') {
        Some(end) => line.split_at(end),
        None => (line, ""),
    };
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let (name, value) = (trimmed(name), trimmed(value));
    check_pair(name, value)?;
    let (attributes, expires) = legible(attributes)?;
    // The library wants a name, and the pair has been read already.
    let attributes = RawCookie::parse(["n=v", &attributes].concat())
        .map_err(|_| Refusal("it cannot be read"))?;
    let names_path = attributes.path().is_some_and(|path| path.starts_with('/'));
    let attributes = Attributes::try_from_raw_cookie(&attributes, url)
        .map_err(|_| Refusal("its domain is not one, or not the host's"))?;
    let entry = Entry {
        name: name.into(),
        value: value.into(),
        expires: expiry(&attributes, expires, now),
        secure: attributes.secure() == Some(true),
        http_only: attributes.http_only() == Some(true),
        domain: domain(&attributes.domain, url)?,
        path: attributes.path,
        created: 0,
        used: 0,
    };
    if entry.path.len() > MAX_ATTRIBUTE {
        return Err(Refusal("its path is longer than 1,024 bytes"));
    }
    if entry.secure && !is_secure(url) {
        return Err(Refusal("it is Secure, and the URL is not https"));
    }
    if starts_with(name, "__Host-") && !names_path {
        return Err(BROKEN_PREFIX);
    }
    check_prefix(&entry)?;
    Ok(entry)
}

/// A session cookie for a host and all of its paths, as a user gives it.
pub(super) fn given(url: &Url, name: &str, value: &str) -> Result<Entry, Refusal> {
    let host = url.host_str().ok_or(Refusal("the URL has no host"))?;
    let changes = |text: &str| has_control(text) || text.contains(';') || trimmed(text) != text;
    if changes(name) || changes(value) || name.contains('=') || name.is_empty() {
        return Err(Refusal(
            "its name or value has characters that it cannot have there, or there is no name",
        ));
    }
    check_pair(name, value)?;
    let entry = Entry {
        name: name.into(),
        value: value.into(),
        domain: CookieDomain::HostOnly(host.to_owned()),
        path: CookiePath::parse("/").ok_or(Refusal("its path is not one"))?,
        secure: is_secure(url),
        http_only: false,
        expires: None,
        created: 0,
        used: 0,
    };
    check_prefix(&entry)?;
    Ok(entry)
}

/// Whether Secure cookies may be sent to and set from there. A host of this machine is no
/// exception: any program on it may listen on a port.
pub(super) fn is_secure(url: &Url) -> bool {
    url.scheme() == "https"
}

/// Whether there is a character that ends a cookie's reading: any control but the tab.
pub(super) fn has_control(text: &str) -> bool {
    text.bytes()
        .any(|byte| byte.is_ascii_control() && byte != b'\t')
}

/// Refuses pairs that are empty, too long, or look like another cookie's name.
pub(super) fn check_pair(name: &str, value: &str) -> Result<(), Refusal> {
    if name.is_empty() && value.is_empty() {
        return Err(Refusal("it has neither a name nor a value"));
    }
    if name.len() + value.len() > MAX_PAIR {
        return Err(Refusal("its name and value are longer than 4,096 bytes"));
    }
    // Without a name it is sent as its value alone, which a server takes for a name.
    if name.is_empty() && (starts_with(value, "__Secure-") || starts_with(value, "__Host-")) {
        return Err(BROKEN_PREFIX);
    }
    Ok(())
}

/// Holds the cookie to what its name promises, in whatever case the name is written.
pub(super) fn check_prefix(entry: &Entry) -> Result<(), Refusal> {
    let broken = starts_with(&entry.name, "__Secure-") && !entry.secure
        || starts_with(&entry.name, "__Host-")
            && !(entry.secure && entry.is_host_only() && &*entry.path == "/");
    if broken {
        return Err(BROKEN_PREFIX);
    }
    Ok(())
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Without the white space that the RFC means.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The attributes without those that the RFC ignores and the library would not: too long ones,
/// ages that are no numbers, and domains before the last one. The last `Expires` that is a date is
/// read here, in seconds since 1970, because the library knows only a few formats.
fn legible(attributes: &str) -> Result<(String, Option<i64>), Refusal> {
    let mut kept: Vec<Cow<'_, str>> = Vec::new();
    let (mut domain, mut expires) = (None, None);
    for attribute in attributes.split(';') {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let (name, value) = (trimmed(name), trimmed(value));
        if value.len() > MAX_ATTRIBUTE {
            continue;
        }
        if name.eq_ignore_ascii_case("domain") {
            domain = Some(value);
        } else if name.eq_ignore_ascii_case("expires") {
            expires = date::parse(value).or(expires);
        } else if !name.eq_ignore_ascii_case("max-age") || is_number(value) {
            kept.push(attribute.into());
        }
    }
    if let Some(domain) = domain {
        if !domain.is_ascii() {
            return Err(Refusal("its domain is not ASCII"));
        }
        kept.push(format!("domain={domain}").into());
    }
    Ok((kept.join(";"), expires))
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// When the cookie ends, in seconds since 1970: by its age, else at the date that it names. The
/// library knows one clock, and not the limit.
fn expiry(attributes: &Attributes<'_>, expires: Option<i64>, now: i64) -> Option<i64> {
    let latest = now.saturating_add(MAX_AGE);
    if let Some(age) = attributes.max_age() {
        let seconds = age.whole_seconds();
        return Some(if seconds <= 0 {
            i64::MIN
        } else {
            now.saturating_add(seconds).min(latest)
        });
    }
    expires.map(|expires| expires.min(latest))
}

/// The domain, if a cookie from this URL may have it; the library has found that it matches.
fn domain(domain: &CookieDomain, url: &Url) -> Result<CookieDomain, Refusal> {
    let host = url.host_str().ok_or(Refusal("the URL has no host"))?;
    let host_only = || CookieDomain::HostOnly(host.to_owned());
    let CookieDomain::Suffix(domain) = domain else {
        return Ok(host_only());
    };
    if site::is_address(host) {
        return Err(Refusal("its domain is an IP address"));
    }
    if site::is_public_suffix(domain) {
        return if domain == host {
            Ok(host_only())
        } else {
            Err(Refusal("its domain is a public suffix"))
        };
    }
    // Names below a public suffix that is itself below the domain belong to others.
    if site::of(domain) != site::of(host) {
        return Err(Refusal(
            "there is a public suffix between its domain and the host",
        ));
    }
    Ok(CookieDomain::Suffix(domain.clone()))
}
