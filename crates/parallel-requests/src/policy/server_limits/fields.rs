//! The header fields in which servers tell of their limits, of today's draft and of all before it.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::HeaderMap;
use sfv::{BareItem, Dictionary, Item, List, ListEntry, Parser};

use super::Told;
use crate::policy::retry_after::{seconds, servers_now};

/// What the header fields say, if that makes sense.
pub(super) fn read(headers: &HeaderMap, now: SystemTime) -> Option<Told> {
    structured(headers).or_else(|| {
        SEPARATE
            .iter()
            .find_map(|names| separate(headers, *names, now))
    })
}

/// The fields with the limit, what remains of it, and when it starts again.
const SEPARATE: [[&str; 3]; 3] = [
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"],
    [
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ],
    [
        "x-rate-limit-limit",
        "x-rate-limit-remaining",
        "x-rate-limit-reset",
    ],
];

/// `RateLimit` and `RateLimit-Policy`.
fn structured(headers: &HeaderMap) -> Option<Told> {
    let limits = joined(headers, "ratelimit")?;
    let policies = joined(headers, "ratelimit-policy");
    let policies = policies
        .and_then(|value| Parser::new(value.as_ref()).parse::<List>().ok())
        .unwrap_or_default();
    match Parser::new(limits.as_ref()).parse::<List>() {
        Ok(limits) => items(&limits)
            .filter_map(|limit| listed(limit, &policies))
            .min_by(|one, other| slower(*one, *other)),
        Err(_) => dictionary(&Parser::new(limits.as_ref()).parse().ok()?, &policies),
    }
}

/// One item of the list, `"name";r=remaining;t=seconds`, with its policy, `"name";q=limit;w=seconds`.
fn listed(limit: &Item, policies: &[ListEntry]) -> Option<Told> {
    let name = name(&limit.bare_item)?;
    let policy = items(policies).find(|policy| self::name(&policy.bare_item) == Some(name));
    let parameter = |key| policy.and_then(|policy| number(policy.params.get(key)?));
    let unit = policy.and_then(|policy| self::name(policy.params.get("qu")?));
    if unit.is_some_and(|unit| !matches!(unit, "request" | "requests")) {
        return None;
    }
    let window = parameter("w").map(Duration::from_secs);
    let reset = match limit.params.get("t") {
        Some(seconds) => Duration::from_secs(number(seconds)?),
        None => window?,
    };
    sensible(Told {
        remaining: number(limit.params.get("r")?)?,
        reset,
        limit: parameter("q"),
        window,
    })
}

/// `limit=100, remaining=50, reset=30`, with a policy as `100;w=60`.
fn dictionary(limits: &Dictionary, policies: &[ListEntry]) -> Option<Told> {
    let member = |key| match limits.get(key)? {
        ListEntry::Item(item) => number(&item.bare_item),
        ListEntry::InnerList(_) => None,
    };
    let limit = member("limit");
    let policy =
        items(policies).find(|policy| limit.is_some() && number(&policy.bare_item) == limit);
    sensible(Told {
        remaining: member("remaining")?,
        reset: Duration::from_secs(member("reset")?),
        limit,
        window: policy.and_then(|policy| number(policy.params.get("w")?).map(Duration::from_secs)),
    })
}

/// A field for each number.
fn separate(headers: &HeaderMap, names: [&'static str; 3], now: SystemTime) -> Option<Told> {
    let [limit, remaining, reset] = names.map(|name| headers.get(name)?.to_str().ok());
    let count = |value: &str| seconds(value.trim()).map(|count| count.as_secs());
    let (remaining, reset) = (remaining?, reset?);
    let until = |time: Duration| {
        let time = UNIX_EPOCH.checked_add(time)?;
        time.duration_since(servers_now(headers, now)).ok()
    };
    let reset = match seconds(reset.trim()) {
        Some(delta) if delta < UNIX_SECONDS => delta,
        Some(time) if time < UNIX_MILLISECONDS => until(time)?,
        Some(time) => until(time / 1_000)?,
        None => {
            let date = httpdate::parse_http_date(reset.trim()).ok()?;
            date.duration_since(servers_now(headers, now)).ok()?
        }
    };
    sensible(Told {
        remaining: count(remaining)?,
        reset,
        // Some name their policy behind it: `100, 100;w=60`.
        limit: limit.and_then(|limit| count(limit.split([',', ';']).next()?)),
        window: None,
    })
}

/// The least number that is a Unix time, in seconds and in milliseconds: both in September 2001.
const UNIX_SECONDS: Duration = Duration::from_secs(1_000_000_000);
const UNIX_MILLISECONDS: Duration = Duration::from_secs(1_000_000_000_000);

/// What is over already says nothing of what comes.
fn sensible(told: Told) -> Option<Told> {
    (!told.reset.is_zero()).then_some(Told {
        window: told.window.filter(|window| !window.is_zero()),
        // Nobody has a limit of nothing; what has none left has it in `remaining`.
        limit: told.limit.filter(|limit| *limit > 0),
        ..told
    })
}

/// Less when one asks for more time between requests than the other.
fn slower(one: Told, other: Told) -> std::cmp::Ordering {
    // Requests in a time, compared without dividing.
    let rate = |this: Told, that: Told| u128::from(this.remaining) * that.reset.as_nanos();
    let longer = other.reset.cmp(&one.reset);
    rate(one, other).cmp(&rate(other, one)).then(longer)
}

fn items(list: &[ListEntry]) -> impl Iterator<Item = &Item> {
    list.iter().filter_map(|entry| match entry {
        ListEntry::Item(item) => Some(item),
        ListEntry::InnerList(_) => None,
    })
}

fn name(item: &BareItem) -> Option<&str> {
    match item {
        BareItem::String(name) => Some(name.as_str()),
        BareItem::Token(name) => Some(name.as_str()),
        _ => None,
    }
}

fn number(item: &BareItem) -> Option<u64> {
    match item {
        BareItem::Integer(number) => u64::try_from(i64::from(*number)).ok(),
        BareItem::Decimal(number) => {
            u64::try_from(i64::from(number.as_integer_scaled_1000()) / 1_000).ok()
        }
        _ => None,
    }
}

/// The lines of a field as one (RFC 9110, 5.3).
fn joined<'h>(headers: &'h HeaderMap, name: &str) -> Option<Cow<'h, str>> {
    let mut lines = headers.get_all(name).iter().map(|line| line.to_str());
    let first = Cow::Borrowed(lines.next()?.ok()?);
    lines.try_fold(first, |before, line| {
        Some(format!("{before}, {}", line.ok()?).into())
    })
}
