//! What is between the two sides of a batch: requests on their way in, outcomes on their way out.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::task::AtomicWaker;
use pr_core::{BackendError, Delivery, NormalizedResponse, RequestConfig};
use slab::Slab;

use super::options::Stop;
use crate::backlog::Backlog;

/// The belt of one batch. Its locks are held for a moment at a time, and nobody is woken, and
/// nothing of the user's dropped, while one is.
pub(crate) struct Belt {
    /// Requests, in as many queues as there are places to work on them. A queue's requests all go to
    /// the lanes of that queue.
    queues: Vec<Mutex<Queue>>,
    done: Mutex<Finished>,
    stop: OnceLock<Stop>,
    backlog: Arc<Backlog>,
    /// Requests come back with their outcomes even if there is a response.
    keeps_requests: bool,
}

/// A request that waits for a lane.
pub(crate) struct Job {
    /// By which the caller's side knows it.
    pub(crate) slot: usize,
    pub(crate) request: RequestConfig,
}

/// What came of a request.
pub(crate) struct Done {
    pub(crate) slot: usize,
    /// Whether it was dispatched, and its last attempt had begun.
    pub(crate) is_begun: bool,
    /// How long it took from then.
    pub(crate) elapsed: Duration,
    /// How many attempts there were before the last.
    pub(crate) retries: usize,
    /// The request, if it failed, or all are asked for.
    pub(crate) request: Option<RequestConfig>,
    pub(crate) result: Result<NormalizedResponse, BackendError>,
}

impl Done {
    /// The outcome of a request that was not begun.
    pub(crate) fn not_begun(slot: usize, request: RequestConfig, error: BackendError) -> Self {
        Self {
            slot,
            is_begun: false,
            elapsed: Duration::ZERO,
            retries: 0,
            request: Some(request),
            result: Err(error),
        }
    }

    /// The outcome of a request that was not begun, because nothing more is sent.
    pub(super) fn stopped(slot: usize, request: RequestConfig, why: Stop) -> Self {
        let error = why.error(Delivery::NotSent, Some(&request));
        Self::not_begun(slot, request, error)
    }
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// The lanes that have not ended.
    lanes: Slab<LaneState>,
    /// The lanes that have room and found nothing; the last one is called first.
    hungry: Vec<usize>,
    /// Nothing more will come.
    ended: bool,
    /// Nothing more is to be sent, and the outcomes say why.
    stopped: bool,
    /// Nobody waits for the outcomes any more.
    cancelled: bool,
}

impl Queue {
    /// The bell of a lane that has room, and is taken to be called with this.
    fn call(&mut self) -> Option<Arc<AtomicWaker>> {
        let called = &mut self.lanes[self.hungry.pop()?];
        called.hungry = false;
        Some(called.bell.clone())
    }

    /// As [`call`](Self::call), if there is anything to call a lane for.
    fn call_for_jobs(&mut self) -> Option<Arc<AtomicWaker>> {
        if self.jobs.is_empty() {
            None
        } else {
            self.call()
        }
    }
}

struct LaneState {
    bell: Arc<AtomicWaker>,
    hungry: bool,
}

#[derive(Default)]
struct Finished {
    outcomes: VecDeque<Done>,
    receiver: Option<Waker>,
    /// The receiver is to look up, outcomes or not.
    is_called: bool,
}

/// What a lane can go on with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    /// There is more, or may be; if there is not, the lane's bell rings when there is.
    Open,
    /// There will be nothing more.
    Ended,
    /// Whatever is in flight is to end in this error.
    Stopped(Stop),
    /// Whatever is in flight is not wanted any more.
    Cancelled,
}

impl Belt {
    pub(super) fn new(queues: usize, backlog: Arc<Backlog>, keeps_requests: bool) -> Self {
        Self {
            queues: (0..queues).map(|_| Mutex::default()).collect(),
            done: Mutex::default(),
            stop: OnceLock::new(),
            backlog,
            keeps_requests,
        }
    }

    /// What has landed here and has not been given out.
    pub(super) fn backlog(&self) -> &Arc<Backlog> {
        &self.backlog
    }

    /// Whether requests come back with their outcomes even if there is a response.
    pub(super) fn keeps_requests(&self) -> bool {
        self.keeps_requests
    }

    /// Puts requests down and calls as many lanes as there is work for. If the queue has lost its
    /// lanes, `why` makes the error of each request.
    pub(super) fn submit(&self, queue: usize, jobs: &mut Vec<Job>, why: fn() -> BackendError) {
        let mut bells = Vec::new();
        let mut state = self.queue(queue);
        if state.lanes.is_empty() || state.stopped {
            drop(state);
            return self.strand(jobs.drain(..), why);
        }
        for _ in 0..jobs.len() {
            let Some(bell) = state.call() else {
                break;
            };
            bells.push(bell);
        }
        state.jobs.extend(jobs.drain(..));
        drop(state);
        for bell in bells {
            bell.wake();
        }
    }

    /// Says that nothing more will be put down.
    pub(super) fn end(&self) {
        self.ring_all(|queue| queue.ended = true);
    }

