//! What is known of one host while requests to it are in flight, wait, or were there shortly before.

use tokio::time::Instant;

use super::{
    limits::Rules,
    list::{Linked, Links, List},
};
use crate::policy::{
    AdaptiveConcurrency, adaptive::AdaptiveLimit, origin::Origin, rate_limit::TokenBucket,
    server_limits::ServerPace,
};

/// One host's queue, and what it lets go.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) origin: Origin,
    /// Those with a place. Not counted for a client that limits nothing by host.
    pub(super) in_flight: usize,
    /// Those that wait, in the order in which they came.
    pub(super) queue: List,
    pub(super) paused_until: Option<Instant>,
    pub(super) concurrency: Option<usize>,
    pub(super) adaptive: Option<AdaptiveLimit>,
    pub(super) bucket: Option<TokenBucket>,
    pub(super) pace: Option<ServerPace>,
    pub(super) standing: Standing,
    /// When it is to be looked at again, whatever else happens.
    pub(super) timer: Option<Instant>,
    pub(super) links: Links,
}

/// Where a host stands. It decides which list the host is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody waits: in no list.
    Idle,
    /// Nobody waits, nobody is in flight and it does not keep anybody back: among those that can be
    /// forgotten.
    Resting,
    /// The first that waits could go if there were a place and a global token: in the ring.
    Eligible,
    /// Those that wait, so many, wait for the host itself: in no list.
    Held(Obstacle, usize),
}

/// Why a host lets nobody go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// It asked for a pause.
    Paused(Instant),
    /// As many are in flight to it as may be.
    Full(usize),
    /// Its rate has no token before then.
    Rate(Instant),
    /// It announced a limit of its own, and the next one's turn is then.
    Announced(Instant),
}

impl Obstacle {
    /// When it ends by itself.
    pub(super) fn until(self) -> Option<Instant> {
        match self {
            Self::Paused(until) | Self::Rate(until) | Self::Announced(until) => Some(until),
            Self::Full(_) => None,
        }
    }
}

impl Host {
    pub(super) fn new(origin: Origin, rules: &Rules) -> Self {
        let own = rules.for_host(&origin);
        Self {
            in_flight: 0,
            queue: List::default(),
            paused_until: None,
            concurrency: own.concurrency,
            adaptive: rules.adaptive.as_ref().map(AdaptiveConcurrency::start),
            bucket: own.rate.map(TokenBucket::new),
            pace: rules.announced.as_ref().map(ServerPace::new),
            standing: Standing::Idle,
            timer: None,
            links: Links::default(),
            origin,
        }
    }

    /// What keeps its requests from going now.
    pub(super) fn obstacle(&self, now: Instant) -> Option<Obstacle> {
        let later = |due: Option<Instant>| due.filter(|due| *due > now);
        if let Some(until) = later(self.paused_until) {
            return Some(Obstacle::Paused(until));
        }
        if let Some(limit) = self.limit()
            && self.in_flight >= limit
        {
            return Some(Obstacle::Full(limit));
        }
        let token = self.bucket.as_ref().and_then(|bucket| bucket.ready_at(now));
        if let Some(due) = later(token) {
            return Some(Obstacle::Rate(due));
        }
        let turn = self.pace.as_ref().and_then(|pace| pace.ready_at(now));
        later(turn).map(Obstacle::Announced)
    }

    /// An attempt goes.
    pub(super) fn start(&mut self, now: Instant) {
        self.in_flight += 1;
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
        if let Some(pace) = &mut self.pace {
            pace.take(now);
        }
    }

    /// Until when it would keep somebody back who came, so that it cannot be forgotten.
    pub(super) fn needed_until(&self, now: Instant) -> Option<Instant> {
        let full = self.bucket.as_ref().and_then(|bucket| bucket.full_at(now));
        let pace = self.pace.as_ref().and_then(|pace| pace.idle_at(now));
        let until = self.paused_until.max(full).max(pace);
        until.filter(|until| *until > now)
    }

    /// How many may be in flight to it.
    fn limit(&self) -> Option<usize> {
        let adaptive = self.adaptive.as_ref().map(AdaptiveLimit::limit);
        match (self.concurrency, adaptive) {
            (Some(fixed), Some(adaptive)) => Some(fixed.min(adaptive)),
            (fixed, adaptive) => fixed.or(adaptive),
        }
    }
}

impl Linked for Host {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}
