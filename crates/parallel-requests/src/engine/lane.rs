//! The working side of a batch: takes requests from the belt, drives them, puts outcomes back.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{Stream, stream::FuturesUnordered, task::AtomicWaker};
use pr_core::BackendError;
use tower::Service;

use super::{
    belt::{Belt, Done, Job, Supply},
    flight::Flight,
    options::Stop,
};
use crate::{
    backlog::{self, Backlog},
    held::{Held, Watch},
    stack::Stack,
};

/// A task that drives up to so many requests at a time, and as many more as are held up.
///
/// However it ends, each request that it took has an outcome: if what it ran on is gone, the error
/// says so.
pub(super) struct Lane {
    belt: Arc<Belt>,
    queue: usize,
    number: usize,
    bell: Arc<AtomicWaker>,
    stack: Stack,
    width: Width,
    held: Watch,
    /// Lent to the thread while this is polled.
    backlog: Option<Arc<Backlog>>,
    in_flight: FuturesUnordered<Flight>,
    /// Taken off the belt, and not yet let through by the stack.
    taken: VecDeque<Job>,
    // Kept, so that its room is made once.
    finished: Vec<Done>,
}

/// How many requests a lane drives at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    /// If none is held up.
    pub(super) base: usize,
    /// How many more at most, all lanes together, for what is held up.
    pub(super) look_ahead: usize,
    /// Among how many lanes that is shared.
    pub(super) lanes: usize,
}

impl Width {
    fn with(self, held: usize) -> usize {
        let more = held.min(self.look_ahead).div_ceil(self.lanes);
        self.base.saturating_add(more)
    }
}

/// What a look at the belt has led to.
struct Begun {
    supply: Supply,
    count: usize,
    /// There was room for no more than that.
    is_full: bool,
}

/// How many outcomes are put down at a time.
const HANDFUL: usize = 32;

/// After how many outcomes others on the same thread get their turn.
const TURN: usize = 256;

impl Lane {
    pub(super) fn open(
        belt: Arc<Belt>,
        queue: usize,
        stack: Stack,
        held: Held,
        width: Width,
    ) -> Self {
        let doorbell = Arc::new(AtomicWaker::new());
        let number = belt.open_lane(queue, doorbell.clone());
        let backlog = Some(belt.backlog().clone());
        Self {
            belt,
            queue,
            number,
            held: Watch::new(held, doorbell.clone()),
            backlog,
            bell: doorbell,
            stack,
            width,
            in_flight: FuturesUnordered::new(),
            taken: VecDeque::new(),
            finished: Vec::new(),
        }
    }

    /// Goes on as far as there is anything to go on with.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.bell.register(cx.waker());
        let mut turn = 0;
        loop {
            let begun = self.begin(cx);
            match begun.supply {
                Supply::Cancelled => {
                    self.in_flight.clear();
                    self.taken.clear();
                    return Poll::Ready(());
                }
                Supply::Stopped(why) => {
                    self.stop(why);
                    return Poll::Ready(());
                }
                Supply::Open | Supply::Ended => {}
            }
            let finished = self.finish(cx);
            if begun.supply == Supply::Ended && self.is_empty() {
                return Poll::Ready(());
            }
            if finished == 0 && !self.may_begin_more(&begun) {
                return Poll::Pending;
            }
            turn += finished.max(begun.count);
            if turn >= TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// How many requests more there is room for.
    fn room(&self) -> usize {
        let width = self.width.with(self.held.count());
        width.saturating_sub(self.in_flight.len() + self.taken.len())
    }

    /// Begins what there is room for and what the stack lets through.
    fn begin(&mut self, cx: &mut Context<'_>) -> Begun {
        let room = self.room();
        let before = self.taken.len();
        let supply = self
            .belt
            .take(self.queue, self.number, room, &mut self.taken);
        let count = self.taken.len() - before;
        // Only with a request in hand is the stack asked: a place that is reserved and not used is
        // one that others wait for.
        while !self.taken.is_empty()
            && let Poll::Ready(ready) = self.stack.poll_ready(cx)
            && let Some(job) = self.taken.pop_front()
        {
            match ready {
                Ok(()) => {
                    let keeps_request = self.belt.keeps_requests();
                    let flight = Flight::dispatch(job, &mut self.stack, keeps_request);
                    self.in_flight.push(flight);
                }
                Err(error) => {
                    let refused = Done::not_begun(job.slot, job.request, error);
                    self.finished.push(refused);
                }
            }
        }
        Begun {
            supply,
            count,
            is_full: count == room,
        }
    }

    /// Gives up all that it has; what that held is free before anybody hears of it.
    fn stop(&mut self, why: Stop) {
        let in_sight = self.stack.is_plain();
        for flight in &mut self.in_flight {
            let cut_off =
                flight.cut_off(in_sight, |delivery, request| why.error(delivery, request));
            self.finished.push(cut_off);
        }
        self.in_flight.clear();
        let taken = self.taken.drain(..);
        let not_begun = taken.map(|job| Done::stopped(job.slot, job.request, why));
        self.finished.extend(not_begun);
        self.belt.deliver(&mut self.finished);
    }

    /// Whether there is room again, now that what was begun may be held up. If there is not, the
    /// bell rings when there is.
    fn may_begin_more(&mut self, begun: &Begun) -> bool {
        // With room to spare, it is for the belt to ring.
        if !begun.is_full || begun.supply == Supply::Ended {
            return false;
        }
        self.held.arm();
        self.room() > 0
    }

    fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.taken.is_empty()
    }

    /// Puts down what has come of the requests in flight; how many outcomes.
    fn finish(&mut self, cx: &mut Context<'_>) -> usize {
        while let Poll::Ready(Some(done)) = Pin::new(&mut self.in_flight).poll_next(cx) {
            self.finished.push(done);
            if self.finished.len() >= HANDFUL {
                break;
            }
        }
        let count = self.finished.len();
        self.belt.deliver(&mut self.finished);
        count
    }
}

impl Future for Lane {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let inside = backlog::enter(this.backlog.take());
        let polled = this.drive(cx);
        this.backlog = inside.leave();
        polled
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let why = BackendError::backend_closed;
        let in_sight = self.stack.is_plain();
        let mut cut_off: Vec<_> = self
            .in_flight
            .iter_mut()
            .map(|flight| flight.cut_off(in_sight, |delivery, _| why().with_delivery(delivery)))
            .collect();
        self.belt.strand(self.taken.drain(..), why);
        self.belt.deliver(&mut cut_off);
        self.belt.close_lane(self.queue, self.number, why);
    }
}
