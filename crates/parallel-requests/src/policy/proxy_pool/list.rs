//! Lists of proxies as people have them, line by line.

use std::{borrow::Cow, io};

use pr_core::{BoxError, Proxy};
use thiserror::Error;

/// Why there is no list of proxies. It shows nothing of what stands in the list.
///
/// ```
/// use parallel_requests::{ProxyListError, ProxyPool};
///
/// let error = ProxyPool::parse(["# mine", "", "proxy.example"]).unwrap_err();
/// assert!(matches!(error, ProxyListError::Line { line: 3, .. }));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProxyListError {
    /// A line is none of the [forms](crate::ProxyPool#what-a-line-says).
    #[error("line {line} names no proxy: {why}")]
    Line {
        /// The line, from 1; of a variable of the environment, the entry.
        line: usize,
        /// What is wrong with it.
        why: Cow<'static, str>,
    },
    /// The file could not be read.
    #[error("the file of proxies could not be read")]
    File(#[source] io::Error),
    /// The environment has no such variable, or it is not UTF-8.
    #[error("the environment's {name} could not be read: it is not set, or not UTF-8")]
    Variable {
        /// Its name.
        name: Cow<'static, str>,
    },
    /// The closure failed.
    #[error("the closure gave no list of proxies")]
    Closure(#[source] BoxError),
    /// There is no proxy in it.
    #[error("there is no proxy in the list")]
    Empty,
}

/// The proxies of these lines.
pub(super) fn parse<L: AsRef<str>>(
    lines: impl IntoIterator<Item = L>,
) -> Result<Vec<Proxy>, ProxyListError> {
    let mut proxies = Vec::new();
    for (index, line) in lines.into_iter().enumerate() {
        let Some(entry) = without_comment(line.as_ref()) else {
            continue;
        };
        let proxy = proxy(entry).map_err(|why| ProxyListError::Line {
            line: index + 1,
            why,
        })?;
        proxies.push(proxy);
    }
    if proxies.is_empty() {
        return Err(ProxyListError::Empty);
    }
    Ok(proxies)
}

/// The entry of a line, if there is one. A `#` within a word is part of it: of a password, say.
fn without_comment(line: &str) -> Option<&str> {
    // Some editors put a mark at the start of a file.
    let line = line.trim_start_matches('\u{feff}').trim();
    let comment = line.match_indices('#').map(|(at, _)| at).find(|at| {
        line[..*at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    });
    let entry = line[..comment.unwrap_or(line.len())].trim_end();
    (!entry.is_empty()).then_some(entry)
}

type Why = Cow<'static, str>;

const FORMS: &str =
    "it is none of host:port, host:port:user:password, user:password@host:port, and URLs";

fn proxy(entry: &str) -> Result<Proxy, Why> {
    if entry.contains(char::is_whitespace) {
        return Err("there is white space in it; each proxy has a line of its own".into());
    }
    // Before anything else, because a password may look like the rest of a URL.
    if let Some((scheme, rest)) = entry.split_once("://")
        && !scheme.contains([':', '@'])
    {
        return with_scheme(&scheme.to_ascii_lowercase(), rest);
    }
    let plain = plain(entry);
    match (plain, credentials_first(entry)) {
        (Ok(_), Some(Ok(_))) => Err(
            "it can be read in two ways; write it as a URL, http://user:password@host:port".into(),
        ),
        (Err(_), Some(proxy)) => proxy,
        (plain, _) => plain,
    }
}

/// `host:port`, or `host:port:user:password`.
fn plain(entry: &str) -> Result<Proxy, Why> {
    let (host, port, rest) = address_of(entry)?;
    let Some(credentials) = rest else {
        return with_scheme("http", &format!("{host}:{port}"));
    };
    let Some((user, password)) = credentials.split_once(':') else {
        return Err("there is a user, and no password after it".into());
    };
    let (user, password) = (encoded(user), encoded(password));
    with_scheme("http", &format!("{user}:{password}@{host}:{port}"))
}

/// `user:password@host:port`, if there is an `@`.
fn credentials_first(entry: &str) -> Option<Result<Proxy, Why>> {
    let (credentials, address) = entry.rsplit_once('@')?;
    Some(address_of(address).and_then(|(host, port, rest)| {
        if rest.is_some() || !credentials.contains(':') {
            return Err(FORMS.into());
        }
        with_scheme("http", &format!("{credentials}@{host}:{port}"))
    }))
}

/// Takes a URL, of which nothing of what it holds is to be shown.
fn with_scheme(scheme: &str, rest: &str) -> Result<Proxy, Why> {
    if !matches!(scheme, "http" | "https" | "socks5" | "socks5h") {
        return Err("its scheme is none of http, https, socks5 and socks5h".into());
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#', '\\']) {
        return Err(
            "something follows the port; in a user or password, percent-encode / ? # and \\".into(),
        );
    }
    Proxy::new(&format!("{scheme}://{authority}"))
        .map_err(|error| error.message().to_owned().into())
}

/// Host, port, and what follows them and a colon.
fn address_of(text: &str) -> Result<(&str, u16, Option<&str>), Why> {
    let (host, rest) = if text.starts_with('[') {
        let end = text.find(']').ok_or("its bracket is not closed")?;
        let rest = text[end + 1..].strip_prefix(':');
        (
            &text[..=end],
            rest.ok_or("there is no port after its host")?,
        )
    } else {
        text.split_once(':')
            .ok_or("there is no port after its host")?
    };
    let (port, rest) = match rest.split_once(':') {
        Some((port, rest)) => (port, Some(rest)),
        None => (rest, None),
    };
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(number) if is_number && number != 0 && is_host(host) => Ok((host, number, rest)),
        _ => Err(
            "its port is not a number from 1 to 65535; an address of version 6 needs brackets \
             around it"
                .into(),
        ),
    }
}

/// Whether it may be a host: whether it is one, the URL's parser says.
fn is_host(text: &str) -> bool {
    !text.is_empty() && !text.contains(['@', '/', '?', '#', '\\'])
}

/// Text in the form in which it can stand in a URL's user information.
fn encoded(text: &str) -> String {
    use std::fmt::Write;

    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms() {
        let table = [
            ("203.0.113.7:3128", "http://203.0.113.7:3128/"),
            ("proxy.example:80", "http://proxy.example/"),
            ("[2001:db8::7]:3128", "http://[2001:db8::7]:3128/"),
            ("203.0.113.7:1:u:p", "http://u:p@203.0.113.7:1/"),
            ("[::1]:1:u:p", "http://u:p@[::1]:1/"),
            (
                "h.example:1:u:p:q@%41",
                "http://u:p%3Aq%40%2541@h.example:1/",
            ),
            ("h.example:1:u:p://q", "http://u:p%3A%2F%2Fq@h.example:1/"),
            ("h.example:1:u@v:p", "http://u%40v:p@h.example:1/"),
            ("h.example:1:u:", "http://u:@h.example:1/"),
            ("u:p@h.example:1", "http://u:p@h.example:1/"),
            ("u:p%3A@h.example:1", "http://u:p%3A@h.example:1/"),
            ("HTTP://h.example:1/", "http://h.example:1/"),
            ("https://h.example", "https://h.example/"),
            ("socks5://u:p@h.example", "socks5://u:p@h.example"),
            ("socks5h://[::1]:9", "socks5h://[::1]:9"),
            ("  h.example:1  # mine", "http://h.example:1/"),
            ("\u{feff}h.example:1", "http://h.example:1/"),
            ("h.example:1:u:p#q", "http://u:p%23q@h.example:1/"),
        ];
        for (line, url) in table {
            let proxies = parse([line]).unwrap_or_else(|error| panic!("{line}: {error}"));
            let wanted = Proxy::new(url).unwrap();
            assert_eq!(proxies[0].url(), wanted.url(), "{line}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_by_its_line_and_shows_nothing() {
        for wrong in [
            "canary",
            "canary.example",
            "canary:http",
            "canary:0",
            "canary:65536",
            "canary:+1",
            "canary:1:canary",
            ":1",
            "::1:3128:x",
            "[::1",
            "[::1]",
            "[canary]:1",
            "canary@h.example:1",
            // The user `canary` at one host, or `1:…` at another?
            "canary:1:canary:canary@h.example:1",
            "canary:canary@h.example",
            "u:canary@h.example:1:u:canary",
            "ftp://u:canary@h.example",
            "canary://h.example",
            "http://u:can/ary@h.example:1",
            "http://u:can#ary@h.example:1",
            "http://u:can?ary@h.example:1",
            "http://",
            "socks5://u:canary@",
            "http://u:canary%0a@h.example:1",
            "h.example:1:u:canary\u{7}",
            "h.example:1 canary.example:2",
        ] {
            let error = parse(["# a list", "", "h.example:1", wrong]).unwrap_err();
            assert!(
                matches!(error, ProxyListError::Line { line: 4, .. }),
                "{wrong}: {error}"
            );
            let shown = format!("{error} {error:?}");
            for secret in ["canary", "ary@"] {
                assert!(!shown.contains(secret), "{wrong}: {shown}");
            }
        }
        for none in [&[][..], &["", "# h.example:1", "  #"]] {
            assert!(matches!(parse(none), Err(ProxyListError::Empty)));
        }
    }

    proptest! {
        #[test]
        fn any_line_is_a_proxy_or_an_error(line in "\\PC*") {
            let _ = parse([line]);
        }

        #[test]
        fn credentials_are_taken_as_they_are(user in "[!-9;-~]{1,12}", password in "[!-~]{0,12}") {
            // With an address after an `@` it can be read in two ways.
            prop_assume!(!password.contains('@') && !user.contains('@'));
            let proxies = parse([format!("h.example:1:{user}:{password}")]).unwrap();
            let url = proxies[0].url();
            prop_assert_eq!(encoded(&user), url.username());
            prop_assert_eq!(encoded(&password), url.password().unwrap_or_default());
        }
    }
}
