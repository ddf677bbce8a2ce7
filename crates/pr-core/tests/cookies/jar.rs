//! The jar as users handle it.

use std::thread;

use pr_core::{CookieJar, ErrorKind};

use crate::support::{response, sent, url};

#[test]
fn a_cookie_can_be_put_in_looked_at_and_taken_out() {
    let jar = CookieJar::new();
    let page = url("https://www.example.com/deep/down");
    jar.insert(&page, "a", "1").unwrap();
    let cookie = jar.get(&page, "a").unwrap();
    assert_eq!((cookie.name(), cookie.value()), ("a", "1"));
    assert_eq!((cookie.domain(), cookie.path()), ("www.example.com", "/"));
    assert!(cookie.is_host_only() && cookie.is_secure() && !cookie.is_http_only());
    assert_eq!(cookie.expires(), None);
    assert_eq!(
        sent(&jar, "http://www.example.com/"),
        "",
        "it came over https"
    );

    jar.set(&page, "a=2; Path=/deep").unwrap();
    assert_eq!(
        jar.get(&page, "a").unwrap().value(),
        "2",
        "the first that is sent"
    );
    assert_eq!(jar.remove(&url("https://www.example.com/"), "a"), 1);
    assert_eq!(jar.remove(&page, "a"), 1);
    assert_eq!(jar.remove(&page, "a"), 0);
    assert!(jar.is_empty());

    jar.insert(&url("http://localhost/"), "plain", "").unwrap();
    assert_eq!(sent(&jar, "http://localhost:8080/"), "plain=");
    jar.clear();
    assert_eq!(jar.len(), 0);
}

#[test]
fn what_would_not_come_back_as_it_is_is_not_put_in() {
    let jar = CookieJar::new();
    let page = url("https://example.com/");
    for (name, value) in [
        ("", "1"),
        ("a=b", "1"),
        ("a;b", "1"),
        (" a", "1"),
        ("a", "1;2"),
        ("a", " 1"),
        ("a", "1\r\nx: y"),
        ("a\0", "1"),
        ("__Host-a\n", "1"),
        ("a", &"v".repeat(4_096)),
    ] {
        let error = jar.insert(&page, name, value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{name:?}");
    }
    assert!(jar.insert(&page, "__Host-a", "1").is_ok());
    assert!(
        jar.insert(&url("http://example.com/"), "__Host-a", "1")
            .is_err()
    );
    assert!(jar.insert(&url("data:x"), "a", "1").is_err());
}

#[test]
fn clones_share_the_cookies_between_threads() {
    let jar = CookieJar::new();
    thread::scope(|scope| {
        for number in 0..8 {
            let jar = jar.clone();
            scope.spawn(move || {
                let page = url(&format!("http://site{number}.com/"));
                for count in 0..100 {
                    jar.store(&page, &response([format!("n{count}=1")]));
                    assert!(jar.header_for(&page).is_some());
                }
            });
        }
    });
    assert_eq!(jar.len(), 800);
}

#[test]
fn debug_output_shows_no_values() {
    let jar = CookieJar::new();
    let page = url("http://example.com/");
    jar.set(&page, "a=canary").unwrap();
    assert_eq!(format!("{jar:?}"), "CookieJar { cookies: 1, .. }");
    assert!(!format!("{:?}", jar.all()).contains("canary"));
}

#[test]
fn lines_that_are_not_utf8_are_passed_over() {
    let jar = CookieJar::new();
    jar.store(
        &url("http://example.com/"),
        &response([&b"a=\xff"[..], b"b=1"]),
    );
    assert_eq!(sent(&jar, "http://example.com/"), "b=1");
}
