//! The caller's side of a batch: pulls the input, keeps the keys, gives the outcomes out.

use std::{
    collections::VecDeque,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{
    Stream,
    future::{pending, poll_fn, select},
    task::AtomicWaker,
};
use pr_core::{BackendError, ErrorKind, NormalizedResponse, RequestConfig};
use slab::Slab;
use tokio::{
    task::coop::{self, unconstrained},
    time::{Instant, sleep},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    belt::{Belt, Done, Job},
    crew::{self, Crew, Site},
    flight::unless_it_panics,
    options::{Options, Stop},
    order::Order,
};
use crate::{
    BatchItem, Outcome,
    backlog::Backlog,
    batch::{Counts, attempts},
    held::Watch,
};

/// A batch that is under way, or about to be: nothing happens before it is first polled.
///
/// A request keeps its place in the window until its outcome has been given out. However slow the
/// caller, no more than the window's size is in flight or waits to be received; and what is in
/// flight moves on by itself, while input is pulled only here, when this is polled. Dropping it
/// cancels what is in flight.
pub(crate) struct Run<S: Stream<Item: BatchItem>, T, F> {
    crew: Arc<Crew>,
    options: Options,
    input: S,
    input_is: Input,
    /// Makes of a response what its outcome is to hold.
    read: F,
    /// The requests that have been pulled and whose outcomes have not been received.
    slots: Slab<Slot<<S::Item as BatchItem>::Key>>,
    received: VecDeque<Done>,
    /// If they are to be given out in the order of the input.
    order: Option<Order<<S::Item as BatchItem>::Key, T>>,
    counts: Counts,
    started: Option<Started>,
    stopped: Option<Stop>,
    /// Outcomes that were given out after that, and nobody had to wait for.
    at_once: usize,
}

struct Slot<K> {
    index: usize,
    key: K,
}

/// What is there from the first poll on.
struct Started {
    site: Site,
    belt: Arc<Belt>,
    backlog: Arc<Backlog>,
    /// The size of the window if nothing is held up.
    window: usize,
    held: Watch,
    /// Rings when more is held up.
    bell: Arc<AtomicWaker>,
    /// What has been pulled for each queue.
    outgoing: Vec<Vec<Job>>,
    deadline: Option<(Instant, Stop)>,
    /// Stops the batch from where it is worked on, whether this is polled or not.
    _watchdog: Option<AbortOnDropHandle<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    Open,
    /// In the middle of a pull. If it is found so, the caller's input has panicked.
    Pulling,
    Ended,
}

/// Why no more was pulled.
#[derive(PartialEq, Eq)]
enum Pulled {
    /// There is no room.
    Full,
    /// There is nothing now, or nothing any more.
    All,
}

/// The input is pulled in handfuls of an eighth of the window.
const HANDFULS: usize = 8;

/// After how many outcomes that nobody had to wait for others get their turn.
const TURN: usize = 1_024;

/// To how many outcomes more one comes that is turned into something else, where a task may have so
/// many to a turn.
const READING: usize = 7;

type Key<S> = <<S as Stream>::Item as BatchItem>::Key;

impl<S, T, F> Run<S, T, F>
where
    S: Stream<Item: BatchItem> + Unpin,
    F: FnMut(NormalizedResponse) -> Result<T, BackendError>,
{
    pub(crate) fn new(
        crew: Arc<Crew>,
        input: S,
        options: Options,
        read: F,
        counts: Counts,
    ) -> Self {
        Self {
            crew,
            order: options.reorder.map(Order::new),
            options,
            input,
            input_is: Input::Open,
            read,
            slots: Slab::new(),
            received: VecDeque::new(),
            counts,
            started: None,
            stopped: None,
            at_once: 0,
        }
    }

    /// The next outcome; `None` when every request has had its own.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Outcome<Key<S>, T>>> {
        if self.at_once >= TURN {
            self.at_once = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Whoever takes one outcome after the other in the same task is to leave others theirs, a
        // time limit around this for one.
        let turn = ready!(coop::poll_proceed(cx));
        loop {
            self.heed();
            let pulled = self.pull(cx);
            self.let_parked_go();
            match self.next_received() {
                Next::Outcome(outcome) => {
                    self.counts.publish(self.received.len());
                    self.at_once += usize::from(self.stopped.is_some());
                    turn.made_progress();
                    if self.options.is_typed {
                        charge_for_reading(cx);
                    }
                    return Poll::Ready(Some(outcome));
                }
                // There is room for other requests now.
                Next::OutOfTurn => continue,
                Next::Nothing => {}
            }
            self.counts.publish(0);
            if self.slots.is_empty() && self.input_is == Input::Ended {
                self.counts.end();
                return Poll::Ready(None);
            }
            if pulled == Pulled::Full && self.waits_for_room(cx) {
                continue;
            }
            self.let_parked_go_before_waiting(cx);
            let started = Started::get(&mut self.started, &self.crew, &self.options, &self.counts);
            ready!(started.belt.poll_receive(&mut self.received, cx));
        }
    }

    /// Looks whether the batch is to stop.
    fn heed(&mut self) {
        if self.stopped.is_some() {
            return;
        }
        let started = Started::get(&mut self.started, &self.crew, &self.options, &self.counts);
        self.stopped = started.belt.stopped();
        if self.stopped.is_some() {
            return;
        }
        // The watchdog does the same, if the runtime that it was on is still there.
        if let Some(cancellation) = &self.options.cancellation
            && cancellation.is_cancelled()
        {
            self.stop(Stop::Cancelled);
        } else if let Some((deadline, why)) = started.deadline
            && Instant::now() >= deadline
        {
            self.stop(why);
        }
    }

    fn stop(&mut self, why: Stop) {
        if let Some(started) = &self.started {
            started.belt.stop(why);
            self.stopped = started.belt.stopped();
        }
    }

    /// Pulls input until the window is full, and has it worked on.
    fn pull(&mut self, cx: &mut Context<'_>) -> Pulled {
        match self.input_is {
            Input::Open => {}
            Input::Ended => return Pulled::All,
            // What was pulled before the panic is still worked on and given out.
            Input::Pulling => {
                self.submit();
                self.end();
                return Pulled::All;
            }
        }
        let Some(room) = self.room() else {
            return Pulled::Full;
        };
        let mut pulled = Pulled::Full;
        for _ in 0..room {
            self.input_is = Input::Pulling;
            let next = self.next_input(cx);
            let Poll::Ready(Some(item)) = next else {
                let has_ended = next.is_ready() || self.stopped.is_some();
                self.input_is = if has_ended { Input::Ended } else { Input::Open };
                pulled = Pulled::All;
                break;
            };
            let (key, request) = item.into_parts();
            self.input_is = Input::Open;
            self.accept(key, request);
        }
        self.submit();
        if self.input_is == Input::Ended {
            self.end();
        }
        pulled
    }

    fn next_input(&mut self, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if self.stopped.is_none() {
            return Pin::new(&mut self.input).poll_next(cx);
        }
        // This is the last time that it is asked, so that it must not hold back what it has, as
        // channels do in a task that has had its turn.
        let next = poll_fn(|cx| Pin::new(&mut self.input).poll_next(cx));
        pin!(unconstrained(next)).poll(cx)
    }

    /// Keeps what the outcome of a request needs, and puts the request down for later.
    fn accept(&mut self, key: Key<S>, request: RequestConfig) {
        let slot = self.slots.insert(Slot {
            index: self.counts.pulled,
            key,
        });
        self.counts.pulled += 1;
        match (self.stopped, &mut self.started) {
            (None, Some(started)) => {
                let queue = crew::queue(&request, started.outgoing.len());
                started.outgoing[queue].push(Job { slot, request });
            }
            (Some(why), _) => self.received.push_back(Done::stopped(slot, request, why)),
            // Whoever pulls has begun.
            (None, None) => {}
        }
    }

    /// How many requests may be pulled, if those are enough to be worth it.
    fn room(&mut self) -> Option<usize> {
        if self.order.as_ref().is_some_and(Order::is_full) {
            return None;
        }
        let started = Started::get(&mut self.started, &self.crew, &self.options, &self.counts);
        let held = started.held.count().min(self.options.look_ahead);
        let window = started.window.saturating_add(held);
        let room = window.saturating_sub(self.slots.len());
        (room >= (started.window / HANDFULS).max(1)).then_some(room)
    }

    /// Whether there is room by now. If there is not, this is polled again when more is held up:
    /// everything that was pulled may be held up before long, and then there is no outcome to go on
    /// with.
    fn waits_for_room(&mut self, cx: &mut Context<'_>) -> bool {
        let started = Started::get(&mut self.started, &self.crew, &self.options, &self.counts);
        started.bell.register(cx.waker());
        started.held.arm();
        self.room().is_some()
    }

    /// Lets requests go on that wait until there are fewer outcomes to be received, if there are.
    fn let_parked_go(&mut self) {
        if let Some(started) = &self.started
            && started.backlog.has_parked()
        {
            let held = started.held.count().min(self.options.look_ahead);
            started.backlog.let_go(held);
        }
    }

    /// As [`let_parked_go`](Self::let_parked_go), for when there is nothing to be received: none is
    /// missed then, and this is polled again when more is held up.
    fn let_parked_go_before_waiting(&mut self, cx: &mut Context<'_>) {
        if let Some(started) = &mut self.started {
            started.backlog.settle();
            if started.backlog.has_parked() {
                started.bell.register(cx.waker());
                started.held.arm();
                self.let_parked_go();
            }
        }
    }

    /// Has worked on what has been pulled.
    fn submit(&mut self) {
        let Some(started) = &mut self.started else {
            return;
        };
        started.backlog.pulled(self.counts.pulled);
        let (site, belt) = (&started.site, &started.belt);
        let (unfinished, look_ahead) = (self.slots.len(), self.options.look_ahead);
        for (queue, jobs) in started.outgoing.iter_mut().enumerate() {
            if jobs.is_empty() {
                continue;
            }
            match self.crew.staff(site, belt, queue, unfinished, look_ahead) {
                Ok(()) => belt.submit(queue, jobs, BackendError::backend_closed),
                Err(why) => belt.strand(jobs.drain(..), why),
            }
        }
    }

    fn end(&mut self) {
        self.input_is = Input::Ended;
        if let Some(started) = &self.started {
            started.belt.end();
        }
    }

    fn next_received(&mut self) -> Next<Key<S>, T> {
        if let Some(outcome) = self.order.as_mut().and_then(Order::take) {
            return Next::Outcome(outcome);
        }
        let mut next = Next::Nothing;
        while let Some(done) = self.received.pop_front() {
            let outcome = self.land(done);
            let Some(order) = &mut self.order else {
                return Next::Outcome(outcome);
            };
            order.put(outcome);
            if let Some(outcome) = order.take() {
                return Next::Outcome(outcome);
            }
            next = Next::OutOfTurn;
        }
        next
    }

    /// Makes of what has come of a request what its caller is given.
    fn land(&mut self, done: Done) -> Outcome<Key<S>, T> {
        let Slot { index, key } = self.slots.remove(done.slot);
        let Done {
            elapsed,
            mut request,
            result,
            ..
        } = done;
        self.counts.retried += done.retries as u64;
        let tried = if !done.is_begun {
            let earlier = result.as_ref().err().map(BackendError::earlier_attempts);
            Some(earlier.unwrap_or_default().into())
        } else if self.options.turns(&result) {
            Some(attempts(elapsed, &result).into())
        } else {
            None
        };
        let result = result.and_then(|response| {
            self.counts.bytes += response.body_bytes_received();
            self.read(response, request.as_ref())
        });
        if result.is_ok() {
            self.counts.succeeded += 1;
            request = None;
        } else {
            self.counts.failed += 1;
            if let Some(most) = self.options.max_failures
                && self.counts.failed > most
                && self.stopped.is_none()
            {
                self.stop(Stop::Failures(most));
            }
        }
        if let Some(started) = &self.started {
            let given = self.counts.succeeded + self.counts.failed;
            started.backlog.given(given);
        }
        Outcome {
            index,
            key,
            elapsed,
            result,
            request,
            attempts: tried,
        }
    }

    fn read(
        &mut self,
        response: NormalizedResponse,
        request: Option<&RequestConfig>,
    ) -> Result<T, BackendError> {
        let response = if self.options.error_for_status {
            response.error_for_status()?
        } else {
            response
        };
        if !self.options.is_typed {
            return (self.read)(response);
        }
        unless_it_panics(|| (self.read)(response)).unwrap_or_else(|| {
            let why = "the function that reads responses panicked; the panic's message is on \
                       standard error";
            let error = BackendError::new(ErrorKind::Other, why);
            Err(match request.and_then(RequestConfig::url) {
                Some(url) => error.with_url(url),
                None => error,
            })
        })
    }
}

/// Has the current task yield earlier than after so many outcomes as Tokio has for a turn: what the
/// caller makes of each takes its time.
fn charge_for_reading(cx: &mut Context<'_>) {
    for _ in 0..READING {
        if !coop::has_budget_remaining() {
            return;
        }
        if let Poll::Ready(turn) = coop::poll_proceed(cx) {
            turn.made_progress();
        }
    }
}

/// What there is among the outcomes that were received.
enum Next<K, T> {
    Outcome(Outcome<K, T>),
    /// Some, and none whose turn it is.
    OutOfTurn,
    Nothing,
}

impl Started {
    /// What there is from the first poll on.
    fn get<'s>(
        started: &'s mut Option<Self>,
        crew: &Crew,
        options: &Options,
        counts: &Counts,
    ) -> &'s mut Self {
        started.get_or_insert_with(|| {
            let started = Self::new(crew, options);
            counts.begin(&started.belt);
            started
        })
    }

    fn new(crew: &Crew, options: &Options) -> Self {
        let (site, window) = (crew.site(), crew.window());
        let backlog = Arc::new(Backlog::new(window));
        let queues = crew.queues(&site);
        let belt = Arc::new(Belt::new(queues, backlog.clone(), options.may_fail_late()));
        let doorbell = Arc::new(AtomicWaker::new());
        let deadline = options.deadline.and_then(|limit| {
            // One that is too far away to be told is none.
            Some((Instant::now().checked_add(limit)?, Stop::Deadline(limit)))
        });
        let is_watched = deadline.is_some() || options.cancellation.is_some();
        let watchdog = is_watched.then(|| crew.watch(&site, watch(belt.clone(), options)));
        Self {
            window,
            site,
            belt,
            backlog,
            held: Watch::new(crew.gauges.held().clone(), doorbell.clone()),
            bell: doorbell,
            outgoing: (0..queues).map(|_| Vec::new()).collect(),
            deadline,
            _watchdog: watchdog.flatten(),
        }
    }
}

/// Stops a batch when it is time.
fn watch(belt: Arc<Belt>, options: &Options) -> impl Future<Output = ()> + Send + 'static {
    let (limit, cancellation) = (options.deadline, options.cancellation.clone());
    async move {
        let deadline = async {
            match limit {
                Some(limit) => {
                    sleep(limit).await;
                    Stop::Deadline(limit)
                }
                None => pending().await,
            }
        };
        let cancelled = async {
            match cancellation {
                Some(cancellation) => {
                    cancellation.cancelled().await;
                    Stop::Cancelled
                }
                None => pending().await,
            }
        };
        let (cancelled, deadline) = (pin!(cancelled), pin!(deadline));
        let why = select(cancelled, deadline).await.factor_first().0;
        belt.stop(why);
    }
}

impl<S: Stream<Item: BatchItem>, T, F> Drop for Run<S, T, F> {
    fn drop(&mut self) {
        if let Some(started) = &self.started {
            started.belt.cancel();
        }
    }
}