    /// Says that no outcome is wanted any more: what waits is dropped here, what is in flight by its
    /// lane, which is told.
    pub(super) fn cancel(&self) {
        drop(self.ring_all(|queue| queue.cancelled = true));
    }

    /// Has nothing more sent: what waits has its outcome from here, what is in flight from its lane,
    /// which is told. The first reason holds.
    pub(super) fn stop(&self, why: Stop) {
        let why = *self.stop.get_or_init(|| why);
        let waiting = self.ring_all(|queue| queue.stopped = true);
        self.strand_stopped(waiting, why);
        let mut done = self.done();
        done.is_called = true;
        let receiver = done.receiver.take();
        drop(done);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// Why nothing more is to be sent, if so.
    pub(super) fn stopped(&self) -> Option<Stop> {
        self.stop.get().copied()
    }

    /// Marks all queues, and rings for all lanes. What waits and will not be worked on is returned.
    fn ring_all(&self, mark: impl Fn(&mut Queue)) -> VecDeque<Job> {
        let (mut unwanted, mut bells) = (VecDeque::new(), Vec::new());
        for index in 0..self.queues.len() {
            let mut queue = self.queue(index);
            mark(&mut queue);
            if queue.cancelled || queue.stopped {
                unwanted.append(&mut queue.jobs);
            }
            bells.extend(queue.lanes.iter().map(|(_, lane)| lane.bell.clone()));
        }
        // Only now that all know: what one lane lets go of must not be taken up by another.
        for bell in bells {
            bell.wake();
        }
        unwanted
    }

    /// A lane begins on this queue, and has this bell rung when it has to look: its number there.
    pub(super) fn open_lane(&self, queue: usize, bell: Arc<AtomicWaker>) -> usize {
        self.queue(queue).lanes.insert(LaneState {
            bell,
            hungry: false,
        })
    }

    /// How many lanes there are on this queue.
    pub(super) fn lanes(&self, queue: usize) -> usize {
        self.queue(queue).lanes.len()
    }

    /// A lane takes requests, as many as it has room for.
    pub(super) fn take(
        &self,
        queue: usize,
        lane: usize,
        room: usize,
        into: &mut VecDeque<Job>,
    ) -> Supply {
        let mut state = self.queue(queue);
        if state.cancelled {
            return Supply::Cancelled;
        }
        if let (true, Some(&stop)) = (state.stopped, self.stop.get()) {
            return Supply::Stopped(stop);
        }
        let count = room.min(state.jobs.len());
        into.extend(state.jobs.drain(..count));
        let is_hungry = count < room && !state.ended;
        if state.lanes[lane].hungry != is_hungry {
            state.lanes[lane].hungry = is_hungry;
            if is_hungry {
                state.hungry.push(lane);
            } else {
                state.hungry.retain(|&other| other != lane);
            }
        }
        let supply = if state.ended && state.jobs.is_empty() {
            Supply::Ended
        } else {
            Supply::Open
        };
        // Whoever was called and has no room any more passes the call on.
        let next = state.call_for_jobs();
        drop(state);
        if let Some(bell) = next {
            bell.wake();
        }
        supply
    }

    /// A lane has ended, by itself or because what it ran on is gone. The last one takes along what
    /// waits on its queue; `why` makes the error of each.
    pub(super) fn close_lane(&self, queue: usize, lane: usize, why: fn() -> BackendError) {
        let mut state = self.queue(queue);
        state.lanes.try_remove(lane);
        state.hungry.retain(|&other| other != lane);
        let stranded = if state.lanes.is_empty() {
            std::mem::take(&mut state.jobs)
        } else {
            VecDeque::new()
        };
        // It may have been called, and not have come.
        let next = state.call_for_jobs();
        drop(state);
        if let Some(bell) = next {
            bell.wake();
        }
        self.strand(stranded, why);
    }

    /// Gives each of these requests, which have not been begun, an error of its own: why nothing
    /// more is sent, if so, and else by `why`.
    pub(super) fn strand(&self, jobs: impl IntoIterator<Item = Job>, why: fn() -> BackendError) {
        if let Some(stop) = self.stopped() {
            return self.strand_stopped(jobs, stop);
        }
        let mut errors = jobs
            .into_iter()
            .map(|job| Done::not_begun(job.slot, job.request, why()))
            .collect();
        self.deliver(&mut errors);
    }

    fn strand_stopped(&self, jobs: impl IntoIterator<Item = Job>, why: Stop) {
        let mut errors = jobs
            .into_iter()
            .map(|job| Done::stopped(job.slot, job.request, why))
            .collect();
        self.deliver(&mut errors);
    }

    /// How many requests wait for a lane, and how many outcomes for the receiver.
    pub(crate) fn load(&self) -> (usize, usize) {
        let waiting = self.queues.iter().map(|queue| lock(queue).jobs.len()).sum();
        (waiting, self.done().outcomes.len())
    }

    /// Puts outcomes down for the receiver.
    pub(crate) fn deliver(&self, outcomes: &mut Vec<Done>) {
        if outcomes.is_empty() {
            return;
        }
        let mut done = self.done();
        self.backlog.landed(outcomes.len());
        done.outcomes.extend(outcomes.drain(..));
        let receiver = done.receiver.take();
        drop(done);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// Takes all outcomes there are into `into`, which is empty; pending while there are none, and
    /// the receiver has not been called for another reason.
    pub(crate) fn poll_receive(&self, into: &mut VecDeque<Done>, cx: &mut Context<'_>) -> Poll<()> {
        let is_known = |done: &Finished| {
            let receiver = done.receiver.as_ref();
            receiver.is_some_and(|receiver| receiver.will_wake(cx.waker()))
        };
        let mut former = None;
        let mut done = self.done();
        if done.outcomes.is_empty() && !done.is_called && !is_known(&done) {
            // Wakers are the executor's code, which is neither run nor dropped under the lock.
            drop(done);
            let waker = cx.waker().clone();
            done = self.done();
            former = done.receiver.replace(waker);
        }
        if done.outcomes.is_empty() && !std::mem::take(&mut done.is_called) {
            drop(done);
            drop(former);
            return Poll::Pending;
        }
        // Back and forth, so that neither side has to make room anew.
        std::mem::swap(&mut done.outcomes, into);
        Poll::Ready(())
    }

    fn queue(&self, index: usize) -> MutexGuard<'_, Queue> {
        lock(&self.queues[index])
    }

    fn done(&self) -> MutexGuard<'_, Finished> {
        lock(&self.done)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code but our own runs under the locks, and none of it panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
        task::Wake,
    };

