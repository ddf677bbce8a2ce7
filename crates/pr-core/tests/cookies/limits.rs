//! How much a server can make the jar keep and send.

use pr_core::CookieJar;

use crate::support::{Clock, response, sent, url};

const PAGE: &str = "https://www.example.com/";

fn numbered(numbers: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    numbers.map(|number| format!("n{number}={number}; Path=/"))
}

#[test]
fn name_and_value_have_4096_bytes() {
    for (name, value, taken) in [
        (1, 4_095, true),
        (1, 4_096, false),
        (4_096, 0, true),
        (4_097, 0, false),
        (0, 4_096, true),
        (0, 4_097, false),
    ] {
        let line = format!("{}={}; Path=/", "n".repeat(name), "v".repeat(value));
        let outcome = CookieJar::new().set(&url(PAGE), &line);
        assert_eq!(outcome.is_ok(), taken, "{name} and {value}");
    }
}

#[test]
fn attributes_of_more_than_1024_bytes_are_ignored() {
    let path = |length: usize| format!("a=1; Path=/{}", "p".repeat(length - 1));
    let jar = CookieJar::new();
    jar.store(&url(PAGE), &response([path(1_024)]));
    assert_eq!(jar.all()[0].path().len(), 1_024);
    jar.store(&url(PAGE), &response([path(1_025).replace("a=", "b=")]));
    assert_eq!(sent(&jar, PAGE), "b=1");

    let domain = format!("a=1; Domain={}.example.com", "d".repeat(1_024));
    assert!(CookieJar::new().set(&url(PAGE), &domain).is_ok());
    // A path that nobody wrote is no longer than one that somebody did.
    let deep = url(&format!("{PAGE}{}/x", "p".repeat(1_024)));
    assert!(CookieJar::new().set(&deep, "a=1").is_err());
}

#[test]
fn one_response_sets_50() {
    let jar = CookieJar::new();
    jar.store(&url(PAGE), &response(numbered(0..60)));
    assert_eq!(jar.len(), 50);
    assert!(jar.get(&url(PAGE), "n49").is_some() && jar.get(&url(PAGE), "n50").is_none());
}

#[test]
fn a_domain_has_180_and_the_least_recently_sent_go_first() {
    let jar = CookieJar::new();
    for start in (0..180).step_by(45) {
        // Subdomains count with the domain: a flood from them gets no further.
        let host = url(&format!("https://h{start}.example.com/"));
        let lines = numbered(start..start + 45).map(|line| line + "; Domain=example.com");
        jar.store(&host, &response(lines));
    }
    assert_eq!(jar.len(), 180);
    jar.set(&url("https://other.example.com/"), "apart=1; Path=/old")
        .unwrap();
    assert_eq!(jar.len(), 180, "the oldest has gone");
    assert!(jar.get(&url(PAGE), "n0").is_none() && jar.get(&url(PAGE), "n1").is_some());
    // What is sent is used; what is merely looked at is not.
    assert!(!sent(&jar, PAGE).is_empty());
    jar.set(&url(PAGE), "new=1").unwrap();
    assert_eq!(jar.len(), 180);
    assert!(
        jar.get(&url("https://other.example.com/old"), "apart")
            .is_none()
    );
    // Another domain has room of its own.
    jar.set(&url("https://example.org/"), "a=1").unwrap();
    assert_eq!(jar.len(), 181);
}

#[test]
fn secure_cookies_survive_a_flood_of_others() {
    let jar = CookieJar::new();
    jar.set(&url(PAGE), "kept=1; Secure; Path=/").unwrap();
    for start in (0..1_000).step_by(50) {
        jar.store(
            &url("http://www.example.com/"),
            &response(numbered(start..start + 50)),
        );
    }
    assert_eq!(jar.len(), 180);
    assert!(jar.get(&url(PAGE), "kept").is_some());
}

#[test]
fn there_are_3000_in_all() {
    let (clock, jar) = Clock::jar();
    let site = |number| url(&format!("https://site{number}.com/"));
    for number in 0..3_000 {
        let line = match number {
            7 | 8 => "a=1; Max-Age=60",
            _ => "a=1",
        };
        jar.set(&site(number), line).unwrap();
    }
    jar.header_for(&site(0)).unwrap();
    assert_eq!(jar.len(), 3_000);
    jar.set(&site(3_000), "a=1").unwrap();
    assert_eq!(jar.len(), 3_000);
    assert!(jar.get(&site(0), "a").is_some(), "it has been sent since");
    assert!(
        jar.get(&site(1), "a").is_none(),
        "it was the least recently sent"
    );
    // What has expired goes before what has not.
    clock.pass(61);
    jar.set(&site(3_001), "a=1").unwrap();
    assert_eq!(jar.len(), 2_999);
    assert!(jar.get(&site(2), "a").is_some());
}

#[test]
fn the_header_has_8190_bytes() {
    let jar = CookieJar::new();
    let page = url(PAGE);
    let cookie = |name: &str, length: usize, path: &str| {
        let line = format!(
            "{name}={}; Path={path}",
            "v".repeat(length - name.len() - 1)
        );
        jar.set(&page, &line).unwrap();
    };
    // "cookie: " and four cookies with their separators are 8,190 bytes exactly.
    cookie("a", 4_000, "/p");
    cookie("b", 4_000, "/p");
    cookie("skipped", 179, "/p");
    cookie("c", 170, "/");
    cookie("d", 6, "/");
    let value = sent(&jar, "https://www.example.com/p");
    assert_eq!("cookie: ".len() + value.len(), 8_190);
    let names: Vec<_> = value.split("; ").map(|pair| &pair[..2]).collect();
    assert_eq!(names, ["a=", "b=", "c=", "d="]);
    // The request's own are never left out.
    let mut headers = http::HeaderMap::new();
    let own = format!("own={}", "v".repeat(9_000));
    headers.insert(http::header::COOKIE, own.parse().unwrap());
    jar.add_to(&url("https://www.example.com/p"), &mut headers);
    assert_eq!(headers[http::header::COOKIE], own.as_str());
}
