//! What is between the two sides of a batch: requests on their way in, outcomes on their way out.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::task::AtomicWaker;
use pr_core::{BackendError, NormalizedResponse, RequestConfig};

/// The belt of one batch. Its locks are held for a moment at a time, and nobody is woken, and
/// nothing of the user's dropped, while one is.
pub(crate) struct Belt {
    /// Requests, in as many queues as there are places to work on them. A queue's requests all go to
    /// the lanes of that queue.
    queues: Vec<Mutex<Queue>>,
    done: Mutex<Finished>,
}

/// A request that waits for a lane.
pub(crate) struct Job {
    /// By which the caller's side knows it.
    pub(crate) slot: usize,
    /// Boxed, because it is passed on several times and is large.
    pub(crate) request: Box<RequestConfig>,
}

/// What came of a request.
pub(crate) struct Done {
    pub(crate) slot: usize,
    pub(crate) elapsed: Duration,
    pub(crate) result: Result<NormalizedResponse, BackendError>,
}

impl Done {
    /// The outcome of a request that was not begun.
    pub(crate) fn not_begun(slot: usize, error: BackendError) -> Self {
        Self {
            slot,
            elapsed: Duration::ZERO,
            result: Err(error),
        }
    }
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    lanes: Vec<LaneState>,
    /// How many lanes have not ended.
    alive: usize,
    /// The lanes that have room and found nothing; the last one is called first.
    hungry: Vec<usize>,
    /// Nothing more will come.
    ended: bool,
    /// Nobody waits for the outcomes any more.
    cancelled: bool,
}

struct LaneState {
    bell: Arc<AtomicWaker>,
    hungry: bool,
}

#[derive(Default)]
struct Finished {
    outcomes: VecDeque<Done>,
    receiver: Option<Waker>,
}

/// What a lane can go on with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    /// There is more, or may be; if there is not, the lane's bell rings when there is.
    Open,
    /// There will be nothing more.
    Ended,
    /// Whatever is in flight is not wanted any more.
    Cancelled,
}

impl Belt {
    pub(crate) fn new(queues: usize) -> Self {
        Self {
            queues: (0..queues).map(|_| Mutex::default()).collect(),
            done: Mutex::default(),
        }
    }

    /// Puts requests down and calls as many lanes as there is work for. If the queue has lost its
    /// lanes, `why` makes the error of each request.
    pub(crate) fn submit(&self, queue: usize, jobs: &mut Vec<Job>, why: fn() -> BackendError) {
        let mut bells = Vec::new();
        let mut state = self.queue(queue);
        if state.alive == 0 {
            drop(state);
            return self.strand(jobs.drain(..), why);
        }
        for _ in 0..jobs.len() {
            let Some(lane) = state.hungry.pop() else {
                break;
            };
            let called = &mut state.lanes[lane];
            called.hungry = false;
            bells.push(called.bell.clone());
        }
        state.jobs.extend(jobs.drain(..));
        drop(state);
        for bell in bells {
            bell.wake();
        }
    }

    /// Says that nothing more will be put down.
    pub(crate) fn end(&self) {
        self.ring_all(|queue| queue.ended = true);
    }

    /// Says that no outcome is wanted any more: what waits is dropped here, what is in flight by its
    /// lane, which is told.
    pub(crate) fn cancel(&self) {
        self.ring_all(|queue| queue.cancelled = true);
    }

    fn ring_all(&self, mark: impl Fn(&mut Queue)) {
        for index in 0..self.queues.len() {
            let mut queue = self.queue(index);
            mark(&mut queue);
            let unwanted = if queue.cancelled {
                std::mem::take(&mut queue.jobs)
            } else {
                VecDeque::new()
            };
            let bells: Vec<_> = queue.lanes.iter().map(|lane| lane.bell.clone()).collect();
            drop(queue);
            drop(unwanted);
            for bell in bells {
                bell.wake();
            }
        }
    }

    /// A lane begins on this queue: its number there, and its bell, which rings when it has to look.
    pub(crate) fn open_lane(&self, queue: usize) -> (usize, Arc<AtomicWaker>) {
        let mut state = self.queue(queue);
        let bell = Arc::new(AtomicWaker::new());
        state.alive += 1;
        state.lanes.push(LaneState {
            bell: bell.clone(),
            hungry: false,
        });
        (state.lanes.len() - 1, bell)
    }

    /// How many lanes there are on this queue.
    pub(crate) fn lanes(&self, queue: usize) -> usize {
        self.queue(queue).alive
    }

    /// A lane takes requests, as many as it has room for.
    pub(crate) fn take(
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
        if state.ended && state.jobs.is_empty() {
            Supply::Ended
        } else {
            Supply::Open
        }
    }

    /// A lane has ended, by itself or because what it ran on is gone. The last one takes along what
    /// waits on its queue; `why` makes the error of each.
    pub(crate) fn close_lane(&self, queue: usize, lane: usize, why: fn() -> BackendError) {
        let mut state = self.queue(queue);
        state.alive -= 1;
        state.hungry.retain(|&other| other != lane);
        let stranded = if state.alive == 0 {
            std::mem::take(&mut state.jobs)
        } else {
            VecDeque::new()
        };
        drop(state);
        self.strand(stranded, why);
    }

    /// Gives each of these requests an error of its own.
    pub(crate) fn strand(&self, jobs: impl IntoIterator<Item = Job>, why: fn() -> BackendError) {
        let mut errors = jobs
            .into_iter()
            .map(|job| Done::not_begun(job.slot, why()))
            .collect();
        self.deliver(&mut errors);
    }

    /// Puts outcomes down for the receiver.
    pub(crate) fn deliver(&self, outcomes: &mut Vec<Done>) {
        if outcomes.is_empty() {
            return;
        }
        let mut done = self.done();
        done.outcomes.extend(outcomes.drain(..));
        let receiver = done.receiver.take();
        drop(done);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// Takes all outcomes there are into `into`, which is empty; pending while there are none.
    pub(crate) fn poll_receive(&self, into: &mut VecDeque<Done>, cx: &mut Context<'_>) -> Poll<()> {
        let is_known = |done: &Finished| {
            let receiver = done.receiver.as_ref();
            receiver.is_some_and(|receiver| receiver.will_wake(cx.waker()))
        };
        let mut former = None;
        let mut done = self.done();
        if done.outcomes.is_empty() && !is_known(&done) {
            // Wakers are the executor's code, which is neither run nor dropped under the lock.
            drop(done);
            let waker = cx.waker().clone();
            done = self.done();
            former = done.receiver.replace(waker);
        }
        if done.outcomes.is_empty() {
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