    use super::*;

    fn belt() -> Belt {
        Belt::new(1, Arc::new(Backlog::new(10)), false)
    }

    fn closed() -> BackendError {
        BackendError::backend_closed()
    }

    #[test]
    fn lanes_that_have_ended_leave_nothing_behind() {
        let belt = belt();
        for slot in 0..100 {
            let lane = belt.open_lane(0, Arc::default());
            belt.submit(0, &mut vec![job(slot)], closed);
            assert_eq!(belt.take(0, lane, 5, &mut VecDeque::new()), Supply::Open);
            belt.close_lane(0, lane, closed);
            let queue = belt.queue(0);
            assert_eq!((queue.lanes.len(), queue.hungry.len()), (0, 0));
            assert!(queue.lanes.capacity() < 10);
        }
    }

    #[derive(Default)]
    struct Rings(AtomicUsize);

    impl Wake for Rings {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn lane(belt: &Belt) -> (usize, Arc<Rings>) {
        let (doorbell, rings) = (Arc::new(AtomicWaker::new()), Arc::new(Rings::default()));
        doorbell.register(&Waker::from(rings.clone()));
        let lane = belt.open_lane(0, doorbell);
        assert_eq!(belt.take(0, lane, 1, &mut VecDeque::new()), Supply::Open);
        (lane, rings)
    }

    #[test]
    fn a_lane_that_was_called_and_has_no_room_any_more_passes_the_call_on() {
        for is_over in [false, true] {
            let belt = belt();
            let ((_, other), (called, rings)) = (lane(&belt), lane(&belt));
            belt.submit(0, &mut vec![job(0)], closed);
            let count = |rings: &Rings| rings.0.load(SeqCst);
            assert_eq!((count(&rings), count(&other)), (1, 0));
            if is_over {
                belt.close_lane(0, called, closed);
            } else {
                belt.take(0, called, 0, &mut VecDeque::new());
            }
            assert_eq!(count(&other), 1);
        }
    }

    #[test]
    fn what_is_put_down_after_a_stop_has_its_outcome_at_once() {
        let belt = belt();
        let lane = belt.open_lane(0, Arc::default());
        belt.submit(0, &mut vec![job(0)], closed);
        belt.stop(Stop::Cancelled);
        belt.stop(Stop::Failures(3));
        belt.submit(0, &mut vec![job(1)], closed);
        let mut into = VecDeque::new();
        let supply = belt.take(0, lane, 5, &mut into);
        assert_eq!(
            supply,
            Supply::Stopped(Stop::Cancelled),
            "the first reason holds"
        );
        assert!(into.is_empty());
        let mut received = VecDeque::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(belt.poll_receive(&mut received, &mut cx).is_ready());
        let slots: Vec<_> = received.iter().map(|done| done.slot).collect();
        assert_eq!(slots, [0, 1]);
        assert!(received.iter().all(|done| !done.is_begun));
    }

    #[test]
    fn a_stop_calls_the_receiver_though_there_is_nothing_to_receive() {
        let belt = belt();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            belt.poll_receive(&mut VecDeque::new(), &mut cx)
                .is_pending()
        );
        belt.stop(Stop::Cancelled);
        assert!(belt.poll_receive(&mut VecDeque::new(), &mut cx).is_ready());
        assert!(
            belt.poll_receive(&mut VecDeque::new(), &mut cx)
                .is_pending()
        );
    }

    fn job(slot: usize) -> Job {
        Job {
            slot,
            request: "http://h.example/".into(),
        }
    }
}
