//! The state of one circuit: closed, open or half-open, and what moves it from one to the other.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::Notify, time::Instant};

use super::Settings;

/// How a circuit is.
///
/// ```
/// use std::time::Duration;
/// use parallel_requests::CircuitState;
///
/// let state = CircuitState::Open { left: Duration::from_secs(3) };
/// assert_eq!(state.to_string(), "open");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitState {
    /// All requests go through.
    Closed,
    /// None do.
    Open {
        /// For how long yet.
        left: Duration,
    },
    /// A few do, to see whether the host is well again.
    HalfOpen,
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

/// The largest number of requests that can be looked at: the bits of an [`Outcomes`].
pub(super) const LARGEST_WINDOW: u32 = u128::BITS;

/// The circuit of one host.
#[derive(Debug, Default)]
pub(super) struct HostCircuit {
    state: State,
    /// Counts changes of the state, so that what was let through in an earlier one is not mistaken for
    /// news.
    era: u64,
    /// Tells those who queue for this host that it has been opened. Made when somebody does.
    opened: Option<Arc<Notify>>,
}

#[derive(Debug)]
enum State {
    Closed {
        outcomes: Outcomes,
        /// How many in a row have failed.
        run: u32,
    },
    Open {
        until: Instant,
        /// How often it has been opened since it was closed.
        times: u32,
    },
    HalfOpen {
        probing: u32,
        succeeded: u32,
        times: u32,
    },
}

/// The leave to send one request.
#[derive(Debug)]
pub(super) struct Pass {
    era: u64,
    /// Whether it was given to see if the host is well again.
    pub(super) is_probe: bool,
}

/// Why there is no leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is open, for this long yet.
    Open(Duration),
    /// It is half-open, and its probes are under way.
    Probing,
}

impl HostCircuit {
    /// What it means to forget it: a circuit that is not closed is worth more.
    pub(super) fn worth(&self) -> u8 {
        u8::from(!matches!(self.state, State::Closed { .. }))
    }

    /// Whether [`pass`](Self::pass) would let a request through.
    pub(super) fn look(&self, now: Instant, settings: &Settings) -> Result<(), Refusal> {
        match self.state {
            State::Open { until, .. } if now < until => Err(Refusal::Open(until - now)),
            State::HalfOpen {
                probing, succeeded, ..
            } if probing + succeeded >= settings.probes => Err(Refusal::Probing),
            _ => Ok(()),
        }
    }

    /// Lets a request through, or not.
    pub(super) fn pass(&mut self, now: Instant, settings: &Settings) -> Result<Pass, Refusal> {
        self.look(now, settings)?;
        if let State::Open { times, .. } = self.state {
            self.turn(State::HalfOpen {
                probing: 0,
                succeeded: 0,
                times,
            });
        }
        let mut is_probe = false;
        if let State::HalfOpen { probing, .. } = &mut self.state {
            *probing += 1;
            is_probe = true;
        }
        Ok(Pass {
            era: self.era,
            is_probe,
        })
    }

    /// What tells that it has been opened.
    pub(super) fn opened(&mut self) -> Arc<Notify> {
        self.opened.get_or_insert_default().clone()
    }

    /// Takes in what came of a request that was let through: whether it succeeded, or nothing. Gives
    /// who is to be told, if that has opened it.
    #[must_use]
    pub(super) fn settle(
        &mut self,
        pass: &Pass,
        succeeded: Option<bool>,
        now: Instant,
        settings: &Settings,
    ) -> Option<Arc<Notify>> {
        if pass.era != self.era {
            return None;
        }
        match (&mut self.state, succeeded) {
            (State::Closed { outcomes, run }, Some(succeeded)) => {
                outcomes.push(!succeeded, settings.window);
                *run = if succeeded { 0 } else { run.saturating_add(1) };
                if !succeeded && (outcomes.are_too_bad(settings) || is_run(*run, settings)) {
                    self.open(0, now, settings);
                    return self.opened.clone();
                }
            }
            (State::HalfOpen { times, .. }, Some(false)) => {
                let times = *times;
                self.open(times, now, settings);
                return self.opened.clone();
            }
            (
                State::HalfOpen {
                    probing,
                    succeeded: good,
                    ..
                },
                outcome,
            ) => {
                *probing = probing.saturating_sub(1);
                if outcome == Some(true) {
                    *good += 1;
                    if *good >= settings.probes {
                        self.turn(State::default());
                    }
                }
            }
            (State::Closed { .. }, None) | (State::Open { .. }, _) => {}
        }
        None
    }

