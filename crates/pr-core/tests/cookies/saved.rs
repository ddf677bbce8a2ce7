//! Jars as JSON and back.

use std::io;

use pr_core::{Cookie, CookieJar, ErrorKind};
use serde_json::{Value, json};

use crate::support::{Clock, sent, url};

fn filled() -> (Clock, CookieJar) {
    let (clock, jar) = Clock::jar();
    let page = url("https://www.example.com/dir/page");
    for line in [
        "later=1; Max-Age=600; Path=/",
        "session=grüße \"x\"; Domain=example.com",
        "__Host-h=1; Path=/; Secure; Max-Age=99999999",
        "nameless",
        "sooner=1; Max-Age=60; HttpOnly",
    ] {
        jar.set(&page, line).unwrap();
    }
    jar.set(&url("http://127.0.0.1/"), "ip=1; Max-Age=60")
        .unwrap();
    jar.set(&url("http://[::1]/"), "ip6=1; Max-Age=60").unwrap();
    (clock, jar)
}

fn described(cookies: &[Cookie]) -> Vec<String> {
    let describe = |cookie: &Cookie| format!("{cookie:?} {}", cookie.value());
    cookies.iter().map(describe).collect()
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut saved = Vec::new();
    write(&mut saved);
    saved
}

#[test]
fn everything_comes_back() {
    let (clock, jar) = filled();
    let saved = written(|to| jar.save_all(to).unwrap());
    let again = CookieJar::with_clock(move || clock.now());
    again.load(&saved[..]).unwrap();
    assert_eq!(again.len(), 7);
    assert_eq!(described(&again.all()), described(&jar.all()));
    let page = "https://www.example.com/dir/page";
    assert_eq!(sent(&again, page), sent(&jar, page));
}

#[test]
fn session_cookies_are_left_out_unless_they_are_asked_for() {
    let (clock, jar) = filled();
    let saved = written(|to| jar.save(to).unwrap());
    let again = CookieJar::with_clock({
        let clock = clock.clone();
        move || clock.now()
    });
    again.load(&saved[..]).unwrap();
    let names: Vec<_> = again
        .all()
        .iter()
        .map(|cookie| cookie.name().to_owned())
        .collect();
    assert_eq!(names, ["later", "__Host-h", "sooner", "ip", "ip6"]);
    // What expires on the disk is not brought back.
    clock.pass(60);
    again.clear();
    again.load(&saved[..]).unwrap();
    assert_eq!(again.len(), 2);
}

#[test]
fn what_is_loaded_joins_what_is_there() {
    let (_, jar) = Clock::jar();
    let page = url("http://example.com/");
    jar.set(&page, "a=old").unwrap();
    jar.set(&page, "b=kept").unwrap();
    let other = CookieJar::new();
    other.set(&page, "a=new").unwrap();
    other.set(&page, "c=new").unwrap();
    jar.load(&written(|to| other.save_all(to).unwrap())[..])
        .unwrap();
    assert_eq!(sent(&jar, "http://example.com/"), "a=new; b=kept; c=new");
}

/// A change that makes a saved cookie one that is not taken.
const SPOILT: &[(&str, &str)] = &[
    ("name", "\"a\\nb\""),
    ("name", "\"a;b\""),
    ("name", "\"a=b\""),
    ("name", "\"__Secure-a\""),
    ("name", "\"__host-a\""),
    ("name", "7"),
    ("value", "\"x\\u0000\""),
    ("value", "\"x;y\""),
    ("domain", "\"127.0.0.1\""),
    ("domain", "\"[::1]\""),
    ("domain", "\"Example.com\""),
    ("domain", "\"\""),
    ("domain", "\"a b\""),
    ("path", "\"dir\""),
    ("path", "\"\""),
    ("path", "\"/\\r\""),
    ("secure", "null"),
    ("expires", "\"soon\""),
];

#[test]
fn a_spoilt_cookie_spoils_the_file_and_not_the_jar() {
    let good = json!({
        "name": "a", "value": "canary", "domain": "example.com", "host_only": false,
        "path": "/", "secure": false, "http_only": false,
    });
    let file = |cookie: &Value| json!({"version": 1, "cookies": [good, cookie]}).to_string();
    let jar = CookieJar::new();
    for (field, value) in SPOILT {
        let mut spoilt = good.clone();
        spoilt[field] = serde_json::from_str(value).unwrap();
        let error = jar.load(file(&spoilt).as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{field}: {value}");
        assert!(!error.chain().contains("canary"), "{error:?}");
        assert!(jar.is_empty(), "{field}: {value}");
    }
    // A domain that has become a public suffix spoils nothing else.
    for suffix in ["com", "co.uk", "github.io"] {
        jar.clear();
        let mut public = good.clone();
        public["domain"] = suffix.into();
        jar.load(file(&public).as_bytes()).unwrap();
        assert_eq!(jar.len(), 1);
        assert_eq!(sent(&jar, &format!("http://a.{suffix}/")), "");
    }
}

#[test]
fn what_is_no_saved_jar_is_a_config_error() {
    for text in [
        "",
        "[]",
        "{}",
        "{\"version\": 2, \"cookies\": []}",
        "{\"version\": 1, \"cookies\": {\"canary\": \"canary\"}}",
        "\"canary\"",
    ] {
        let error = CookieJar::new().load(text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        assert!(!error.chain().contains("canary"), "{error:?}");
    }
    let error = CookieJar::new().load(io::repeat(b' ')).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

/// Neither reads nor writes.
struct Broken;

impl io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk is gone"))
    }
}

impl io::Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk is gone"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_broken_disk_is_a_config_error_with_its_cause() {
    let (_, jar) = filled();
    for error in [jar.save(Broken).unwrap_err(), jar.load(Broken).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.chain().contains("the disk is gone"), "{error:?}");
    }
    assert_eq!(jar.len(), 7);
}
