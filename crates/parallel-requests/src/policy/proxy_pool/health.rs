//! What is known of proxies: which of them have a rest, for which origin, and until when.

use std::{collections::HashMap, hash::Hash, time::Duration};

use tokio::time::Instant;

/// How long proxies rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cooldown {
    pub(super) first: Duration,
    /// `None` if nobody has said so.
    pub(super) longest: Option<Duration>,
}

impl Default for Cooldown {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(30),
            longest: None,
        }
    }
}

/// How long a rest may become, unless the first is longer.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// What stands for rests that no clock can measure.
const AGES: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

impl Cooldown {
    /// The rest after so many failures in a row.
    fn after(self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(self.longest())
    }

    fn longest(self) -> Duration {
        self.longest.unwrap_or(LONGEST.max(self.first)).min(AGES)
    }
}

/// Whom a failure says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The proxy with this origin; with others it may well work.
    Origin,
    /// The proxy.
    Proxy,
}

/// An attempt through a proxy: both as numbers, and when the proxy was chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    pub(super) proxy: u64,
    pub(super) origin: u64,
    pub(super) chosen: Instant,
}

/// The rests of proxies.
#[derive(Debug, Default)]
pub(super) struct Health {
    pairs: HashMap<(u64, u64), Rest>,
    proxies: HashMap<u64, Record>,
    given_up: HashMap<(u64, u64), Waited>,
}

/// For how long attempts waited in vain that were dropped.
#[derive(Clone, Copy, Debug)]
struct Waited {
    in_all: Duration,
    until: Instant,
}

/// What is known of a proxy apart from origins.
#[derive(Debug, Default)]
struct Record {
    /// The origins for which it failed, without having worked for any since.
    failed_for: Vec<u64>,
    rest: Option<Rest>,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    failures: u32,
    since: Instant,
    until: Instant,
}

/// For how many origins a proxy fails before it is taken to be broken.
const TOO_MANY: usize = 3;

/// How long attempts that are dropped wait in vain until it is a failure.
const TOO_LONG: Duration = Duration::from_secs(1);
/// How many rests are kept at most.
const MOST: usize = 16_384;

impl Health {
    /// Until when the proxy rests, if it does.
    pub(super) fn rests_until(&self, proxy: u64, origin: u64, now: Instant) -> Option<Instant> {
        let for_all = self.proxies.get(&proxy).and_then(|record| record.rest);
        let for_origin = self.pairs.get(&(proxy, origin)).copied();
        let rests = [for_all, for_origin].into_iter().flatten();
        rests
            .map(|rest| rest.until)
            .filter(|until| *until > now)
            .max()
    }

    /// The proxy has done its part.
    pub(super) fn worked(&mut self, attempt: Use) {
        let pair = (attempt.proxy, attempt.origin);
        if !self.given_up.is_empty() {
            self.given_up.remove(&pair);
        }
        if self.pairs.is_empty() && self.proxies.is_empty() {
            return;
        }
        // What was begun before a failure does not say that it is over.
        let is_newer = |rest: &Rest| attempt.chosen >= rest.since;
        if self.pairs.get(&pair).is_some_and(is_newer) {
            self.pairs.remove(&pair);
        }
        if let Some(record) = self.proxies.get(&attempt.proxy)
            && record.rest.as_ref().is_none_or(is_newer)
        {
            self.proxies.remove(&attempt.proxy);
        }
    }

    /// The proxy has failed; the longest rest that follows from it, if one does.
    pub(super) fn failed(
        &mut self,
        attempt: Use,
        scope: Scope,
        cooldown: Cooldown,
        now: Instant,
    ) -> Option<Duration> {
        make_room(&mut self.pairs, |rest| Some(rest.until), now, cooldown);
        let pair = (attempt.proxy, attempt.origin);
        let before = self.pairs.get(&pair).copied();
        let rest = Rest::after(before, attempt.chosen, cooldown, now)?;
        self.pairs.insert(pair, rest);
        if scope == Scope::Origin {
            return Some(rest.until - now);
        }
        let until = |record: &Record| record.rest.map(|rest| rest.until);
        make_room(&mut self.proxies, until, now, cooldown);
        let record = self.proxies.entry(attempt.proxy).or_default();
        if !record.failed_for.contains(&attempt.origin) && record.failed_for.len() < TOO_MANY {
            record.failed_for.push(attempt.origin);
        }
        if record.failed_for.len() >= TOO_MANY
            && let Some(for_all) = Rest::after(record.rest, attempt.chosen, cooldown, now)
        {
            record.rest = Some(for_all);
            return Some(for_all.until.max(rest.until) - now);
        }
        Some(rest.until - now)
    }
}

