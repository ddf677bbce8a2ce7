//! What is known of one request across its attempts: see [`Journey`].

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use http::Method;
use pr_core::RequestConfig;
use tokio::time::Instant;

use super::{Event, Phase, Watchers};

/// One request with all of its attempts, for those layers that have to tell one from another. It
/// travels with the request as an extension; clones are the same.
///
/// Only what asks for it is paid for: without observers, a proxy pool, metrics, or a subscriber that
/// wants spans, requests carry none.
#[derive(Clone, Debug)]
pub(crate) struct Journey(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    told: Option<Told>,
    attempts: AtomicU32,
    under_way: AtomicU32,
    /// The proxy of the latest attempt, as a number; 0 if there is none.
    proxy: AtomicU64,
}

/// What observers are told with each event.
#[derive(Debug)]
struct Told {
    watchers: Watchers,
    request: u64,
    method: Method,
    url: Arc<str>,
    started: Instant,
}

/// An attempt that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) kind: Kind,
}

impl Step {
    pub(crate) const FIRST: Self = Self {
        number: 1,
        kind: Kind::First,
    };
}

/// What an attempt is to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    First,
    Retry,
    Hedge,
}

impl Journey {
    pub(super) fn begin(watchers: Option<&Watchers>, request: &RequestConfig) -> Self {
        static REQUESTS: AtomicU64 = AtomicU64::new(1);
        let told = watchers.map(|watchers| Told {
            watchers: watchers.clone(),
            request: REQUESTS.fetch_add(1, Ordering::Relaxed),
            method: request.method_ref().clone(),
            url: request.display_url().into(),
            started: Instant::now(),
        });
        Self(Arc::new(Inner {
            told,
            attempts: AtomicU32::new(0),
            under_way: AtomicU32::new(0),
            proxy: AtomicU64::new(0),
        }))
    }

    /// Whether anybody wants to be told.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.told.is_some()
    }

    /// Tells observers, if there are any.
    pub(crate) fn tell(&self, attempt: u32, phase: Phase) {
        if let Some(told) = &self.0.told {
            told.watchers.tell(&Event {
                request: told.request,
                method: told.method.clone(),
                url: told.url.clone(),
                attempt,
                elapsed: told.started.elapsed(),
                phase,
            });
        }
    }

    /// Another attempt begins, until [`arrive`](Self::arrive).
    pub(crate) fn step(&self) -> Step {
        let number = self.0.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        let others = self.0.under_way.fetch_add(1, Ordering::Relaxed);
        let kind = match (number, others) {
            (1, _) => Kind::First,
            (_, 0) => Kind::Retry,
            _ => Kind::Hedge,
        };
        Step { number, kind }
    }

    /// An attempt is over, however it ended.
    pub(crate) fn arrive(&self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many attempts have begun.
    pub(crate) fn attempts(&self) -> u32 {
        self.0.attempts.load(Ordering::Relaxed)
    }

    /// Notes the proxy of an attempt.
    pub(crate) fn go_through(&self, proxy: NonZeroU64) {
        self.0.proxy.store(proxy.get(), Ordering::Relaxed);
    }

    /// The proxy of the latest attempt.
    pub(crate) fn latest_proxy(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.0.proxy.load(Ordering::Relaxed))
    }
}
