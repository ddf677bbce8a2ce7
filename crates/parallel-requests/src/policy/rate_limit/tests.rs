//! Limits and buckets on a clock that stands still.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{RateLimit, RateLimiter, TokenBucket};

const SECOND: Duration = Duration::from_secs(1);

/// When tokens are had, since the start, by somebody who always wants one and wakes so much late.
fn taken(limiter: &RateLimiter, start: Instant, time: Duration, late: Duration) -> Vec<Duration> {
    let mut now = start;
    let mut taken = Vec::new();
    while now < start + time {
        match limiter.try_take(now) {
            Ok(()) => taken.push(now - start),
            Err(next) => {
                assert!(next > now);
                now = next + late;
            }
        }
    }
    taken
}

/// The most of them in any second.
fn most_in_a_second(taken: &[Duration]) -> usize {
    let mut first = 0;
    let in_second = taken.iter().enumerate().map(|(last, at)| {
        while *at >= taken[first] + SECOND {
            first += 1;
        }
        last - first + 1
    });
    in_second.max().unwrap_or(0)
}

#[test]
fn ten_seconds_have_ten_times_the_rate_within_a_percent() {
    for (limit, rate, burst) in [
        (RateLimit::per_second(200), 200, 10),
        (RateLimit::per_second(200).burst(20), 200, 20),
        (RateLimit::per_minute(12_000), 200, 10),
        (RateLimit::per_second(100), 100, 5),
        (RateLimit::per_second(1_000), 1_000, 50),
        (RateLimit::per_second(4), 4, 1),
        (RateLimit::per_second(7_777), 7_777, 388),
    ] {
        // Timers of whole milliseconds, and a machine that has a lot to do.
        for late in [
            Duration::ZERO,
            Duration::from_micros(900),
            Duration::from_millis(5),
        ] {
            let late = if rate < 100 { Duration::ZERO } else { late };
            let limiter = RateLimiter::new(limit.clone());
            let taken = taken(&limiter, Instant::now(), SECOND * 10, late);
            let expected = rate * 10;
            assert!(
                taken.len().abs_diff(expected) <= expected / 100,
                "{limit:?}, {late:?}: {}",
                taken.len()
            );
            let most = most_in_a_second(&taken);
            assert!(most <= rate + burst, "{limit:?}, {late:?}: {most}");
        }
    }
}

#[test]
fn rates_below_one_in_a_second() {
    let limiter = RateLimiter::new(RateLimit::every(SECOND * 3));
    let taken = taken(&limiter, Instant::now(), SECOND * 10, Duration::ZERO);
    assert_eq!(taken, [0, 3, 6, 9].map(Duration::from_secs));
}

#[test]
fn the_burst_is_there_again_after_a_pause() {
    let limiter = RateLimiter::new(RateLimit::per_second(10).burst(5));
    let start = Instant::now();
    let at_once = |now| std::iter::from_fn(|| limiter.try_take(now).ok()).count();
    assert_eq!(at_once(start), 5);
    assert_eq!(at_once(start + SECOND / 5), 2);
    assert_eq!(at_once(start + SECOND * 60), 5);
    // Time that goes back is time that stands still.
    assert_eq!(at_once(start), 0);
}

#[test]
fn clones_share_their_tokens() {
    let one = RateLimiter::new(RateLimit::per_second(10).burst(1));
    let other = one.clone();
    let now = Instant::now();
    assert!(one.try_take(now).is_ok());
    assert_eq!(other.try_take(now), Err(now + SECOND / 10));

    let limiter = RateLimiter::new(RateLimit::per_hour(1).burst(1_000));
    let taken: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let limiter = limiter.clone();
                scope.spawn(move || (0..1_000).filter(|_| limiter.try_take(now).is_ok()).count())
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(taken, 1_000);
}

#[test]
fn a_bucket_can_be_looked_at() {
    let mut bucket = TokenBucket::new(&RateLimit::per_second(10).burst(2));
    let now = Instant::now();
    assert_eq!((bucket.ready_at(now), bucket.full_at(now)), (None, None));
    bucket.take(now);
    assert_eq!(bucket.ready_at(now), None);
    assert_eq!(bucket.ready_at(now), None);
    assert_eq!(bucket.full_at(now), Some(now + SECOND / 10));
    bucket.take(now);
    assert_eq!(bucket.ready_at(now), Some(now + SECOND / 10));
    assert_eq!(bucket.full_at(now), Some(now + SECOND / 5));
    let later = now + SECOND / 5;
    assert_eq!(
        (bucket.ready_at(later), bucket.full_at(later)),
        (None, None)
    );
}

#[test]
fn limits_that_cannot_work_are_refused_and_break_nothing() {
    let day = Duration::from_secs(24 * 60 * 60);
    for (limit, says) in [
        (
            RateLimit::per_second(0),
            "x cannot be 0 in 1s: nothing would",
        ),
        (
            RateLimit::per_minute(1).burst(0),
            "x cannot be a burst of 0: ",
        ),
        (RateLimit::per(Duration::ZERO, 1), "x cannot be 1 in 0ns: "),
        (
            RateLimit::per_second(u32::MAX),
            "x cannot be 4294967295 in 1s: at most",
        ),
        (
            RateLimit::every(day + SECOND),
            "x cannot be 1 in 86401s: the slowest",
        ),
        (RateLimit::every(Duration::MAX), "x cannot be 1 in "),
        (
            RateLimit::every(day).burst(400),
            "x cannot be a burst of 400: it would take",
        ),
    ] {
        let error = limit.check("x").unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
        let now = Instant::now();
        let limiter = RateLimiter::new(limit);
        assert!(limiter.try_take(now).is_ok());
        limiter.try_take(now + Duration::from_secs(1 << 40)).ok();
    }
    assert!(RateLimit::every(day).check("x").is_ok());
    assert!(RateLimit::per_second(1_000_000_000).check("x").is_ok());
}

proptest! {
    #[test]
    fn no_stretch_of_time_has_more_than_its_rate_and_a_burst(
        requests in 1_u32..5_000,
        millis in 1_u64..100_000,
        burst in 1_u32..50,
        waits in prop::collection::vec(0_u64..2_000, 1..200),
    ) {
        let period = Duration::from_millis(millis);
        let limiter = RateLimiter::new(RateLimit::per(period, requests).burst(burst));
        let mut now = Instant::now();
        let mut taken = Vec::new();
        for wait in waits {
            now += Duration::from_millis(wait);
            while taken.len() < 2_000 && limiter.try_take(now).is_ok() {
                taken.push(now);
            }
        }
        for (first, from) in taken.iter().enumerate().step_by(7) {
            for (last, to) in taken.iter().enumerate().skip(first).step_by(3) {
                let due = (*to - *from).as_secs_f64() / period.as_secs_f64() * f64::from(requests);
                let count = f64::from(u32::try_from(last - first).unwrap()) + 1.0;
                prop_assert!(count <= due + f64::from(burst) + 1e-6);
            }
        }
    }
}