impl Health {
    /// An attempt was dropped, which since then had waited for a connection through the proxy; the rest
    /// that follows from it, if one does.
    pub(super) fn given_up(
        &mut self,
        attempt: Use,
        since: Instant,
        cooldown: Cooldown,
        now: Instant,
    ) -> Option<Duration> {
        let pair = (attempt.proxy, attempt.origin);
        let before = self.given_up.get(&pair).copied();
        let before = before.filter(|waited| now < waited.until + cooldown.longest());
        // Many at the same time wait no longer than one.
        let begin = before.map_or(since, |waited| waited.until.max(since));
        let in_all = before.map_or(Duration::ZERO, |waited| waited.in_all);
        let in_all = in_all + now.saturating_duration_since(begin);
        if in_all >= TOO_LONG {
            self.given_up.remove(&pair);
            return self.failed(attempt, Scope::Origin, cooldown, now);
        }
        make_room(
            &mut self.given_up,
            |waited| Some(waited.until),
            now,
            cooldown,
        );
        self.given_up.insert(pair, Waited { in_all, until: now });
        None
    }
}

impl Rest {
    /// The rest after another failure; `None` if that attempt began before the rest did. There may be
    /// hundreds of them in flight, and they say nothing new.
    fn after(
        before: Option<Self>,
        chosen: Instant,
        cooldown: Cooldown,
        now: Instant,
    ) -> Option<Self> {
        let failures = match before {
            None => 1,
            Some(before) if chosen < before.until => return None,
            Some(before) => before.failures.saturating_add(1),
        };
        Some(Self {
            failures,
            since: now,
            until: now + cooldown.after(failures),
        })
    }
}

