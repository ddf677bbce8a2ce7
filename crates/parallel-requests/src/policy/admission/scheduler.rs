//! Who goes next: the state behind the gate's lock, without the lock, the clock and the waking.

use std::{
    collections::{BTreeSet, HashMap},
    task::Waker,
    time::Duration,
};

use pr_core::NormalizedResponse;
use slab::Slab;
use tokio::time::Instant;

use super::{
    host::{Host, Obstacle, Standing},
    limits::Rules,
    list::{Linked, Links, List},
};
use crate::policy::{
    adaptive::{Sample, SampleOutcome},
    origin::Origin,
};

/// Hosts, those that wait for them, and the places.
///
/// Between two calls this holds: if a host is in the ring, then there is no place, or no global token
/// before `token_due`. So whoever could go has gone. Each call takes time for what it lets go and
/// for a bounded number of hosts whose time has come, however many wait.
#[derive(Debug)]
pub(super) struct Scheduler {
    rules: Rules,
    in_flight: usize,
    names: HashMap<Origin, usize>,
    hosts: Slab<Box<Host>>,
    waiters: Slab<Waiter>,
    /// The hosts whose first waiter lacks nothing but a place or a global token, in the order of
    /// their turns.
    ring: List,
    /// The hosts that are kept only for what was learnt of them, the one longest unused first.
    resting: List,
    /// The hosts to look at again, and when.
    timers: BTreeSet<(Instant, usize)>,
    /// When there is a global token, if that is what the ring waits for.
    token_due: Option<Instant>,
    waiting: usize,
    held: usize,
    paused: usize,
}

/// Who waits for its turn, or has just been given it.
#[derive(Debug)]
struct Waiter {
    host: usize,
    /// Whether it has its place, and has only to come and take it.
    granted: bool,
    waker: Option<Waker>,
    /// What its timer is set to.
    armed: Option<Instant>,
    links: Links,
}

/// What is to be done when the lock is no longer held.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) wake: Vec<Waker>,
    /// Wakers that are not needed any more: what dropping one does is not ours to know.
    pub(super) spare: Vec<Waker>,
    pub(super) held_more: usize,
    pub(super) held_less: usize,
}

/// A place that was taken, with the host that it is counted for if that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) host: Option<usize>,
}

/// What becomes of an attempt that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Go(Taken),
    /// It waits, under this number.
    Wait(usize),
}

/// How it is with somebody who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Go(Taken),
    /// Not yet. If there is an instant, the gate is to be [told](Scheduler::tick) when it has come.
    Wait(Option<Instant>),
}

/// What an attempt that ends has to say.
#[derive(Debug, Default)]
pub(super) struct Report<'a> {
    /// What was answered, and by which origin.
    pub(super) answer: Option<(&'a NormalizedResponse, &'a str)>,
    /// Which origin wants to be left alone, and for how long.
    pub(super) pause: Option<(&'a str, Duration)>,
    /// How long it took, and what it says of the host's load.
    pub(super) sample: Option<(Duration, SampleOutcome)>,
}

impl Report<'_> {
    /// Whether there is nothing to learn from it.
    pub(super) fn is_empty(&self) -> bool {
        self.answer.is_none() && self.pause.is_none() && self.sample.is_none()
    }
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lacking {
    Host(Obstacle),
    Token(Instant),
    Place(usize),
}

/// How many, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Attempts that have a place.
    pub(crate) in_flight: usize,
    /// Attempts that wait for their turn, those that are held included.
    pub(crate) waiting: usize,
    /// Those of them whose host is itself the obstacle.
    pub(crate) held: usize,
    /// Hosts that asked for a pause which is not over.
    pub(crate) paused_hosts: usize,
}

/// Hosts that are kept although nothing but their history is known of them.
pub(super) const MAX_RESTING: usize = 1_024;

/// Hosts whose time has come that are looked at in one go. Whoever comes by looks at so many; an alarm
/// goes on until there are none, because there may be no other.
const TICK: usize = 64;

/// Room that is kept when it is not used any more.
const KEPT: usize = 1_024;

