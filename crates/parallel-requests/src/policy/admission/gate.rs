//! The scheduler behind its lock: places that give themselves back, and the waking.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
    time::Duration,
};

use pr_core::RequestConfig;
use tokio::time::Instant;

use super::{
    limits::{Limits, Rules},
    queued::Ticket,
    scheduler::{Arrival, Effects, Load, Report, Scheduler, Taken},
};
use crate::{
    cut_off,
    held::Held,
    policy::{Reply, RetryAfter, adaptive::SampleOutcome, origin::Origin},
};

/// Who lets attempts go. Clones are the same gate.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    shared: Arc<Shared>,
}

/// What the clones share, and the places and timers that came of it.
pub(super) struct Shared {
    scheduler: Mutex<Scheduler>,
    held: Held,
    retry_after: Option<RetryAfter>,
    queue_timeout: Option<Duration>,
    /// Whether it matters how long attempts take.
    samples: bool,
    /// Whether it matters what hosts say of their limits.
    announced: bool,
}

/// A place among the attempts in flight, given back when it is dropped.
pub(crate) struct Place {
    /// `None` once it has been given back, and for what needs none.
    shared: Option<Arc<Shared>>,
    taken: Taken,
    /// When it was given, if that matters: to how long attempts take, or because this one waited.
    since: Option<Instant>,
}

/// How the gate receives an attempt.
pub(super) enum Reception {
    Go(Place),
    Wait(Ticket),
}

impl Gate {
    /// A gate for limits that have been checked.
    pub(crate) fn new(limits: Limits, held: Held) -> Self {
        Self {
            shared: Arc::new(Shared {
                held,
                retry_after: limits.retry_after.clone(),
                queue_timeout: limits.queue_timeout,
                samples: limits.adaptive.is_some(),
                announced: limits.announced.is_some(),
                scheduler: Mutex::new(Scheduler::new(Rules::new(limits))),
            }),
        }
    }

    /// A place and tokens for this request, if it lacks nothing right now and nobody is before it.
    pub(crate) fn try_admit(&self, request: &RequestConfig) -> Option<Place> {
        let shared = &self.shared;
        let taken = {
            let mut scheduler = shared.scheduler();
            if scheduler.is_plain() {
                scheduler.arrive_plainly()?
            } else {
                drop(scheduler);
                let origin = Origin::key(request.url()?)?;
                shared.with(|scheduler, effects| {
                    scheduler.try_arrive(&origin, Instant::now(), effects)
                })?
            }
        };
        Some(Place::new(shared, taken))
    }

    /// Tells the gate what came of an attempt whose place is still needed, because a copy of it is
    /// under way: whoever gives that place back has nothing to add.
    pub(crate) fn hear(&self, request: &RequestConfig, reply: &Reply, since: Instant) {
        let shared = &self.shared;
        shared.report(reply, Some(since), |report| {
            if report.is_empty() {
                return;
            }
            let host = request.url().and_then(Origin::key);
            let now = Instant::now();
            shared.with(|scheduler, effects| scheduler.hear(host.as_deref(), report, now, effects));
        });
    }

    /// How busy the client is.
    pub(crate) fn load(&self) -> Load {
        // What has just ended is not to be counted.
        self.shared.look_at_the_clock();
        self.shared.scheduler().load()
    }

    /// A place or a ticket for one.
    #[inline]
    pub(super) fn receive(&self, request: &RequestConfig) -> Reception {
        let shared = &self.shared;
        let mut scheduler = shared.scheduler();
        if scheduler.is_plain()
            && let Some(taken) = scheduler.arrive_plainly()
        {
            drop(scheduler);
            return Reception::Go(Place::new(shared, taken));
        }
        drop(scheduler);
        self.receive_by_host(request)
    }

