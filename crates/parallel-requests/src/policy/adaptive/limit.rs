//! The algorithm behind [`AdaptiveConcurrency`]: pure, told the time and what happened.

use tokio::time::Instant;

use super::{AdaptiveConcurrency, Sample, SampleOutcome, window::Window};

/// The limit of requests in flight to one host, as far as it is found.
///
/// Times of responses are compared between windows: each at one limit, of responses to requests that
/// were begun when that limit was in force and all places had filled up under it.
#[derive(Clone, Debug)]
pub(crate) struct AdaptiveLimit {
    min: f64,
    max: f64,
    tolerance: f64,
    /// With a fraction, so that small limits can grow by tenths.
    limit: f64,
    phase: Phase,
    /// Seconds that a response takes without a queue, once that was measured.
    unloaded: f64,
    /// When the limit last became another; what was begun before tells about that one.
    changed_at: Option<Instant>,
    /// Responses under this limit that are still let pass until the places are filled.
    to_skip: f64,
    window: Window,
    /// Since the limit changed: ends that say anything, and those that say overload.
    ended: f64,
    overloaded: f64,
    /// Overload was met above this; windows until it is tried again.
    ceiling: f64,
    held: u32,
    /// Windows in a row that let the limit grow.
    grown: i32,
    /// The first of a series of reductions.
    reduced_from: Option<Level>,
    since_measured: u32,
}

/// A limit, and the seconds that a response takes under it.
#[derive(Clone, Copy, Debug)]
struct Level {
    limit: f64,
    latency: f64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Halves the limit until that makes responses no faster: then there is no queue.
    Measuring {
        /// Where it began, and the last before this; nothing before the first window.
        from: Option<(Level, Level)>,
        /// What comes then, if there was no queue to begin with.
        doubling: bool,
    },
    /// Doubles the limit until there is a queue.
    Doubling,
    /// Stays where the queue is what is tolerated.
    Following,
}

/// Half the places and less than this part of the time: there is a queue still.
const STILL_QUEUED: f64 = 0.75;

/// Responses to a window at most: for each place, and in all. Where times vary much, low limits and
/// the first few doublings are not to take for ever.
const ROUNDS: f64 = 20.0;
const MOST: f64 = 400.0;
const MOST_AT_FIRST: f64 = 100.0;

/// How much longer responses take when there is a queue for sure.
const QUEUED: f64 = 1.25;

/// From this part of the tolerance left, there seems to be no queue; as many windows in a row as
/// that says, the growth is raised to that power, up to this.
const NO_QUEUE: f64 = 0.7;
const FASTEST_GROWTH: i32 = 4;

/// Windows until the time without a queue is measured again.
const MEASURE_EVERY: u32 = 25;

/// The parts of a difference by which the time without a queue is adjusted in between.
const DOWN: f64 = 0.15;
const UP: f64 = 0.015;

/// The most that a window's times reduce the limit to.
const STEEPEST: f64 = 0.5;

/// The part of the ends that say overload from which that is no accident, and the fewest ends to
/// take a part of.
const ACCIDENTS: f64 = 0.05;
const FEWEST_ENDS: f64 = 20.0;

/// What overload reduces the limit to, and while doubling, where the last limit was good.
const BACKOFF: f64 = 0.9;
const UNDOUBLE: f64 = 0.5;

/// Up to which part of the limit that met overload it grows again at once, and windows until it grows
/// beyond.
const BELOW_OVERLOAD: f64 = 0.95;
const HOLD: u32 = 10;

/// After a series of reductions to this part, responses must have become faster, or the reductions
/// were for nothing.
const REDUCED: f64 = 0.7;

/// From this part of the limit on, the places count as filled.
const FILLED: f64 = 0.8;

impl AdaptiveLimit {
    pub(super) fn new(settings: &AdaptiveConcurrency) -> Self {
        let [min, max, initial] = [settings.min, settings.max, settings.initial].map(as_f64);
        let min = min.max(1.0);
        let max = max.max(min);
        let limit = initial.clamp(min, max);
        Self {
            min,
            max,
            tolerance: settings.tolerance,
            limit,
            phase: Phase::Measuring {
                from: None,
                doubling: true,
            },
            unloaded: f64::INFINITY,
            changed_at: None,
            to_skip: limit,
            window: Window::default(),
            ended: 0.0,
            overloaded: 0.0,
            ceiling: f64::INFINITY,
            held: 0,
            grown: 0,
            reduced_from: None,
            since_measured: 0,
        }
    }