impl Scheduler {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            in_flight: 0,
            names: HashMap::new(),
            hosts: Slab::new(),
            waiters: Slab::new(),
            ring: List::default(),
            resting: List::default(),
            timers: BTreeSet::new(),
            token_due: None,
            waiting: 0,
            held: 0,
            paused: 0,
        }
    }

    /// Whether hosts do not matter: none is limited, paused or waited for.
    pub(super) fn is_plain(&self) -> bool {
        !self.rules.by_host && self.hosts.is_empty()
    }

    /// A place for whatever host, if there is one: for when hosts do not matter.
    pub(super) fn arrive_plainly(&mut self) -> Option<Taken> {
        if self.in_flight >= self.rules.concurrency {
            return None;
        }
        if let Some(rate) = &self.rules.rate {
            rate.try_take(Instant::now()).ok()?;
        }
        self.in_flight += 1;
        Some(Taken { host: None })
    }

    /// Gives a place back when hosts do not matter.
    pub(super) fn leave_plainly(&mut self) {
        self.in_flight -= 1;
    }

    /// An attempt to this origin goes or gets in line.
    pub(super) fn arrive(&mut self, origin: &str, now: Instant, effects: &mut Effects) -> Arrival {
        if let Some(taken) = self.try_arrive(origin, now, effects) {
            return Arrival::Go(taken);
        }
        let host = self.host(origin);
        let waiter = self.waiters.insert(Waiter {
            host,
            granted: false,
            waker: None,
            armed: None,
            links: Links::default(),
        });
        self.hosts[host].queue.push_back(&mut self.waiters, waiter);
        self.waiting += 1;
        self.settle(host, now, effects);
        self.dispatch(now, effects);
        Arrival::Wait(waiter)
    }

    /// A place, if this attempt lacks nothing and nobody is before it.
    pub(super) fn try_arrive(
        &mut self,
        origin: &str,
        now: Instant,
        effects: &mut Effects,
    ) -> Option<Taken> {
        self.tick(now, effects);
        if self.in_flight >= self.rules.concurrency || !self.ring.is_empty() {
            return None;
        }
        let known = self.names.get(origin).copied();
        if let Some(host) = known
            && (!self.hosts[host].queue.is_empty() || self.hosts[host].obstacle(now).is_some())
        {
            return None;
        }
        if let Some(rate) = &self.rules.rate {
            rate.try_take(now).ok()?;
        }
        self.in_flight += 1;
        if !self.rules.by_host {
            return Some(Taken { host: None });
        }
        let host = known.unwrap_or_else(|| self.host(origin));
        self.hosts[host].start(now);
        self.settle(host, now, effects);
        Some(Taken { host: Some(host) })
    }

    /// Somebody who waits asks how it is, and leaves word how to be woken; the waker that was there
    /// before is put into the given one's place.
    pub(super) fn look(&mut self, waiter: usize, waker: &mut Option<Waker>) -> Turn {
        let entry = &mut self.waiters[waiter];
        let host = entry.host;
        if entry.granted {
            *waker = self.waiters.remove(waiter).waker;
            self.shrink();
            return Turn::Go(self.taken(host));
        }
        std::mem::swap(&mut entry.waker, waker);
        entry.armed = if self.hosts[host].queue.first() == Some(waiter) {
            match self.hosts[host].standing {
                Standing::Held(obstacle, _) => obstacle.until(),
                _ if self.ring.first() == Some(host) => self.token_due,
                _ => None,
            }
        } else {
            None
        };
        Turn::Wait(entry.armed)
    }

    /// Somebody does not want to wait any more, or does not want what it was given.
    pub(super) fn give_up(&mut self, waiter: usize, now: Instant, effects: &mut Effects) {
        let host = self.waiters[waiter].host;
        if self.waiters[waiter].granted {
            self.remove_waiter(waiter, effects);
            let taken = self.taken(host);
            return self.leave(taken, &Report::default(), now, effects);
        }
        self.hosts[host].queue.remove(&mut self.waiters, waiter);
        self.remove_waiter(waiter, effects);
        self.waiting -= 1;
        self.settle(host, now, effects);
        self.dispatch(now, effects);
    }

    /// An attempt has ended, or was dropped.
    pub(super) fn leave(
        &mut self,
        taken: Taken,
        report: &Report<'_>,
        now: Instant,
        effects: &mut Effects,
    ) {
        self.in_flight -= 1;
        if let Some(id) = taken.host {
            self.learn(id, report, now);
            self.hosts[id].in_flight -= 1;
            self.settle(id, now, effects);
        }
        self.heed(report, now, effects);
    }

    /// What came of an attempt to this origin whose place is still taken.
    pub(super) fn hear(
        &mut self,
        origin: Option<&str>,
        report: &Report<'_>,
        now: Instant,
        effects: &mut Effects,
    ) {
        if let Some(id) = origin.and_then(|origin| self.names.get(origin).copied()) {
            self.learn(id, report, now);
            self.settle(id, now, effects);
        }
        self.heed(report, now, effects);
    }

    /// Takes in what a report says of the load and the limits of its attempt's host.
    fn learn(&mut self, id: usize, report: &Report<'_>, now: Instant) {
        let host = &mut self.hosts[id];
        if let (Some(adaptive), Some((latency, outcome))) = (&mut host.adaptive, report.sample) {
            let sample = Sample {
                latency,
                in_flight: host.in_flight,
                outcome,
            };
            adaptive.finished(sample, now);
        }
        // After a redirect the answer is another origin's.
        if let (Some(pace), Some((response, origin))) = (&mut host.pace, report.answer)
            && origin == host.origin.as_str()
        {
            pace.observe(response, now);
        }
    }

    /// Follows what a report asks for, and lets go who can go.
    fn heed(&mut self, report: &Report<'_>, now: Instant, effects: &mut Effects) {
        if let Some((origin, pause)) = report.pause {
            self.pause(origin, pause, now, effects);
        }
        self.tick(now, effects);
        self.dispatch(now, effects);
    }

    /// Nobody goes to this origin for so long, or longer if that was said before.
    fn pause(&mut self, origin: &str, pause: Duration, now: Instant, effects: &mut Effects) {
        let Some(until) = now.checked_add(pause).filter(|until| *until > now) else {
            return;
        };
        let id = self.host(origin);
        let host = &mut self.hosts[id];
        if host.paused_until.is_none() {
            self.paused += 1;
        }
        host.paused_until = host.paused_until.max(Some(until));
        self.settle(id, now, effects);
    }

    /// Time has passed: lets go who can go now. Says whether there are more to look at, so that it is
    /// to be called again; in between others get the lock.
    pub(super) fn wake_up(&mut self, now: Instant, effects: &mut Effects) -> bool {
        self.tick(now, effects);
        self.dispatch(now, effects);
        self.timers.first().is_some_and(|(due, _)| *due <= now)
    }

    /// How busy it is.
    pub(super) fn load(&self) -> Load {
        Load {
            in_flight: self.in_flight,
            waiting: self.waiting,
            held: self.held,
            paused_hosts: self.paused,
        }
    }

    #[cfg(test)]
    pub(super) fn known_hosts(&self) -> usize {
        self.hosts.len()
    }

    /// What somebody waits for; `None` if it could go.
    pub(super) fn lacking(&self, waiter: usize) -> Option<Lacking> {
        let waiter = &self.waiters[waiter];
        if waiter.granted {
            return None;
        }
        Some(match (self.hosts[waiter.host].standing, self.token_due) {
            (Standing::Held(obstacle, _), _) => Lacking::Host(obstacle),
            (_, Some(due)) => Lacking::Token(due),
            (_, None) => Lacking::Place(self.rules.concurrency),
        })
    }

    /// Gives places to those whose turn it is, a host after the other.
    fn dispatch(&mut self, now: Instant, effects: &mut Effects) {
        self.token_due = None;
        while self.in_flight < self.rules.concurrency
            && let Some(id) = self.ring.first()
        {
            if self.hosts[id].obstacle(now).is_some() {
                self.settle(id, now, effects);
                continue;
            }
            if let Some(rate) = &self.rules.rate
                && let Err(due) = rate.try_take(now)
            {
                // Once more at the same instant would be once more in vain.
                self.token_due = Some(due.max(now + Duration::from_nanos(1)));
                break;
            }
            self.ring.remove(&mut self.hosts, id);
            let host = &mut self.hosts[id];
            host.standing = Standing::Idle;
            if self.rules.by_host {
                host.start(now);
            }
            self.in_flight += 1;
            self.waiting -= 1;
            if let Some(waiter) = host.queue.first() {
                host.queue.remove(&mut self.waiters, waiter);
                let entry = &mut self.waiters[waiter];
                entry.granted = true;
                effects.wake.extend(entry.waker.take());
            }
            self.settle(id, now, effects);
        }
        // Somebody has to wait for the token for all.
        if let Some(host) = self.ring.first() {
            self.arm(host, self.token_due, effects);
        }
    }

    /// Looks at hosts whose time has come.
    fn tick(&mut self, now: Instant, effects: &mut Effects) {
        for _ in 0..TICK {
            match self.timers.first() {
                Some(&(due, host)) if due <= now => self.settle(host, now, effects),
                _ => break,
            }
        }
    }

    /// Puts a host where it belongs after anything about it has changed; perhaps out of memory.
    fn settle(&mut self, id: usize, now: Instant, effects: &mut Effects) {
        let host = &mut self.hosts[id];
        if host.paused_until.is_some_and(|until| until <= now) {
            host.paused_until = None;
            self.paused -= 1;
        }
        let before = host.standing;
        let (after, timer) = if !host.queue.is_empty() {
            match host.obstacle(now) {
                None => (Standing::Eligible, None),
                Some(what) => (Standing::Held(what, host.queue.len()), what.until()),
            }
        } else if host.in_flight > 0 {
            (Standing::Idle, host.paused_until)
        } else {
            match host.needed_until(now) {
                None => (Standing::Resting, None),
                // The pause is counted, so that its end is to be noticed.
                until => (Standing::Idle, host.paused_until.or(until)),
            }
        };
        host.standing = after;
        let timer_before = std::mem::replace(&mut host.timer, timer);
        if timer_before != timer {
            if let Some(due) = timer_before {
                self.timers.remove(&(due, id));
            }
            if let Some(due) = timer {
                self.timers.insert((due, id));
            }
        }
        self.count_held(before, after, effects);
        if std::mem::discriminant(&before) != std::mem::discriminant(&after) {
            match before {
                Standing::Eligible => self.ring.remove(&mut self.hosts, id),
                Standing::Resting => self.resting.remove(&mut self.hosts, id),
                Standing::Idle | Standing::Held(..) => {}
            }
            match after {
                Standing::Eligible => self.ring.push_back(&mut self.hosts, id),
                Standing::Resting => self.rest(id),
                Standing::Idle | Standing::Held(..) => {}
            }
        }
        if let Standing::Held(..) = after {
            self.arm(id, timer, effects);
        }
    }

    /// Keeps a host that nobody needs for a while, if there is something to remember.
    fn rest(&mut self, id: usize) {
        if !self.rules.by_host {
            return self.forget(id);
        }
        self.resting.push_back(&mut self.hosts, id);
        if self.resting.len() > MAX_RESTING
            && let Some(oldest) = self.resting.first()
        {
            self.resting.remove(&mut self.hosts, oldest);
            self.forget(oldest);
        }
    }

    fn forget(&mut self, id: usize) {
        let host = self.hosts.remove(id);
        self.names.remove(&host.origin);
        self.shrink();
    }

    fn count_held(&mut self, before: Standing, after: Standing, effects: &mut Effects) {
        let count = |standing| match standing {
            Standing::Held(_, count) => count,
            _ => 0,
        };
        let (before, after) = (count(before), count(after));
        self.held = self.held - before + after;
        effects.held_more += after.saturating_sub(before);
        effects.held_less += before.saturating_sub(after);
    }

    /// Sees to it that the first who waits for a host has its timer set to this instant.
    fn arm(&mut self, host: usize, due: Option<Instant>, effects: &mut Effects) {
        if due.is_some()
            && let Some(first) = self.hosts[host].queue.first()
            && let waiter = &mut self.waiters[first]
            && waiter.armed != due
        {
            // Its own poll sets it, on the runtime where it is at home.
            effects.wake.extend(waiter.waker.take());
        }
    }

    /// The host of this origin, which is made if it is not there; it is to be settled afterwards.
    fn host(&mut self, origin: &str) -> usize {
        if let Some(id) = self.names.get(origin) {
            return *id;
        }
        let origin = Origin::from_key(origin);
        let id = self
            .hosts
            .insert(Box::new(Host::new(origin.clone(), &self.rules)));
        self.names.insert(origin, id);
        id
    }

    fn taken(&self, host: usize) -> Taken {
        Taken {
            host: self.rules.by_host.then_some(host),
        }
    }

    fn remove_waiter(&mut self, waiter: usize, effects: &mut Effects) {
        effects.spare.extend(self.waiters.remove(waiter).waker);
        self.shrink();
    }

    /// Gives memory back after a rush.
    fn shrink(&mut self) {
        if self.waiters.is_empty() && self.waiters.capacity() > KEPT {
            self.waiters = Slab::new();
        }
        if self.hosts.is_empty() && self.hosts.capacity() > KEPT {
            self.hosts = Slab::new();
        }
        if self.names.capacity() > KEPT.max(self.names.len() * 8) {
            self.names.shrink_to(self.names.len() * 2);
        }
    }
}

impl Linked for Waiter {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}
