//! The proxies of a pool, which of them is used for a request, and what becomes of it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pr_core::{BackendError, ErrorKind, Proxy};
use tokio::time::Instant;
use url::Url;

use super::{
    ProxyPool,
    health::{Health, Scope, Use},
    list::ProxyListError,
    rotation::Turn,
    source::Source,
};

/// The proxies, shared by the clones of a pool.
pub(super) struct Members {
    source: Source,
    state: Mutex<State>,
}

struct State {
    members: Arc<[Member]>,
    /// The numbers of the members, in their order.
    ids: Vec<u64>,
    turn: Turn,
    health: Health,
    refreshed: Option<Instant>,
}

/// A proxy with what is asked of it all the time.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) proxy: Proxy,
    /// A number that equal proxies have, and no others.
    pub(super) id: u64,
    /// Host and port.
    pub(super) name: Arc<str>,
}

/// How often a closure is asked for another proxy than those that have a rest.
const MOST_QUESTIONS: u32 = 32;

impl Members {
    pub(super) fn new(source: Source, proxies: Vec<Proxy>) -> Self {
        let members = members_of(proxies);
        Self {
            source,
            state: Mutex::new(State {
                ids: ids_of(&members),
                members,
                turn: Turn::default(),
                health: Health::default(),
                refreshed: None,
            }),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.state().members.len()
    }

    /// Whether there is a list, rather than a closure that chooses.
    pub(super) fn is_a_list(&self) -> bool {
        !matches!(self.source, Source::Chosen(_))
    }

    pub(super) fn refresh(&self) -> Result<usize, ProxyListError> {
        let Source::Listed(listed) = &self.source else {
            return Ok(self.len());
        };
        // Not under the lock: it may take a while.
        let members = members_of(listed.load()?);
        let mut state = self.state();
        state.ids = ids_of(&members);
        state.members = members;
        Ok(state.members.len())
    }

    /// The proxy for an attempt at this URL, which was last tried through `last`.
    pub(super) fn choose(
        &self,
        pool: &ProxyPool,
        url: &Url,
        last: Option<u64>,
    ) -> Result<(Member, Use), BackendError> {
        let now = Instant::now();
        self.refresh_if_due(pool.refresh_every, now);
        let origin = origin_of(url);
        let member = match &self.source {
            Source::Chosen(next) => self.ask(next, url, origin, now),
            Source::Fixed | Source::Listed(_) => self.take_turn(pool, origin, last, now),
        };
        let member = member.map_err(|error| error.with_url(url))?;
        let attempt = Use {
            proxy: member.id,
            origin,
            chosen: now,
        };
        Ok((member, attempt))
    }

    fn take_turn(
        &self,
        pool: &ProxyPool,
        origin: u64,
        last: Option<u64>,
        now: Instant,
    ) -> Result<Member, BackendError> {
        let mut state = self.state();
        let State {
            members,
            ids,
            turn,
            health,
            ..
        } = &mut *state;
        let may = |id| health.rests_until(id, origin, now).is_none();
        if let Some(place) = turn.choose(pool.strategy, ids, origin, last, may) {
            return Ok(members[place].clone());
        }
        let ends = ids
            .iter()
            .filter_map(|id| health.rests_until(*id, origin, now));
        Err(exhausted(ids.len(), ends.min().map(|until| until - now)))
    }

    fn ask(
        &self,
        next: &dyn Fn(&Url) -> Option<Proxy>,
        url: &Url,
        origin: u64,
        now: Instant,
    ) -> Result<Member, BackendError> {
        let mut first: Option<Instant> = None;
        for _ in 0..MOST_QUESTIONS {
            let Some(proxy) = next(url) else {
                let message = "the closure of the proxy pool chose no proxy, and the request is not \
                               sent without one";
                return Err(BackendError::new(ErrorKind::Proxy, message));
            };
            let member = Member::of(proxy);
            match self.state().health.rests_until(member.id, origin, now) {
                None => return Ok(member),
                Some(until) => first = Some(first.map_or(until, |first| first.min(until))),
            }
        }
        let count = usize::try_from(MOST_QUESTIONS).unwrap_or(usize::MAX);
        Err(exhausted(count, first.map(|until| until - now)))
    }

    /// The proxy has done its part.
    pub(super) fn worked(&self, attempt: Use) {
        self.state().health.worked(attempt);
    }

    /// The proxy has failed.
    pub(super) fn failed(&self, pool: &ProxyPool, attempt: Use, scope: Scope, name: &str) {
        let now = Instant::now();
        let rest = self
            .state()
            .health
            .failed(attempt, scope, pool.cooldown, now);
        log_rest(rest, name);
    }

    /// An attempt was dropped that had been waiting for a connection through the proxy.
    pub(super) fn given_up(&self, pool: &ProxyPool, attempt: Use, since: Instant, name: &str) {
        let now = Instant::now();
        let rest = self
            .state()
            .health
            .given_up(attempt, since, pool.cooldown, now);
        log_rest(rest, name);
    }

    fn refresh_if_due(&self, every: Option<Duration>, now: Instant) {
        let Some(every) = every else { return };
        {
            let mut state = self.state();
            // The list is as old as the first request, more or less.
            let refreshed = *state.refreshed.get_or_insert(now);
            if now.saturating_duration_since(refreshed) < every {
                return;
            }
            // The others go on with the list that there is.
            state.refreshed = Some(now);
        }
        if let Err(error) = self.refresh() {
            tracing::warn!(target: TARGET, %error, "the list of proxies stays as it was");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_rest(rest: Option<Duration>, name: &str) {
    if let Some(rest) = rest {
        tracing::debug!(target: TARGET, proxy = name, ?rest, "a proxy has failed and is given a rest");
    }
}

/// The target of what is logged.
const TARGET: &str = "parallel_requests::proxies";

impl Member {
    fn of(proxy: Proxy) -> Self {
        Self {
            id: number_of(&proxy),
            name: name_of(&proxy).into(),
            proxy,
        }
    }
}

/// Host and port of a proxy, which is all that is shown of it.
pub(super) fn name_of(proxy: &Proxy) -> String {
    format!("{}:{}", proxy.host(), proxy.port())
}

fn members_of(proxies: Vec<Proxy>) -> Arc<[Member]> {
    proxies.into_iter().map(Member::of).collect()
}

fn ids_of(members: &[Member]) -> Vec<u64> {
    members.iter().map(|member| member.id).collect()
}

/// The URL's scheme, host and port as one number.
fn origin_of(url: &Url) -> u64 {
    number_of(&(url.scheme(), url.host_str(), url.port_or_known_default()))
}

/// A number for whatever can be hashed, never 0; the same in each run of a program, so that sticky
/// hosts stick.
fn number_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish().max(1)
}

fn exhausted(count: usize, first_in: Option<Duration>) -> BackendError {
    let wait = match first_in {
        Some(wait) => format!("; the first is tried again in {:.1} s", wait.as_secs_f64()),
        None => String::new(),
    };
    let message = format!(
        "each of the {count} proxies of the pool has failed lately for this host{wait}; add proxies \
         or shorten their cooldown"
    );
    BackendError::new(ErrorKind::Proxy, message)
}
