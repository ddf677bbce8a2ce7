//! A token bucket: `governor`'s generic cell rate algorithm, on a time that is told rather than read,
//! so that it follows Tokio's clock, and on a state that can be looked at without taking from it.

use std::{
    num::NonZeroU32,
    ops::Add,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota,
    clock::{Clock, Reference},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};
use tokio::time::Instant;

use super::RateLimit;

/// The bucket of one host: whoever has it has it alone.
#[derive(Debug)]
pub(crate) struct TokenBucket(Bucket);

impl TokenBucket {
    /// A full one.
    pub(crate) fn new(limit: &RateLimit) -> Self {
        Self(Bucket::new(limit))
    }

    /// Nothing if there is a token, otherwise when there will be one.
    pub(crate) fn ready_at(&self, now: Instant) -> Option<Instant> {
        // Nobody else has this bucket, so that nobody sees the token gone for a moment.
        let state = &self.0.state.0.full_at;
        let before = state.load(Ordering::Relaxed);
        let taken = self.0.try_take(now);
        state.store(before, Ordering::Relaxed);
        taken.err()
    }

    /// Takes the token that there is. Without one, takes none.
    pub(crate) fn take(&mut self, now: Instant) {
        let _ = self.0.try_take(now);
    }

    /// Nothing if the bucket is full and as good as a new one, otherwise when it will be.
    pub(crate) fn full_at(&self, now: Instant) -> Option<Instant> {
        let full_at = self.0.state.0.full_at.load(Ordering::Relaxed);
        let full_at = self.0.epoch + Duration::from_nanos(full_at);
        (full_at > now).then_some(full_at)
    }
}

/// A bucket that many can take from at a time, without a lock.
#[derive(Debug)]
pub(super) struct Bucket {
    epoch: Instant,
    state: State,
    limiter: governor::RateLimiter<NotKeyed, State, State, NoOpMiddleware<SinceEpoch>>,
}

impl Bucket {
    pub(super) fn new(limit: &RateLimit) -> Self {
        let capacity = NonZeroU32::new(limit.capacity()).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(limit.interval())
            .unwrap_or(Quota::per_second(NonZeroU32::MAX))
            .allow_burst(capacity);
        let state = State::default();
        Self {
            epoch: Instant::now(),
            limiter: governor::RateLimiter::new(quota, state.clone(), state.clone()),
            state,
        }
    }

    pub(super) fn try_take(&self, now: Instant) -> Result<(), Instant> {
        let since = now.saturating_duration_since(self.epoch).as_nanos();
        let since = u64::try_from(since).unwrap_or(u64::MAX).min(u64::MAX / 2);
        // Of two who come at the same time, both may come at the time of the later.
        self.state.0.now.fetch_max(since, Ordering::Relaxed);
        self.limiter
            .check()
            .map_err(|until| self.epoch + Duration::from_nanos(until.earliest_possible().0))
    }
}

/// What the limiter reads and writes: all in nanoseconds since the bucket was made.
#[derive(Clone, Debug, Default)]
struct State(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    /// The time.
    now: AtomicU64,
    /// When the bucket is full again if nothing is taken: the algorithm's theoretical arrival time.
    full_at: AtomicU64,
}

impl Clock for State {
    type Instant = SinceEpoch;

    fn now(&self) -> SinceEpoch {
        SinceEpoch(self.0.now.load(Ordering::Relaxed))
    }
}

impl StateStore for State {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let state = &self.0.full_at;
        let mut before = state.load(Ordering::Acquire);
        loop {
            // A bucket that is full since the beginning is one that was full at time zero.
            let (result, after) = decide(Some(before.into()))?;
            match state.compare_exchange_weak(
                before,
                after.into(),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(result),
                Err(other) => before = other,
            }
        }
    }
}

/// A time, in nanoseconds since the bucket was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SinceEpoch(u64);

impl Add<Nanos> for SinceEpoch {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        Self(self.0.saturating_add(nanos.as_u64()))
    }
}

impl Reference for SinceEpoch {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.checked_sub(duration.into()).unwrap_or(self.0))
    }
}