/// Forgets what is long over, and if that is not enough, what will be over first.
fn make_room<K: Copy + Eq + Hash, V>(
    known: &mut HashMap<K, V>,
    until: impl Fn(&V) -> Option<Instant>,
    now: Instant,
    cooldown: Cooldown,
) {
    if known.len() < MOST {
        return;
    }
    let longest = cooldown.longest();
    known.retain(|_, value| until(value).is_some_and(|until| until + longest > now));
    if known.len() < MOST {
        return;
    }
    let mut ends: Vec<_> = known
        .iter()
        .map(|(key, value)| (until(value), *key))
        .collect();
    // Many at once, so that it is rarely done.
    let (first, _, _) = ends.select_nth_unstable_by_key(MOST / 8, |(until, _)| *until);
    for (_, key) in first {
        known.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOLDOWN: Cooldown = Cooldown {
        first: Duration::from_secs(10),
        longest: Some(Duration::from_secs(60)),
    };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn through(proxy: u64, origin: u64, chosen: Instant) -> Use {
        Use {
            proxy,
            origin,
            chosen,
        }
    }

    #[test]
    fn rests_double_up_to_the_longest_and_a_success_ends_them() {
        let mut health = Health::default();
        let mut now = Instant::now();
        for seconds in [10, 20, 40, 60, 60] {
            let rest = health.failed(through(1, 7, now), Scope::Origin, COOLDOWN, now);
            assert_eq!(rest, Some(Duration::from_secs(seconds)));
            assert_eq!(health.rests_until(1, 7, now), Some(after(now, seconds)));
            assert_eq!(health.rests_until(1, 8, now), None);
            assert_eq!(health.rests_until(2, 7, now), None);
            now = after(now, seconds);
            assert_eq!(health.rests_until(1, 7, now), None);
        }
        health.worked(through(1, 7, now));
        let rest = health.failed(through(1, 7, now), Scope::Origin, COOLDOWN, now);
        assert_eq!(rest, Some(COOLDOWN.first));
    }

    #[test]
    fn a_rest_may_be_longer_than_a_clock_can_tell() {
        let endless = Cooldown {
            first: Duration::MAX,
            longest: Some(Duration::MAX),
        };
        let mut health = Health::default();
        let now = Instant::now();
        for number in 0..=MOST as u64 {
            health.failed(through(number, 7, now), Scope::Proxy, endless, now);
        }
        let later = after(now, 1_000_000_000);
        assert!(health.rests_until(MOST as u64, 7, later).is_none());
        assert!(
            health
                .rests_until(MOST as u64, 7, after(now, 900_000_000))
                .is_some()
        );
    }

    #[test]
    fn what_was_in_flight_before_a_failure_says_nothing_about_what_follows() {
        let mut health = Health::default();
        let start = Instant::now();
        let failed = after(start, 1);
        health.failed(through(1, 7, start), Scope::Origin, COOLDOWN, failed);
        let late = after(start, 2);
        assert_eq!(
            health.failed(through(1, 7, start), Scope::Origin, COOLDOWN, late),
            None
        );
        health.worked(through(1, 7, start));
        assert_eq!(health.rests_until(1, 7, late), Some(after(failed, 10)));
    }

    #[test]
    fn a_proxy_that_fails_for_many_origins_rests_for_all() {
        let mut health = Health::default();
        let now = Instant::now();
        for origin in [1, 2] {
            health.failed(through(1, origin, now), Scope::Proxy, COOLDOWN, now);
        }
        assert_eq!(health.rests_until(1, 99, now), None);
        // One that gets through shows that it works.
        health.worked(through(1, 4, now));
        health.failed(through(1, 3, now), Scope::Proxy, COOLDOWN, now);
        assert_eq!(health.rests_until(1, 99, now), None);
        for origin in [4, 5] {
            health.failed(through(1, origin, now), Scope::Proxy, COOLDOWN, now);
        }
        assert_eq!(health.rests_until(1, 99, now), Some(after(now, 10)));
        assert_eq!(health.rests_until(2, 99, now), None);
        // Once it has rested, one more is enough.
        let later = after(now, 10);
        health.failed(through(1, 6, later), Scope::Proxy, COOLDOWN, later);
        assert_eq!(health.rests_until(1, 99, later), Some(after(later, 20)));
    }

    #[test]
    fn what_is_given_up_adds_up_to_a_failure() {
        let mut health = Health::default();
        let start = Instant::now();
        let ms = |count| start + Duration::from_millis(count);
        let give_up = |health: &mut Health, from, to| {
            health.given_up(through(1, 7, ms(from)), ms(from), COOLDOWN, ms(to))
        };
        // At the same time.
        for _ in 0..100 {
            assert_eq!(give_up(&mut health, 0, 500), None);
        }
        assert_eq!(give_up(&mut health, 100, 900), None);
        // What works is not dead.
        health.worked(through(1, 7, start));
        assert_eq!(give_up(&mut health, 1_000, 1_999), None);
        assert_eq!(give_up(&mut health, 3_000, 3_001), Some(COOLDOWN.first));
        assert_eq!(health.rests_until(1, 8, ms(3_001)), None);
        // What is long ago does not count.
        assert_eq!(give_up(&mut health, 20_000, 20_600), None);
        assert_eq!(give_up(&mut health, 90_000, 90_600), None);
    }

    #[test]
    fn what_is_of_origins_only_never_adds_up() {
        let mut health = Health::default();
        let now = Instant::now();
        for origin in 0..100 {
            health.failed(through(1, origin, now), Scope::Origin, COOLDOWN, now);
        }
        assert_eq!(health.rests_until(1, 100, now), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut health = Health::default();
        let now = Instant::now();
        let count = 3 * MOST as u64;
        for number in 0..count {
            let at = now + Duration::from_micros(number);
            health.failed(through(number, number, at), Scope::Proxy, COOLDOWN, at);
        }
        assert!(health.pairs.len() <= MOST, "{}", health.pairs.len());
        assert!(health.proxies.len() <= MOST, "{}", health.proxies.len());
        // Those that end last are known still.
        let last = count - 1;
        assert!(health.rests_until(last, last, now).is_some());
    }
}
