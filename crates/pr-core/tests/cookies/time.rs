//! How long cookies last, on a clock of the test's own.

use std::time::{Duration, SystemTime};

use crate::support::{Clock, sent, url};

const PAGE: &str = "http://example.com/";
const DAY: u64 = 24 * 60 * 60;

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

#[test]
fn max_age_counts_from_when_it_came() {
    let (clock, jar) = Clock::jar();
    clock.pass(1_000);
    jar.set(&url(PAGE), "a=1; Max-Age=60").unwrap();
    assert_eq!(
        jar.all()[0].expires(),
        Some(clock.now() + Duration::from_secs(60))
    );
    clock.pass(59);
    assert_eq!(sent(&jar, PAGE), "a=1");
    clock.pass(1);
    assert_eq!(sent(&jar, PAGE), "");
    assert!(jar.is_empty() && jar.all().is_empty() && jar.get(&url(PAGE), "a").is_none());
}

#[test]
fn expires_is_a_date_of_either_format() {
    for date in [
        "Tue, 01 Jan 2030 00:01:00 GMT",
        "Tuesday, 01-Jan-30 00:01:00 GMT",
        "Tue Jan  1 00:01:00 2030",
        "Tue, 01-Jan-2030 00:01:00 GMT",
    ] {
        let (clock, jar) = Clock::jar();
        jar.set(&url(PAGE), &format!("a=1; Expires={date}"))
            .unwrap();
        let expires = jar.all()[0].expires().map(seconds);
        assert_eq!(expires, Some(Clock::START + 60), "{date}");
        clock.pass(60);
        assert_eq!(sent(&jar, PAGE), "", "{date}");
    }
}

#[test]
fn a_date_that_is_over_removes_however_it_is_written() {
    for date in [
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Thu, 1 Jan 1970 00:00:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 UTC",
        "Thu, 01 Jan 1970 00:00:00",
        "Thursday, 01-Jan-1970 00:00:00 GMT",
        "Thu, 01 Jan 1970 0:00:00 GMT",
        "1 Jan 1970 00:00:00 GMT",
        "Mon, 01 Jan 1601 00:00:00 GMT",
    ] {
        let (_, jar) = Clock::jar();
        jar.set(&url(PAGE), "sid=1").unwrap();
        jar.set(&url(PAGE), &format!("sid=; Expires={date}"))
            .unwrap();
        assert_eq!(sent(&jar, PAGE), "", "{date}");
        assert!(jar.is_empty(), "{date}");
    }
}

#[test]
fn an_expires_that_is_no_date_is_ignored() {
    for date in ["", "0", "-1", "yesterday", "Wed, 31 Apr 2030 00:00:00 GMT"] {
        let (clock, jar) = Clock::jar();
        jar.set(&url(PAGE), &format!("a=1; Expires={date}"))
            .unwrap();
        assert_eq!(jar.all()[0].expires(), None, "{date}");
        // What is ignored does not take the place of what is not, and the last date counts.
        let line = format!(
            "a=1; expires=Thu, 01 Jan 1970 00:00:00 GMT; \
             EXPIRES=Tue, 01 Jan 2030 00:01:00 GMT; Expires={date}"
        );
        jar.set(&url(PAGE), &line).unwrap();
        let expires = jar.all()[0].expires().map(seconds);
        assert_eq!(expires, Some(Clock::START + 60), "{date}");
        clock.pass(60);
        assert!(jar.is_empty(), "{date}");
    }
}

#[test]
fn no_age_is_longer_than_400_days() {
    for end in [
        "Max-Age=34560001",
        "Max-Age=9223372036854775807",
        "Max-Age=99999999999999999999999999",
        "Expires=Fri, 31 Dec 9999 23:59:59 GMT",
        "Max-Age=99999999999; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    ] {
        let (clock, jar) = Clock::jar();
        jar.set(&url(PAGE), &format!("a=1; {end}")).unwrap();
        let expires = jar.all()[0].expires().map(seconds);
        assert_eq!(expires, Some(Clock::START + 400 * DAY), "{end}");
        clock.pass(400 * DAY);
        assert!(jar.is_empty(), "{end}");
    }
}

#[test]
fn a_session_cookie_does_not_expire() {
    let (clock, jar) = Clock::jar();
    jar.set(&url(PAGE), "a=1").unwrap();
    assert_eq!(jar.all()[0].expires(), None);
    clock.pass(40_000 * DAY);
    assert_eq!(sent(&jar, PAGE), "a=1");
}

#[test]
fn a_new_value_renews_the_age_and_keeps_the_place() {
    let (clock, jar) = Clock::jar();
    jar.set(&url(PAGE), "a=1; Max-Age=60").unwrap();
    jar.set(&url(PAGE), "b=1; Max-Age=600").unwrap();
    clock.pass(59);
    jar.set(&url(PAGE), "a=2; Max-Age=60").unwrap();
    clock.pass(59);
    assert_eq!(sent(&jar, PAGE), "a=2; b=1");
    // One that comes back from the dead is new.
    clock.pass(1);
    jar.set(&url(PAGE), "a=3").unwrap();
    assert_eq!(sent(&jar, PAGE), "b=1; a=3");
}

#[test]
fn an_expired_secure_cookie_protects_no_name() {
    let (clock, jar) = Clock::jar();
    jar.set(&url("https://example.com/"), "a=1; Secure; Max-Age=60")
        .unwrap();
    assert!(jar.set(&url(PAGE), "a=2").is_err());
    clock.pass(60);
    assert!(jar.set(&url(PAGE), "a=2").is_ok());
}
