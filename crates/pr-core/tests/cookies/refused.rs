//! Cookies that no server may set (RFC 6265bis, section 5.7), and their neighbours that it may.

use pr_core::{CookieJar, ErrorKind};

use crate::support::{echoed, response, sent, url};

/// From where, what, and whether it is taken.
const TABLE: &[(&str, &str, bool)] = &[
    // Public suffixes, in every way to write them.
    ("http://www.example.com/", "a=1; Domain=com", false),
    ("http://www.example.com/", "a=1; Domain=.com", false),
    ("http://www.example.com/", "a=1; Domain=CoM", false),
    ("http://www.example.com/", "a=1; Domain=com.", false),
    ("http://www.example.com./", "a=1; Domain=com.", false),
    ("http://www.example.com./", "a=1; Domain=com", false),
    ("http://www.example.co.uk/", "a=1; Domain=co.uk", false),
    ("http://www.example.co.uk/", "a=1; Domain=CO.UK", false),
    ("http://www.example.co.uk/", "a=1; Domain=.Co.Uk", false),
    ("http://www.example.co.uk/", "a=1; Domain=uk", false),
    (
        "http://www.example.co.uk/",
        "a=1; Domain=example.co.uk",
        true,
    ),
    ("http://me.github.io/", "a=1; Domain=github.io", false),
    ("http://me.github.io/", "a=1; Domain=me.github.io", true),
    (
        "http://a.b.kawasaki.jp/",
        "a=1; Domain=b.kawasaki.jp",
        false,
    ),
    (
        "http://a.city.kawasaki.jp/",
        "a=1; Domain=city.kawasaki.jp",
        true,
    ),
    (
        "http://xn--85x722f.xn--55qx5d.cn/",
        "a=1; Domain=xn--55qx5d.cn",
        false,
    ),
    // The host may name itself even if it is one; the cookie is then its own.
    ("http://github.io/", "a=1; Domain=github.io", true),
    ("http://localhost/", "a=1; Domain=localhost", true),
    // What is not on the list is no less public.
    ("http://db.internal/", "a=1; Domain=internal", false),
    ("http://a.localhost/", "a=1; Domain=localhost", false),
    // Below a suffix that lies between, others live.
    (
        "http://b.s3.amazonaws.com/",
        "a=1; Domain=amazonaws.com",
        false,
    ),
    // Other hosts.
    ("http://example.com/", "a=1; Domain=example.org", false),
    ("http://example.com/", "a=1; Domain=www.example.com", false),
    ("http://notexample.com/", "a=1; Domain=example.com", false),
    ("http://example.com/", "a=1; Domain=ample.com", false),
    ("http://example.com/", "a=1; Domain=..example.com", false),
    ("http://example.com/", "a=1; Domain=example.com.", false),
    ("http://example.com./", "a=1; Domain=example.com", false),
    ("http://example.com./", "a=1; Domain=example.com.", true),
    ("http://example.com/", "a=1; Domain=EXAMPLE.com", true),
    ("http://example.com/", "a=1; Domain=.example.com", true),
    ("http://example.com/", "a=1; Domain=", true),
    ("http://example.com/", "a=1; Domain", true),
    ("http://example.com/", "a=1; Domain=example.com:80", false),
    (
        "http://example.com/",
        "a=1; Domain=http://example.com/",
        false,
    ),
    ("http://example.com/", "a=1; Domain=*.example.com", false),
    (
        "http://xn--bcher-kva.example/",
        "a=1; Domain=bücher.example",
        false,
    ),
    // The last domain counts, and one that is too long does not.
    (
        "http://example.com/",
        "a=1; Domain=example.com; Domain=example.org",
        false,
    ),
    (
        "http://example.com/",
        "a=1; Domain=example.org; Domain=example.com",
        true,
    ),
    (
        "http://example.com/",
        "a=1; Domain=example.org; Domain=",
        true,
    ),
    // Addresses have no domains.
    ("http://127.0.0.1/", "a=1; Domain=127.0.0.1", false),
    ("http://127.0.0.1/", "a=1; Domain=0.0.1", false),
    ("http://127.0.0.1/", "a=1; Domain=1", false),
    ("http://127.0.0.1/", "a=1; Domain=.127.0.0.1", false),
    ("http://[::1]/", "a=1; Domain=[::1]", false),
    ("http://[::1]/", "a=1; Domain=::1", false),
    ("http://127.0.0.1/", "a=1", true),
    ("http://[::1]/", "a=1", true),
    // Secure comes over https, and this machine is no exception.
    ("http://example.com/", "a=1; Secure", false),
    ("http://localhost/", "a=1; Secure", false),
    ("http://127.0.0.1/", "a=1; sEcUrE=no", false),
    ("https://example.com/", "a=1; Secure", true),
    // Prefixes.
    ("https://example.com/", "__Secure-a=1", false),
    ("https://example.com/", "__SECURE-a=1", false),
    ("https://example.com/", "__secure-a=1; Secure", true),
    ("http://example.com/", "__Secure-a=1; Secure", false),
    ("https://example.com/", "__Host-a=1; Secure", false),
    ("https://example.com/", "__Host-a=1; Path=/", false),
    ("https://example.com/", "__Host-a=1; Secure; Path=/", true),
    ("https://example.com/", "__hOST-a=1; Secure; Path=/", true),
    ("https://example.com/", "__host-a=1; Secure; Path=/x", false),
    (
        "https://example.com/",
        "__host-a=1; Secure; Path=/; Domain=example.com",
        false,
    ),
    (
        "https://example.com/",
        "__HOST-a=1; Secure; Path=/; Domain=",
        true,
    ),
    ("https://example.com/", "=__Secure-a=1; Secure", false),
    ("https://example.com/", "__host-a", false),
    ("https://example.com/", "__Secure", true),
    // Nothing at all.
    ("http://example.com/", "", false),
    ("http://example.com/", "=", false),
    ("http://example.com/", " \t; Path=/", false),
    ("http://example.com/", "a=", true),
    ("http://example.com/", "=1", true),
    ("http://example.com/", "1", true),
    // Other schemes have no cookies.
    ("data:text/plain,x", "a=1", false),
];

