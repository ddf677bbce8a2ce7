//! What holds for any line, whoever wrote it.

use pr_core::CookieJar;
use proptest::{collection::vec, prelude::*};
use url::Url;

use crate::support::{response, url};

fn host() -> impl Strategy<Value = String> {
    let label = prop_oneof![
        Just("a"),
        Just("b"),
        Just("com"),
        Just("co"),
        Just("uk"),
        Just("io")
    ];
    let name = vec(label, 1..5).prop_map(|labels| labels.join("."));
    prop_oneof![8 => name, 1 => Just("127.0.0.1".to_owned()), 1 => Just("[::1]".to_owned())]
}

fn attribute() -> impl Strategy<Value = String> {
    prop_oneof![
        host().prop_map(|host| format!("Domain={host}")),
        host().prop_map(|host| format!("domain=.{}.", host.to_uppercase())),
        "(/[ab]?){0,3}".prop_map(|path| format!("Path={path}")),
        Just("Secure".to_owned()),
        "-?[0-9]{0,25}".prop_map(|age| format!("Max-Age={age}")),
        "Expires=[a-zA-Z0-9:, -]{0,30}",
        "[^;\\p{Cc}]{0,12}",
    ]
}

fn page() -> impl Strategy<Value = Url> {
    (prop_oneof!["http", "https"], host(), "(/[ab;]?){0,3}")
        .prop_map(|(scheme, host, path)| url(&format!("{scheme}://{host}{path}")))
}

fn line() -> impl Strategy<Value = String> {
    (
        "(__Host-|__secure-|)[ab]?",
        "=?[ -~]{0,6}",
        vec(attribute(), 0..5),
    )
        .prop_map(|(name, value, attributes)| format!("{name}{value}; {}", attributes.join("; ")))
}

/// Whether the one is the other or below it, label by label.
fn is_below(host: &str, domain: &str) -> bool {
    let mut above = domain.rsplit('.');
    let mut labels = host.rsplit('.');
    above.all(|label| labels.next() == Some(label))
}

proptest! {
    #[test]
    fn no_line_is_too_wild(line in any::<String>(), bytes in vec(any::<u8>(), 0..80), page in page()) {
        let jar = CookieJar::new();
        let _ = jar.set(&page, &line);
        let _ = jar.set(&page, &format!("a=b; {line}"));
        let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte >= 32 && *byte != 127).collect();
        jar.store(&page, &response([bytes]));
        let _ = jar.header_for(&page);
    }

    #[test]
    fn whatever_is_sent_may_be_sent(
        cookies in vec((page(), line()), 0..12),
        to in page(),
    ) {
        let jar = CookieJar::new();
        for (from, line) in &cookies {
            jar.store(from, &response([line]));
        }
        let found = jar.matching(&to);
        let host = to.host_str().unwrap();
        for cookie in &found {
            prop_assert!(!cookie.is_secure() || to.scheme() == "https");
            if cookie.is_host_only() {
                prop_assert_eq!(cookie.domain(), host);
            } else {
                prop_assert!(is_below(host, cookie.domain()), "{} is sent {:?}", host, cookie);
                // A single label is never one's own, and nor are these two.
                prop_assert!(cookie.domain().contains('.'));
                prop_assert!(!["co.uk", "127.0.0.1"].contains(&cookie.domain()));
            }
            prop_assert!(to.path().starts_with(cookie.path()));
            let name = cookie.name().to_ascii_lowercase();
            if name.starts_with("__secure-") || name.starts_with("__host-") {
                prop_assert!(cookie.is_secure());
            }
            if name.starts_with("__host-") {
                prop_assert!(cookie.is_host_only() && cookie.path() == "/");
            }
        }
        prop_assert!(found.is_sorted_by_key(|cookie| usize::MAX - cookie.path().len()));
        let pairs: Vec<String> = found
            .iter()
            .map(|cookie| match cookie.name() {
                "" => cookie.value().to_owned(),
                name => format!("{name}={}", cookie.value()),
            })
            .collect();
        let header = jar.header_for(&to);
        prop_assert_eq!(header.is_some(), !found.is_empty());
        if let Some(header) = header {
            prop_assert_eq!(header.to_str().unwrap(), pairs.join("; "));
        }
    }

    #[test]
    fn saving_loses_nothing(cookies in vec((page(), line()), 0..12), to in page()) {
        let jar = CookieJar::new();
        for (from, line) in &cookies {
            jar.store(from, &response([line]));
        }
        let mut saved = Vec::new();
        jar.save_all(&mut saved).unwrap();
        let again = CookieJar::new();
        again.load(&saved[..]).unwrap();
        prop_assert_eq!(again.header_for(&to), jar.header_for(&to));
        prop_assert_eq!(again.len(), jar.len());
    }
}
