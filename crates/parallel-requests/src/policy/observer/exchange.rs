//! The exchanges of one attempt, as observers of requests are told of them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pr_core::{ConnectionInfo, DialTimings, ExchangeObserver, Stage};

use super::{Journey, Phase};

/// Passes on what happens within one attempt.
pub(crate) struct ExchangeWatch {
    journey: Journey,
    attempt: u32,
    /// Whether the head of the exchange under way has been told of: a backend may say that it reads
    /// the body, and `pr-core` says so too.
    has_head: AtomicBool,
    own: Displaced,
}

impl ExchangeWatch {
    pub(crate) fn new(
        journey: Journey,
        attempt: u32,
        own: Option<Arc<dyn ExchangeObserver>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            journey,
            attempt,
            has_head: AtomicBool::new(false),
            own: Displaced::of(own),
        })
    }

    fn tell(&self, phase: Phase) {
        self.journey.tell(self.attempt, phase);
    }
}

impl ExchangeObserver for ExchangeWatch {
    fn reached(&self, stage: Stage) {
        self.own.tell(|own| own.reached(stage));
        match stage {
            Stage::AwaitingHead => self.tell(Phase::Sent),
            Stage::ReadingBody if !self.has_head.swap(true, Ordering::Relaxed) => {
                self.tell(Phase::Head);
            }
            // Each exchange begins with it.
            Stage::Queued => self.has_head.store(false, Ordering::Relaxed),
            // What these wait for is told when it is there.
            _ => {}
        }
    }

    fn dialed(&self, timings: &DialTimings) {
        self.own.tell(|own| own.dialed(timings));
        if let Some(took) = timings.dns {
            self.tell(Phase::Dns { took });
        }
        let tcp = timings.tcp.unwrap_or(Duration::ZERO);
        let took = tcp.saturating_add(timings.proxy.unwrap_or(Duration::ZERO));
        self.tell(Phase::Connected { took });
        if let Some(took) = timings.tls {
            self.tell(Phase::Tls { took });
        }
    }

    fn connected(&self, connection: ConnectionInfo) {
        self.own.tell(|own| own.connected(connection));
        self.tell(Phase::Carried { connection });
    }
}

/// The observer that a request had, if any, where another one has taken its place. Whatever it does,
/// the other goes on.
#[derive(Default)]
pub(crate) struct Displaced {
    observer: Option<Arc<dyn ExchangeObserver>>,
    /// If so, it is told nothing more.
    has_panicked: AtomicBool,
}

impl Displaced {
    pub(crate) fn of(observer: Option<Arc<dyn ExchangeObserver>>) -> Self {
        Self {
            observer,
            has_panicked: AtomicBool::new(false),
        }
    }

    pub(crate) fn tell(&self, what: impl FnOnce(&dyn ExchangeObserver)) {
        let Some(observer) = &self.observer else {
            return;
        };
        if self.has_panicked.load(Ordering::Relaxed) {
            return;
        }
        if catch_unwind(AssertUnwindSafe(|| what(&**observer))).is_err() {
            self.has_panicked.store(true, Ordering::Relaxed);
            tracing::warn!(
                "an exchange's observer panicked, and is told nothing more of that attempt"
            );
        }
    }
}