    fn receive_by_host(&self, request: &RequestConfig) -> Reception {
        let shared = &self.shared;
        let Some(origin) = request.url().and_then(Origin::key) else {
            // It is refused before anything is sent.
            return Reception::Go(Place {
                shared: None,
                taken: Taken { host: None },
                since: None,
            });
        };
        let now = Instant::now();
        match shared.with(|scheduler, effects| scheduler.arrive(&origin, now, effects)) {
            Arrival::Go(taken) => Reception::Go(Place::new(shared, taken)),
            Arrival::Wait(waiter) => Reception::Wait(Ticket::new(shared.clone(), waiter)),
        }
    }

    /// How long attempts may wait here, unless they say otherwise.
    pub(super) fn queue_timeout(&self) -> Option<Duration> {
        self.shared.queue_timeout
    }
}

impl Place {
    pub(super) fn new(shared: &Arc<Shared>, taken: Taken) -> Self {
        Self {
            shared: Some(shared.clone()),
            taken,
            since: shared.samples.then(Instant::now),
        }
    }

    /// The place of an attempt that had to wait for it, which knows since when it has it.
    pub(super) fn after_waiting(shared: &Arc<Shared>, taken: Taken) -> Self {
        Self {
            shared: Some(shared.clone()),
            taken,
            since: Some(Instant::now()),
        }
    }

    /// When it was given, if its attempt had to wait for it; otherwise perhaps.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Gives the place back and tells the gate what came of it: the pause that the host asked for, what
    /// it says of its limits, how it copes.
    pub(crate) fn finish(mut self, reply: &Reply) {
        let Some(shared) = self.shared.take() else {
            return;
        };
        let taken = self.taken;
        shared.report(reply, self.since, |report| shared.leave(taken, report));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            cut_off::under_way();
            shared.leave(self.taken, &Report::default());
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

impl Shared {
    /// Says what the gate can learn from a reply to an attempt that has had its place since then.
    #[inline]
    fn report<T>(
        &self,
        reply: &Reply,
        since: Option<Instant>,
        tell: impl FnOnce(&Report<'_>) -> T,
    ) -> T {
        let pause = match (reply, &self.retry_after) {
            (Ok(response), Some(policy)) => policy.pause_for(response),
            _ => None,
        };
        let sample = since
            .filter(|_| self.samples)
            .map(|since| (since.elapsed(), SampleOutcome::of(reply)));
        if pause.is_none() && sample.is_none() && !self.announced {
            return tell(&Report::default());
        }
        let response = reply.as_ref().ok();
        let origin = response.and_then(|response| Origin::key(response.url()));
        let origin = origin.as_deref();
        tell(&Report {
            answer: response.zip(origin),
            pause: origin.zip(pause),
            sample,
        })
    }

    #[inline]
    fn leave(&self, taken: Taken, report: &Report<'_>) {
        let mut scheduler = self.scheduler();
        if scheduler.is_plain() && report.pause.is_none() {
            return scheduler.leave_plainly();
        }
        drop(scheduler);
        let now = Instant::now();
        self.with(|scheduler, effects| scheduler.leave(taken, report, now, effects));
    }

    /// Works on the scheduler, and then, without the lock, does what comes of it.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Scheduler, &mut Effects) -> T) -> T {
        let mut effects = Effects::default();
        let value = work(&mut self.scheduler(), &mut effects);
        if effects.held_more > 0 {
            self.held.add(effects.held_more);
        }
        if effects.held_less > 0 {
            self.held.remove(effects.held_less);
        }
        for waker in mem::take(&mut effects.wake) {
            waker.wake();
        }
        value
    }

    pub(super) fn scheduler(&self) -> MutexGuard<'_, Scheduler> {
        self.scheduler
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go all those whose time has come.
    fn look_at_the_clock(&self) {
        let now = Instant::now();
        while self.with(|scheduler, effects| scheduler.wake_up(now, effects)) {}
    }

    /// What a timer wakes: the gate.
    pub(super) fn alarm(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.look_at_the_clock();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
