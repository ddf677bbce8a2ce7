//! Finding out that a peer has gone without saying so: when a PING is sent, and what its answer, or
//! the lack of one, means (RFC 9113, section 6.7).

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use h2::{Ping, PingPong};
use tokio::time::Instant;

use crate::pulse::Pulse;

/// The settings of keep-alive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAliveTimes {
    /// How long the peer may be silent while something is expected of it.
    pub(crate) interval: Duration,
    /// How long it may be silent after a PING.
    pub(crate) limit: Duration,
}

/// Watches over one connection.
///
/// Time is measured in ticks that have nothing to do with requests: a tick that finds that bytes
/// have come since the last one starts the next, and only one that finds none sends a PING. So a
/// busy connection pays for one timer per interval, and for nothing else.
pub(crate) struct KeepAlive {
    times: KeepAliveTimes,
    ping_pong: PingPong,
    pulse: Arc<Pulse>,
    state: State,
    /// The pulse when it was last felt.
    felt: u64,
    /// How long to the next tick; grows while nothing comes but answers to PINGs.
    wait: Duration,
    due: Option<Instant>,
}

#[derive(Clone, Copy)]
enum State {
    /// A tick is coming.
    Watching,
    /// Nothing is expected of the peer, and it has been silent for a tick.
    Resting,
    /// A PING is under way.
    Asked { since: Instant, doubted: bool },
}

/// What a tick has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Nothing that would have consequences.
    Nothing,
    /// The peer takes long to answer; new requests had better take another connection.
    Doubtful,
    /// The peer has gone.
    Dead,
}

/// How many intervals there are at most between two PINGs to a peer that sends nothing else. Some
/// peers take more than a few PINGs without data for an attack (`ENHANCE_YOUR_CALM`).
const LONGEST_WAIT: u32 = 16;

/// The part of the limit after which a silent peer is doubted.
const DOUBT: u32 = 10;

impl KeepAlive {
    pub(crate) fn new(times: KeepAliveTimes, ping_pong: PingPong, pulse: Arc<Pulse>) -> Self {
        Self {
            times,
            ping_pong,
            felt: pulse.beats(),
            pulse,
            state: State::Watching,
            wait: times.interval,
            due: Instant::now().checked_add(times.interval),
        }
    }

    /// When to [tick](Self::tick) next, unless something happens before.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Looks whether a PING is wanted or answered; to be called whenever the connection's task runs.
    /// `is_busy` says whether anything is expected of the peer. Whether [`due`](Self::due) may have
    /// changed.
    pub(crate) fn poll(&mut self, is_busy: bool, cx: &mut Context<'_>) -> bool {
        let wanted = self.pulse.ping_was_wanted();
        match self.state {
            State::Asked { .. } => {
                let Poll::Ready(answer) = self.ping_pong.poll_pong(cx) else {
                    return false;
                };
                // An error is the connection's end, of which its task hears anyway.
                drop(answer);
                self.felt = self.pulse.beats();
                self.watch();
                true
            }
            // Who has been silent for so long may have gone long ago.
            State::Resting if is_busy => {
                self.ask();
                true
            }
            State::Watching | State::Resting if wanted => {
                self.ask();
                true
            }
            State::Watching | State::Resting => false,
        }
    }

    /// Draws the conclusions when time is [due](Self::due).
    pub(crate) fn tick(&mut self, is_busy: bool) -> Finding {
        let beats = self.pulse.beats();
        let is_alive = beats != self.felt;
        self.felt = beats;
        match self.state {
            State::Watching if is_alive => {
                self.wait = self.times.interval;
                self.watch();
            }
            State::Watching if is_busy => {
                self.ask();
                let longest = self.times.interval.saturating_mul(LONGEST_WAIT);
                self.wait = self.wait.saturating_mul(2).min(longest);
            }
            State::Watching | State::Resting => {
                self.state = State::Resting;
                self.due = None;
            }
            // The answer stands behind what is coming.
            State::Asked { .. } if is_alive => self.wait_for_answer(),
            State::Asked { doubted: true, .. } => return Finding::Dead,
            State::Asked { since, .. } => {
                self.state = State::Asked {
                    since,
                    doubted: true,
                };
                self.due = since.checked_add(self.times.limit);
                return Finding::Doubtful;
            }
        }
        Finding::Nothing
    }

    fn watch(&mut self) {
        self.state = State::Watching;
        self.due = Instant::now().checked_add(self.wait);
    }

    fn ask(&mut self) {
        // Fails only if the connection has ended.
        drop(self.ping_pong.send_ping(Ping::opaque()));
        self.felt = self.pulse.beats();
        self.wait_for_answer();
    }

    fn wait_for_answer(&mut self) {
        let since = Instant::now();
        self.state = State::Asked {
            since,
            doubted: false,
        };
        self.due = since.checked_add(self.times.limit / DOUBT);
    }
}