    pub(super) fn state(&self, now: Instant) -> CircuitState {
        match self.state {
            State::Closed { .. } => CircuitState::Closed,
            State::Open { until, .. } if now < until => CircuitState::Open { left: until - now },
            // What is open and past its time is half-open for the next who asks.
            State::Open { .. } | State::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// Opens it, after it has been open so often without being closed in between.
    fn open(&mut self, times: u32, now: Instant, settings: &Settings) {
        let grown = match 1_u32.checked_shl(times) {
            Some(factor) => settings.open_for.saturating_mul(factor),
            None => Duration::MAX,
        };
        let time = grown.min(settings.max_open_for);
        let until = now.checked_add(time).unwrap_or_else(|| now + LONGEST);
        self.turn(State::Open {
            until,
            times: times.saturating_add(1),
        });
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Closed {
            outcomes: Outcomes::default(),
            run: 0,
        }
    }
}

/// Beyond what a clock can tell, a circuit is open for a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

fn is_run(run: u32, settings: &Settings) -> bool {
    settings
        .consecutive_failures
        .is_some_and(|most| run >= most)
}

/// The outcomes of the last requests, a bit each: 1 is a failure, and the lowest is the last.
#[derive(Clone, Copy, Debug, Default)]
struct Outcomes {
    failures: u128,
    count: u32,
}

impl Outcomes {
    fn push(&mut self, failed: bool, window: u32) {
        let mask = u128::MAX
            >> LARGEST_WINDOW
                .saturating_sub(window)
                .min(LARGEST_WINDOW - 1);
        self.failures = ((self.failures << 1) | u128::from(failed)) & mask;
        self.count = (self.count + 1).min(window);
    }

    fn are_too_bad(self, settings: &Settings) -> bool {
        self.count >= settings.min_requests
            && self.failures.count_ones() * 100 >= settings.failure_percent * self.count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings() -> Settings {
        Settings {
            window: 4,
            min_requests: 2,
            open_for: SECOND,
            max_open_for: 5 * SECOND,
            ..Settings::default()
        }
    }

    /// Sends a request that ends at once like this; false if it was refused.
    fn send(circuit: &mut HostCircuit, succeeded: bool, now: Instant, settings: &Settings) -> bool {
        match circuit.pass(now, settings) {
            Ok(pass) => {
                let _ = circuit.settle(&pass, Some(succeeded), now, settings);
                true
            }
            Err(_) => false,
        }
    }

    #[test]
    fn the_share_in_the_window_opens_it() {
        // s is a success, f a failure; the circuit is open after the last, and not before.
        for (script, opens) in [
            ("f", false),
            ("ff", true),
            ("sf", true),
            ("ssf", false),
            ("sssf", false),
            ("sssff", true),
            ("ssfsf", true),
            ("sssssfssssf", false),
        ] {
            let (mut circuit, now) = (HostCircuit::default(), Instant::now());
            for (index, outcome) in script.chars().enumerate() {
                assert!(
                    send(&mut circuit, outcome == 's', now, &settings()),
                    "{script}: open before {index}"
                );
            }
            let is_open = circuit.state(now) != CircuitState::Closed;
            assert_eq!(is_open, opens, "{script}");
        }
    }

    #[test]
    fn a_run_of_failures_opens_it() {
        let settings = Settings {
            consecutive_failures: Some(3),
            min_requests: 100,
            window: 100,
            ..settings()
        };
        let (mut circuit, now) = (HostCircuit::default(), Instant::now());
        for outcome in [false, false, true, false, false, false] {
            assert_eq!(circuit.state(now), CircuitState::Closed);
            send(&mut circuit, outcome, now, &settings);
        }
        assert_eq!(circuit.state(now), CircuitState::Open { left: SECOND });
    }

    #[test]
    fn it_is_open_for_twice_as_long_each_time_up_to_the_most() {
        let settings = settings();
        let (mut circuit, mut now) = (HostCircuit::default(), Instant::now());
        send(&mut circuit, false, now, &settings);
        send(&mut circuit, false, now, &settings);
        for seconds in [1, 2, 4, 5, 5] {
            let left = seconds * SECOND;
            assert_eq!(circuit.state(now), CircuitState::Open { left });
            now += left.saturating_sub(Duration::from_nanos(1));
            assert!(!send(&mut circuit, true, now, &settings));
            now += Duration::from_nanos(1);
            assert_eq!(circuit.state(now), CircuitState::HalfOpen);
            assert!(send(&mut circuit, false, now, &settings));
        }
        now += 5 * SECOND;
        assert!(send(&mut circuit, true, now, &settings));
        assert_eq!(circuit.state(now), CircuitState::Closed);
        // Closed again, it starts with nothing.
        send(&mut circuit, false, now, &settings);
        assert_eq!(circuit.state(now), CircuitState::Closed);
        send(&mut circuit, false, now, &settings);
        assert_eq!(circuit.state(now), CircuitState::Open { left: SECOND });
    }

    #[test]
    fn the_longest_time_is_no_overflow() {
        let settings = Settings {
            open_for: Duration::MAX,
            max_open_for: Duration::MAX,
            ..settings()
        };
        let (mut circuit, now) = (HostCircuit::default(), Instant::now());
        send(&mut circuit, false, now, &settings);
        send(&mut circuit, false, now, &settings);
        assert!(matches!(circuit.state(now), CircuitState::Open { .. }));
    }

    #[test]
    fn what_was_sent_before_a_change_is_no_news_after_it() {
        let settings = settings();
        let (mut circuit, mut now) = (HostCircuit::default(), Instant::now());
        let late = [(); 2].map(|()| circuit.pass(now, &settings).unwrap());
        send(&mut circuit, false, now, &settings);
        send(&mut circuit, false, now, &settings);
        now += SECOND;
        let probe = circuit.pass(now, &settings).unwrap();
        for (pass, succeeded) in late.into_iter().zip([true, false]) {
            let _ = circuit.settle(&pass, Some(succeeded), now, &settings);
            assert_eq!(circuit.pass(now, &settings).unwrap_err(), Refusal::Probing);
        }
        let _ = circuit.settle(&probe, Some(true), now, &settings);
        assert_eq!(circuit.state(now), CircuitState::Closed);
    }

    proptest! {
        /// Whatever happens in whatever order: no more probes at a time than there may be, and once all
        /// are settled or dropped, the circuit lets somebody through within the longest time.
        #[test]
        fn no_probe_is_lost(
            probes in 1..4_u32,
            steps in prop::collection::vec((0..4_u8, 0..2_000_u64), 0..200),
        ) {
            let settings = Settings { probes, ..settings() };
            let (mut circuit, mut now) = (HostCircuit::default(), Instant::now());
            let mut passes = Vec::new();
            for (step, milliseconds) in steps {
                now += Duration::from_millis(milliseconds);
                let outcome = match step {
                    0 => {
                        passes.extend(circuit.pass(now, &settings));
                        continue;
                    }
                    1 => Some(true),
                    2 => Some(false),
                    _ => None,
                };
                if let State::HalfOpen { probing, succeeded, .. } = circuit.state {
                    prop_assert!(probing + succeeded <= probes);
                    let current = passes.iter().filter(|pass: &&Pass| pass.era == circuit.era);
                    prop_assert_eq!(current.count(), probing as usize);
                }
                if !passes.is_empty() {
                    let pass = passes.swap_remove(usize::try_from(milliseconds).unwrap() % passes.len());
                    let _ = circuit.settle(&pass, outcome, now, &settings);
                }
            }
            for pass in passes {
                let _ = circuit.settle(&pass, None, now, &settings);
            }
            prop_assert!(circuit.pass(now + settings.max_open_for, &settings).is_ok());
        }
    }
}
