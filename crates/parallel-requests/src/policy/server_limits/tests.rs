//! The parser against what is sent, and the pace against a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use tokio::time::Instant;

use super::{ServerLimits, ServerPace, Told, fields};

/// Sun, 06 Nov 1994 08:49:37 GMT, and the clock of a machine that is far from it.
const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const NOW: u64 = 1_700_000_000;

fn read(lines: &[(&'static str, &str)]) -> Option<Told> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::from_str(value).unwrap();
        headers.append(HeaderName::from_static(name), value);
    }
    fields::read(&headers, UNIX_EPOCH + Duration::from_secs(NOW))
}

fn told(remaining: u64, reset: u64, limit: Option<u64>, window: Option<u64>) -> Told {
    Told {
        remaining,
        reset: Duration::from_secs(reset),
        limit,
        window: window.map(Duration::from_secs),
    }
}

#[test]
fn reads_what_servers_send() {
    let policy = (
        "ratelimit-policy",
        r#""hour";q=1000;w=3600, "burst";q=100;w=60"#,
    );
    let cases: Vec<(Vec<(&'static str, &str)>, Told)> = vec![
        // The draft of today.
        (
            vec![("ratelimit", r#""default";r=50;t=30"#)],
            told(50, 30, None, None),
        ),
        (
            vec![("ratelimit", "default;r=50;t=30")],
            told(50, 30, None, None),
        ),
        (
            vec![("ratelimit", r#""burst";r=50;t=30"#), policy],
            told(50, 30, Some(100), Some(60)),
        ),
        // Without a time, that of the policy.
        (
            vec![("ratelimit", r#""burst";r=7"#), policy],
            told(7, 60, Some(100), Some(60)),
        ),
        // The slowest of several: 10 in 1000 s against 50 in 30 s; on lines of their own as well.
        (
            vec![
                ("ratelimit", r#""burst";r=50;t=30, "hour";r=10;t=1000"#),
                policy,
            ],
            told(10, 1000, Some(1000), Some(3600)),
        ),
        (
            vec![
                ("ratelimit", r#""hour";r=0;t=5"#),
                ("ratelimit", r#""burst";r=1;t=30"#),
            ],
            told(0, 5, None, None),
        ),
        // Bytes are not requests.
        (
            vec![
                ("ratelimit", r#""bytes";r=0;t=5, "calls";r=9;t=10"#),
                (
                    "ratelimit-policy",
                    r#""bytes";q=9;qu="content-bytes", "calls";q=9;qu="requests""#,
                ),
            ],
            told(9, 10, Some(9), None),
        ),
        // Version 7, and before.
        (
            vec![
                ("ratelimit", "limit=100, remaining=50, reset=30"),
                ("ratelimit-policy", "10;w=1, 100;w=60"),
            ],
            told(50, 30, Some(100), Some(60)),
        ),
        (
            vec![
                ("ratelimit-limit", "100, 100;w=60"),
                ("ratelimit-remaining", "50"),
                ("ratelimit-reset", "30"),
            ],
            told(50, 30, Some(100), None),
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(read(&lines), Some(expected), "{lines:?}");
    }
}

#[test]
fn reads_what_is_found_in_the_wild() {
    let unix_in_30_s = (NOW + 30).to_string();
    let unix_ms_in_30_s = ((NOW + 30) * 1_000).to_string();
    let cases: Vec<(Vec<(&'static str, &str)>, Told)> = vec![
        // Seconds, Unix times in seconds and milliseconds, dates, fractions.
        (
            vec![
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", " 30 "),
            ],
            told(0, 30, None, None),
        ),
        (
            vec![
                ("x-ratelimit-limit", "5000"),
                ("x-ratelimit-remaining", "4999"),
                ("x-ratelimit-reset", &unix_in_30_s),
            ],
            told(4999, 30, Some(5000), None),
        ),
        (
            vec![
                ("x-rate-limit-remaining", "5"),
                ("x-rate-limit-reset", &unix_ms_in_30_s),
            ],
            told(5, 30, None, None),
        ),
        (
            vec![
                ("x-ratelimit-remaining", "97.0"),
                ("x-ratelimit-reset", "30"),
            ],
            told(97, 30, None, None),
        ),
        // A server whose clock is wrong is asked for its own time.
        (
            vec![
                ("x-ratelimit-remaining", "5"),
                ("x-ratelimit-reset", "Sun, 06 Nov 1994 08:50:07 GMT"),
                ("date", THEN),
            ],
            told(5, 30, None, None),
        ),
        // What is broken does not hide what is not.
        (
            vec![
                ("ratelimit", "???"),
                ("x-ratelimit-remaining", "5"),
                ("x-ratelimit-reset", "30"),
            ],
            told(5, 30, None, None),
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(read(&lines), Some(expected), "{lines:?}");
    }
}

#[test]
fn ignores_what_makes_no_sense() {
    let past = (NOW - 30).to_string();
    let cases: Vec<Vec<(&'static str, &str)>> = vec![
        vec![],
        vec![("x-ratelimit-remaining", "5")],
        vec![("x-ratelimit-reset", "5")],
        vec![("x-ratelimit-remaining", "5"), ("x-ratelimit-reset", "0")],
        vec![("x-ratelimit-remaining", "5"), ("x-ratelimit-reset", &past)],
        vec![("x-ratelimit-remaining", "-5"), ("x-ratelimit-reset", "5")],
        vec![
            ("x-ratelimit-remaining", "5"),
            ("x-ratelimit-reset", "soon"),
        ],
        vec![("x-ratelimit-remaining", "5"), ("x-ratelimit-reset", "-5")],
        vec![("ratelimit", r#""default";r=5"#)],
        vec![("ratelimit", r#""default";t=5"#)],
        vec![("ratelimit", r#""default";r=-5;t=5"#)],
        vec![("ratelimit", r#""default";r=5;t=0"#)],
        vec![("ratelimit", r#"("default";r=5;t=5)"#)],
        vec![("ratelimit", "remaining=5")],
        vec![("ratelimit", "remaining=(5), reset=5")],
    ];
    for lines in cases {
        assert_eq!(read(&lines), None, "{lines:?}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser_or_the_pace(
        remaining in "[ -~]{0,30}",
        reset in "([0-9]{1,30}|[ -~]{0,30})",
        limits in r#"([ -~]{0,60}|"[a-c]";r=[0-9]{1,16};t=[0-9]{1,16})"#,
        policies in r#"([ -~]{0,60}|"[a-c]";q=[0-9]{1,16};w=[0-9]{1,16})"#,
        waits in prop::collection::vec(0_u64..1_000_000_000, 0..10),
    ) {
        let told = read(&[
            ("x-ratelimit-remaining", &remaining),
            ("x-ratelimit-reset", &reset),
            ("ratelimit", &limits),
            ("ratelimit-policy", &policies),
        ]);
        if let Some(told) = told {
            prop_assert!(!told.reset.is_zero());
            let cap = Duration::from_secs(60);
            let mut now = Instant::now();
            let mut pace = ServerPace::new(&ServerLimits::default().max_pause(cap));
            for wait in waits {
                pace.hear(told, now);
                if let Some(ready) = pace.ready_at(now) {
                    prop_assert!(ready > now && ready <= now + cap);
                }
                now += Duration::from_millis(wait);
                pace.take(now);
            }
        }
    }
}

fn pace(max_pause: u64) -> ServerPace {
    ServerPace::new(&ServerLimits::default().max_pause(Duration::from_secs(max_pause)))
}

/// When requests go, in milliseconds since the start, if there is always one that waits.
fn sent(pace: &mut ServerPace, start: Instant, count: usize) -> Vec<u128> {
    let mut now = start;
    (0..count)
        .map(|_| {
            while let Some(ready) = pace.ready_at(now) {
                now = ready;
            }
            pace.take(now);
            (now - start).as_millis()
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn spreads_what_remains_over_the_time_left_and_over_the_next() {
    let start = Instant::now();
    let mut pace = pace(300);
    assert_eq!(pace.ready_at(start), None);
    pace.hear(told(4, 10, Some(9), None), start);
    // Four in the ten seconds, and then nine in the next ten.
    let expected: Vec<u128> = (1..=4)
        .map(|n| n * 2_000)
        .chain((1..=9).map(|n| 10_000 + n * 1_000))
        .collect();
    assert_eq!(sent(&mut pace, start, 13), expected);
}

#[tokio::test(start_paused = true)]
async fn pauses_when_nothing_remains_up_to_the_cap() {
    let start = Instant::now();
    let mut short = pace(300);
    short.hear(told(0, 10, None, None), start);
    assert_eq!(short.idle_at(start), Some(start + Duration::from_secs(10)));
    assert_eq!(short.idle_at(start + Duration::from_secs(10)), None);
    assert_eq!(sent(&mut short, start, 3), [10_000; 3]);

    let mut capped = pace(20);
    capped.hear(told(0, u64::MAX, None, None), start);
    assert_eq!(sent(&mut capped, start, 2), [20_000, 40_000]);
    let mut rare = pace(20);
    rare.hear(told(1, 1_000, None, None), start);
    assert_eq!(sent(&mut rare, start, 2), [20_000, 40_000]);
}

#[tokio::test(start_paused = true)]
async fn a_late_word_of_the_same_time_gives_nothing_back() {
    let start = Instant::now();
    let second = Duration::from_secs(1);
    let mut pace = pace(300);
    pace.hear(told(3, 10, None, None), start);
    // Two go; what was said before they arrived comes after.
    pace.take(start + second);
    pace.take(start + second);
    pace.hear(told(3, 9, None, None), start + second);
    assert_eq!(
        pace.ready_at(start + second),
        Some(start + second + second * 9 / 2)
    );
    // Others have used up the rest.
    pace.hear(told(0, 8, None, None), start + second * 2);
    assert_eq!(pace.ready_at(start + second * 2), Some(start + second * 10));
    // A new time has begun early.
    pace.hear(told(100, 60, None, None), start + second * 3);
    assert!(pace.ready_at(start + second * 3).is_none());
}

#[test]
fn the_wall_clock_does_not_matter_for_seconds() {
    let mut headers = HeaderMap::new();
    headers.insert("x-ratelimit-remaining", HeaderValue::from_static("1"));
    headers.insert("x-ratelimit-reset", HeaderValue::from_static("7"));
    for now in [UNIX_EPOCH, SystemTime::now()] {
        assert_eq!(fields::read(&headers, now), Some(told(1, 7, None, None)));
    }
}