    /// How many requests may be in flight to the host, from 1.
    pub(crate) fn limit(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 1 and a million; its fraction is not a place yet"
        )]
        let limit = self.limit as usize;
        limit
    }

    /// An attempt has ended.
    pub(crate) fn finished(&mut self, sample: Sample, now: Instant) {
        let begun_before = |changed| {
            now.checked_sub(sample.latency)
                .is_none_or(|begun| begun < changed)
        };
        if sample.outcome == SampleOutcome::Ignored || self.changed_at.is_some_and(begun_before) {
            return;
        }
        self.ended += 1.0;
        if sample.outcome == SampleOutcome::Overloaded {
            self.overloaded += 1.0;
            let most = ACCIDENTS * self.ended.max(self.limit).max(FEWEST_ENDS);
            if self.overloaded > most {
                self.back_off(now);
            }
            return;
        }
        if as_f64(sample.in_flight) < FILLED * self.limit.floor() {
            return;
        }
        if self.to_skip > 0.0 {
            self.to_skip -= 1.0;
            return;
        }
        self.window.add(sample.latency.as_secs_f64());
        let most = match self.phase {
            Phase::Doubling | Phase::Measuring { doubling: true, .. } => MOST_AT_FIRST,
            _ => (ROUNDS * self.limit).clamp(MOST_AT_FIRST, MOST),
        };
        if let Some(latency) = self.window.mean(self.limit, most) {
            let limit = self.limit.floor();
            self.learn(Level { limit, latency }, now);
        }
    }

    /// A window is complete.
    fn learn(&mut self, level: Level, now: Instant) {
        self.held = self.held.saturating_sub(1);
        if self.held == 0 {
            self.ceiling = f64::INFINITY;
        }
        match self.phase {
            Phase::Measuring { from, doubling } => self.measure(level, from, doubling, now),
            Phase::Doubling => {
                self.adjust_unloaded(level.latency);
                if level.latency <= self.unloaded * QUEUED.max(1.0 + self.tolerance) {
                    self.set(self.limit * 2.0, now);
                } else {
                    self.phase = Phase::Following;
                    self.follow(level, now);
                }
            }
            Phase::Following => {
                self.since_measured += 1;
                if self.since_measured >= MEASURE_EVERY {
                    self.measure(level, None, false, now);
                } else {
                    self.follow(level, now);
                }
            }
        }
    }

    /// A step of the measurement of the time without a queue.
    fn measure(
        &mut self,
        level: Level,
        from: Option<(Level, Level)>,
        doubling: bool,
        now: Instant,
    ) {
        let (first, last) = from.unwrap_or((level, level));
        let is_first = from.is_none();
        let queued = is_first || level.latency < STILL_QUEUED * last.latency;
        if queued && level.limit > self.min {
            self.phase = Phase::Measuring {
                from: Some((first, level)),
                doubling,
            };
            return self.set((level.limit / 2.0).floor(), now);
        }
        self.unloaded = level.latency;
        self.since_measured = 0;
        self.reduced_from = None;
        // What was worked on at first; the rest was in the queue.
        let part = self.tolerated() / first.latency;
        if doubling && part >= 1.0 {
            self.phase = Phase::Doubling;
            self.set(first.limit * 2.0, now);
        } else {
            self.phase = Phase::Following;
            self.set(first.limit * part.min(1.0), now);
        }
    }

    /// A step along the gradient.
    fn follow(&mut self, level: Level, now: Instant) {
        if level.limit <= self.min {
            // With fewer there can be no shorter queue.
            self.unloaded = level.latency;
        }
        self.adjust_unloaded(level.latency);
        let gradient = (self.tolerated() / level.latency).max(STEEPEST);
        if gradient >= 1.0 {
            self.reduced_from = None;
            let no_queue = gradient >= 1.0 + NO_QUEUE * self.tolerance;
            self.grown = if no_queue && self.held == 0 {
                self.grown + 1
            } else {
                1
            };
            let growth = gradient.powi(self.grown.min(FASTEST_GROWTH));
            return self.set(self.limit * growth, now);
        }
        self.grown = 0;
        let from = *self.reduced_from.get_or_insert(level);
        let reduced_to = level.limit / from.limit;
        if reduced_to <= REDUCED {
            if level.latency > from.latency * f64::midpoint(1.0, reduced_to) {
                // There is no queue of ours that could become shorter: this is what it takes now.
                self.unloaded = level.latency;
                self.reduced_from = None;
                let part = self.tolerated() / from.latency;
                return self.set(from.limit * part.min(1.0), now);
            }
            self.reduced_from = Some(level);
        }
        self.set(self.limit * gradient, now);
    }

    /// More than a few requests of late were refused or timed out.
    fn back_off(&mut self, now: Instant) {
        self.ceiling = BELOW_OVERLOAD * self.limit;
        self.held = HOLD;
        self.grown = 0;
        self.reduced_from = None;
        let part = if let Phase::Following = self.phase {
            BACKOFF
        } else {
            UNDOUBLE
        };
        self.phase = match self.phase {
            // Without a time to compare with, it is still the first thing to know.
            Phase::Measuring { .. } if self.unloaded.is_infinite() => Phase::Measuring {
                from: None,
                doubling: true,
            },
            _ => Phase::Following,
        };
        self.set(self.limit * part, now);
    }

    /// Where there is no long queue, the time without one is adjusted: down soon, as with a queue
    /// nothing is faster than without, but not to the least of many chances, which is far from the
    /// mean; up slowly, as the queue that is tolerated would drag it along, and yet, as a time that was
    /// measured too short would keep the limit where it is.
    fn adjust_unloaded(&mut self, latency: f64) {
        if latency < self.unloaded {
            self.unloaded += DOWN * (latency - self.unloaded);
        } else if latency <= self.unloaded * QUEUED {
            self.unloaded += UP * (latency - self.unloaded);
        }
    }

    /// Seconds that a response may take.
    fn tolerated(&self) -> f64 {
        self.unloaded * (1.0 + self.tolerance)
    }

    fn set(&mut self, limit: f64, now: Instant) {
        let before = self.limit();
        let most = self.ceiling.max(self.limit);
        self.limit = limit.min(most).clamp(self.min, self.max);
        self.window = Window::default();
        self.ended = 0.0;
        self.overloaded = 0.0;
        if self.limit() != before {
            self.changed_at = Some(now);
            self.to_skip = self.limit.floor();
        }
    }
}

fn as_f64(count: usize) -> f64 {
    // A limit is at most a million; what is beyond is all the same.
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
