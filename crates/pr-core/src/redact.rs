//! URLs and header fields without their secrets, for errors and logs.

use std::fmt::Debug;

use http::HeaderMap;
use url::Url;

/// Scheme, host, port and path. User information and fragment are left out, and a query is
/// shown as `?…`, because tokens travel in queries.
pub(crate) fn url(url: &Url) -> String {
    // What follows the scheme may be anything, such as user:password@host without http:// before it.
    if url.cannot_be_a_base() {
        return format!("{}:…", url.scheme());
    }
    let mut shown = String::with_capacity(url.as_str().len());
    shown.push_str(url.scheme());
    shown.push_str("://");
    shown.push_str(url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        shown.push(':');
        shown.push_str(&port.to_string());
    }
    shown.push_str(url.path());
    if url.query().is_some() {
        shown.push_str("?…");
    }
    shown
}

/// The same for text that is no URL: up to the first character that may open a secret.
pub(crate) fn text(text: &str) -> String {
    const LONGEST: usize = 120;

    if text.is_empty() {
        return "(no URL)".to_owned();
    }
    let after_userinfo = text.rfind('@').map_or(text, |at| &text[at + 1..]);
    let end = after_userinfo
        .find(['?', '#'])
        .unwrap_or(after_userinfo.len());
    let mut shown: String = after_userinfo[..end]
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// The names of header fields, without their values.
pub(crate) fn names(headers: &HeaderMap) -> impl Debug {
    headers.keys().collect::<Vec<_>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        let with_everything =
            Url::parse("https://u:canary@h.example:8443/p/a?canary=1#canary").unwrap();
        assert_eq!(url(&with_everything), "https://h.example:8443/p/a?…");
        let opaque = Url::parse("user:canary@h.example/").unwrap();
        assert_eq!(url(&opaque), "user:…");
        for bad in [
            "u:canary@http://h.example/",
            "http://u:canary@[bad/",
            "u:canary@",
            "ht tp://x?canary",
            "x#canary",
        ] {
            assert!(!text(bad).contains("canary"), "{}", text(bad));
        }
    }
}
