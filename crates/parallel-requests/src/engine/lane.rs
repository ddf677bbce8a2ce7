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
};
use crate::stack::Stack;

/// A task that drives up to so many requests at a time.
///
/// However it ends, each request that it took has an outcome: if what it ran on is gone, the error
/// says so.
pub(super) struct Lane {
    belt: Arc<Belt>,
    queue: usize,
    number: usize,
    bell: Arc<AtomicWaker>,
    stack: Stack,
    capacity: usize,
    in_flight: FuturesUnordered<Flight>,
    /// Taken off the belt, and not yet let through by the stack.
    taken: VecDeque<Job>,
    // Kept, so that its room is made once.
    finished: Vec<Done>,
}

/// How many outcomes are put down at a time.
const HANDFUL: usize = 32;

/// After how many outcomes others on the same thread get their turn.
const TURN: usize = 256;

impl Lane {
    pub(super) fn open(belt: Arc<Belt>, queue: usize, stack: Stack, capacity: usize) -> Self {
        let (number, doorbell) = belt.open_lane(queue);
        Self {
            belt,
            queue,
            number,
            bell: doorbell,
            stack,
            capacity,
            in_flight: FuturesUnordered::new(),
            taken: VecDeque::new(),
            finished: Vec::new(),
        }
    }

    /// Begins what there is room for and what the stack lets through.
    fn begin(&mut self, cx: &mut Context<'_>) -> Supply {
        let room = self.capacity - self.in_flight.len() - self.taken.len();
        let supply = self
            .belt
            .take(self.queue, self.number, room, &mut self.taken);
        // Only with a request in hand is the stack asked: a place that is reserved and not used is
        // one that others wait for.
        while !self.taken.is_empty()
            && let Poll::Ready(ready) = self.stack.poll_ready(cx)
            && let Some(job) = self.taken.pop_front()
        {
            match ready {
                Ok(()) => self.in_flight.push(Flight::dispatch(job, &mut self.stack)),
                Err(error) => self.finished.push(Done::not_begun(job.slot, error)),
            }
        }
        supply
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
        this.bell.register(cx.waker());
        let mut turn = 0;
        loop {
            let supply = this.begin(cx);
            if supply == Supply::Cancelled {
                this.in_flight.clear();
                this.taken.clear();
                return Poll::Ready(());
            }
            let finished = this.finish(cx);
            if supply == Supply::Ended && this.is_empty() {
                return Poll::Ready(());
            }
            if finished == 0 {
                return Poll::Pending;
            }
            turn += finished;
            if turn >= TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let why = BackendError::backend_closed;
        let mut cut_off: Vec<_> = self
            .in_flight
            .iter()
            .map(|flight| flight.cut_off(why))
            .collect();
        self.belt.strand(self.taken.drain(..), why);
        self.belt.deliver(&mut cut_off);
        self.belt.close_lane(self.queue, self.number, why);
    }
}