#[test]
fn what_is_taken_from_whom() {
    for &(from, line, taken) in TABLE {
        let jar = CookieJar::new();
        jar.store(&url(from), &response([line]));
        assert_eq!(jar.len(), usize::from(taken), "{line} from {from}");
        let outcome = jar.set(&url(from), line);
        assert_eq!(outcome.is_ok(), taken, "{line} from {from}: {outcome:?}");
        assert!(outcome.is_ok_and(|()| true) || jar.is_empty());
    }
}

#[test]
fn refusals_are_input_errors_that_show_no_value() {
    let from = url("http://example.com/");
    for line in [
        "canary=canary; Secure",
        "__host-canary=canary",
        "canary=canary\n",
    ] {
        let error = CookieJar::new().set(&from, line).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(!error.chain().contains("canary"), "{error}");
    }
}

#[test]
fn control_characters_are_refused_and_tabs_are_not() {
    let from = url("http://example.com/");
    for control in (0..0x20).chain([0x7f]).map(char::from) {
        for line in [
            format!("a{control}b=1"),
            format!("a=1{control}2"),
            format!("a=1; Path=/{control}"),
            format!("a=1; x{control}"),
        ] {
            let taken = CookieJar::new().set(&from, &line).is_ok();
            assert_eq!(taken, control == '\t', "{line:?}");
        }
    }
}

#[test]
fn a_public_suffix_that_names_itself_keeps_its_cookie_to_itself() {
    let jar = CookieJar::new();
    jar.set(&url("http://github.io/"), "a=1; Domain=github.io")
        .unwrap();
    assert!(jar.all()[0].is_host_only());
    let set = ["a=1; Domain=github.io"];
    assert_eq!(
        echoed("http://github.io/", &set, "http://github.io/"),
        "a=1"
    );
    assert_eq!(
        echoed("http://github.io/", &set, "http://me.github.io/"),
        ""
    );
}

/// What is there over https, what comes over http, and what https gets to see then.
const OVERLAYS: &[(&str, &str, &str)] = &[
    // Same domain and path, whatever the value.
    ("a=1; Secure", "a=2", "a=1"),
    ("a=1; Secure; Path=/", "a=2; Path=/", "a=1"),
    // A path within that of the Secure cookie would come before it; one above it comes after.
    ("a=1; Secure; Path=/", "a=2; Path=/login", "a=1"),
    ("a=1; Secure; Path=/login", "a=2; Path=/login/en", "a=1"),
    ("a=1; Secure; Path=/login", "a=2; Path=/", "a=1; a=2"),
    ("a=1; Secure; Path=/login", "a=2; Path=/log", "a=1"),
    // Either domain may be the wider one.
    ("a=1; Secure; Domain=example.com", "a=2", "a=1"),
    ("a=1; Secure", "a=2; Domain=example.com", "a=1"),
    // Neither removal nor another name nor a cookie that is not Secure is touched by it.
    ("a=1; Secure", "a=; Max-Age=0", "a=1"),
    ("a=1; Secure", "b=2", "a=1; b=2"),
    ("a=1", "a=2", "a=2"),
];

#[test]
fn plain_http_hides_no_secure_cookie() {
    for &(present, new, expected) in OVERLAYS {
        let jar = CookieJar::new();
        jar.store(
            &url("https://www.example.com/login/en"),
            &response([present]),
        );
        jar.store(&url("http://www.example.com/login/en"), &response([new]));
        let seen = sent(&jar, "https://www.example.com/login/en");
        assert_eq!(seen, expected, "{new} after {present}");
    }
    // A host beside it is none of its business.
    let jar = CookieJar::new();
    jar.store(&url("https://a.example.com/"), &response(["a=1; Secure"]));
    jar.store(&url("http://b.example.com/"), &response(["a=2"]));
    assert_eq!(sent(&jar, "http://b.example.com/"), "a=2");
}
