//! Which cookies are sent where, in which order, and what they look like (RFC 6265bis, sections
//! 5.6 and 5.8).

use http::{HeaderMap, HeaderValue, header};
use pr_core::CookieJar;

use crate::support::{echoed, response, sent, url};

/// What is set at `http://www.example.com/dir/page`, and what is sent back to it.
const READ: &[(&[&str], &str)] = &[
    (&["a=b"], "a=b"),
    (&["a=b; x=y"], "a=b"),
    (&["  a  =  b  ; Path=/"], "a=b"),
    (&["a = b c "], "a=b c"),
    (&["a\t=\tb\tc\t"], "a=b\tc"),
    (&["a=\"b c\""], "a=\"b c\""),
    (&["a=b=c=="], "a=b=c=="),
    (&["a=%20%3B"], "a=%20%3B"),
    (&["a=\"b;c\""], "a=\"b"),
    (&["a=b,c=d"], "a=b,c=d"),
    (&["a"], "a"),
    (&["=a"], "a"),
    (&["a="], "a="),
    (&["a=grüße"], "a=grüße"),
    (&["a=1", "a=2"], "a=2"),
    (&["a=1", "A=2"], "a=1; A=2"),
    (&["a=1", "b=2", "a=3"], "a=3; b=2"),
    (&["a=1;Secure2;HttpOnlyish; SameSite=None"], "a=1"),
    (&["a=1; HttpOnly; SameSite=Strict; Partitioned"], "a=1"),
    (&["a=1; Max-Age=0"], ""),
    (&["a=1; Max-Age=-1"], ""),
    (&["a=1; Max-Age=x"], "a=1"),
    (&["a=1; Max-Age=1; Max-Age=0"], ""),
    (&["a=1; Max-Age=0; Max-Age="], ""),
    (
        &["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age="],
        "",
    ),
    (
        &["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=9"],
        "a=1",
    ),
    (&["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], ""),
    (&["a=1; Expires=Thu, 01-Jan-1970 00:00:01 GMT"], ""),
    (&["a=1; Expires=Thursday, 01-Jan-70 00:00:01 GMT"], ""),
    (&["a=1; Expires=Thu Jan  1 00:00:01 1970"], ""),
    (&["a=1; Expires=soon"], "a=1"),
    (&["a=1", "a=; Max-Age=0"], ""),
    (&["a=1; Path=/", "a=; Max-Age=0"], "a=1"),
    (&["a=1; Path=/dir", "a=; Max-Age=0"], ""),
    (&["a=1", "a=; Domain=example.com; Max-Age=0"], "a=1"),
];

#[test]
fn what_is_read_is_what_is_sent() {
    let from = "http://www.example.com/dir/page";
    for &(lines, expected) in READ {
        assert_eq!(echoed(from, lines, from), expected, "{lines:?}");
    }
}

/// Where it is set, what, where something is asked for, and whether it is sent.
const MATCHES: &[(&str, &str, &str, bool)] = &[
    // Hosts.
    ("http://example.com/", "a=1", "http://example.com/", true),
    (
        "http://example.com/",
        "a=1",
        "http://EXAMPLE.com:8080/",
        true,
    ),
    ("http://example.com/", "a=1", "https://example.com/", true),
    (
        "http://example.com/",
        "a=1",
        "http://www.example.com/",
        false,
    ),
    ("http://example.com/", "a=1", "http://example.com./", false),
    (
        "http://www.example.com/",
        "a=1; Domain=example.com",
        "http://example.com/",
        true,
    ),
    (
        "http://www.example.com/",
        "a=1; Domain=example.com",
        "http://b.a.example.com/",
        true,
    ),
    (
        "http://www.example.com/",
        "a=1; Domain=example.com",
        "http://badexample.com/",
        false,
    ),
    (
        "http://www.example.com/",
        "a=1; Domain=example.com",
        "http://example.com.evil.org/",
        false,
    ),
    ("http://127.0.0.1/", "a=1", "http://127.0.0.1:81/", true),
    ("http://127.0.0.1/", "a=1", "http://127.0.0.2/", false),
    ("http://[::1]/", "a=1", "http://[::1]:81/", true),
    // Schemes.
    ("https://example.com/", "a=1", "http://example.com/", true),
    (
        "https://example.com/",
        "a=1; Secure",
        "https://example.com/",
        true,
    ),
    (
        "https://example.com/",
        "a=1; Secure",
        "http://example.com/",
        false,
    ),
    (
        "https://localhost/",
        "a=1; Secure",
        "http://localhost/",
        false,
    ),
    // Paths.
    ("http://e.com/a/b", "a=1", "http://e.com/a", true),
    ("http://e.com/a/b", "a=1", "http://e.com/a/c/d", true),
    ("http://e.com/a/b", "a=1", "http://e.com/ab", false),
    ("http://e.com/a/b", "a=1", "http://e.com/", false),
    ("http://e.com/a", "a=1", "http://e.com/", true),
    ("http://e.com/a/", "a=1", "http://e.com/a", true),
    ("http://e.com/", "a=1; Path=/x/", "http://e.com/x", false),
    ("http://e.com/", "a=1; Path=/x/", "http://e.com/x/y", true),
    ("http://e.com/", "a=1; Path=/x", "http://e.com/x/y?z", true),
    ("http://e.com/", "a=1; Path=/x", "http://e.com/X", false),
    ("http://e.com/a/b", "a=1; Path=x", "http://e.com/a/c", true),
    ("http://e.com/a/b", "a=1; Path=", "http://e.com/", false),
    (
        "http://e.com/a/b",
        "a=1; Path=/; Path=/q",
        "http://e.com/q",
        true,
    ),
    ("http://e.com/a/b?x=/c/d", "a=1", "http://e.com/a/", true),
];

#[test]
fn a_cookie_goes_where_it_belongs() {
    for &(from, line, to, expected) in MATCHES {
        let found = !echoed(from, &[line], to).is_empty();
        assert_eq!(found, expected, "{line} from {from} to {to}");
    }
}

#[test]
fn longer_paths_come_first_and_then_older_cookies() {
    let jar = CookieJar::new();
    let lines = [
        "new=1; Path=/",
        "deep=1; Path=/a/b/c",
        "mid=1; Path=/a",
        "older=1; Path=/",
        "mid2=1; Path=/a",
        "new=2; Path=/",
    ];
    jar.store(&url("http://e.com/"), &response(lines));
    let expected = "deep=1; mid=1; mid2=1; new=2; older=1";
    assert_eq!(sent(&jar, "http://e.com/a/b/c"), expected);
    let names: Vec<_> = jar
        .matching(&url("http://e.com/a"))
        .iter()
        .map(|cookie| cookie.name().to_owned())
        .collect();
    assert_eq!(names, ["mid", "mid2", "new", "older"]);
}

/// The request's own fields, and the one that it has in the end.
const MERGED: &[(&[&str], &str)] = &[
    (&[], "jar=1; both=1; 9"),
    (&["own=2"], "own=2; jar=1; both=1; 9"),
    (&["both=2"], "both=2; jar=1; 9"),
    (&["BOTH=2"], "BOTH=2; jar=1; both=1; 9"),
    (&["x=1;both = 2 ; z=3"], "x=1;both = 2 ; z=3; jar=1; 9"),
    (&["own=2", "jar=2"], "own=2; jar=2; both=1; 9"),
    (&["nameless"], "nameless; jar=1; both=1"),
    (&["jar=; both=; nameless"], "jar=; both=; nameless"),
];

#[test]
fn the_requests_own_cookies_win_by_name() {
    let jar = CookieJar::new();
    let page = url("http://e.com/");
    jar.store(&page, &response(["jar=1", "both=1", "9"]));
    for &(own, expected) in MERGED {
        let mut headers = HeaderMap::new();
        for value in own {
            headers.append(header::COOKIE, HeaderValue::from_static(value));
        }
        jar.add_to(&page, &mut headers);
        let fields: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
        assert_eq!(fields, [expected], "{own:?}");
        assert!(fields[0].is_sensitive() || own == [expected]);
    }
}

#[test]
fn a_request_to_elsewhere_is_left_alone() {
    let jar = CookieJar::new();
    jar.store(&url("http://e.com/"), &response(["a=1"]));
    let mut headers = HeaderMap::new();
    jar.add_to(&url("http://other.com/"), &mut headers);
    assert!(headers.is_empty());
    assert_eq!(jar.header_for(&url("http://other.com/")), None);
}
