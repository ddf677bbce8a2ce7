//! The caller's side of a batch: pulls the input, keeps the keys, gives the outcomes out.

use std::{
    collections::VecDeque,
    iter::Enumerate,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pr_core::BackendError;
use slab::Slab;

use super::{
    belt::{Belt, Done, Job},
    crew::{self, Crew, Place},
};
use crate::{BatchItem, Outcome};

/// A batch that is under way, or about to be: nothing happens before it is first polled.
///
/// A request keeps its place in the window until its outcome has been given out. However slow the
/// caller, no more than the window's size is in flight or waits to be received; and what is in
/// flight moves on by itself, while input is pulled only here, when this is polled. Dropping it
/// cancels what is in flight.
pub(crate) struct Run<I: Iterator<Item: BatchItem>> {
    crew: Arc<Crew>,
    input: Enumerate<I>,
    input_is: Input,
    /// The requests that have been pulled and whose outcomes have not been given out.
    slots: Slab<Slot<<I::Item as BatchItem>::Key>>,
    received: VecDeque<Done>,
    started: Option<Started>,
}

struct Slot<K> {
    index: usize,
    key: K,
}

/// What is there from the first poll on.
struct Started {
    place: Place,
    belt: Arc<Belt>,
    window: usize,
    /// What has been pulled for each queue.
    outgoing: Vec<Vec<Job>>,
}

#[derive(PartialEq, Eq)]
enum Input {
    Open,
    /// In the middle of a pull. If it is found so, the caller's iterator has panicked.
    Pulling,
    Ended,
}

/// The input is pulled in handfuls of an eighth of the window.
const HANDFULS: usize = 8;

impl<I: Iterator<Item: BatchItem>> Run<I> {
    pub(crate) fn new(input: I, crew: Arc<Crew>) -> Self {
        Self {
            crew,
            input: input.enumerate(),
            input_is: Input::Open,
            slots: Slab::new(),
            received: VecDeque::new(),
            started: None,
        }
    }

    /// The next outcome, in the order of completion; `None` when every request has had its own.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Outcome<<I::Item as BatchItem>::Key>>> {
        loop {
            self.pull();
            if let Some(done) = self.received.pop_front() {
                let Slot { index, key } = self.slots.remove(done.slot);
                return Poll::Ready(Some(Outcome {
                    index,
                    key,
                    elapsed: done.elapsed,
                    result: done.result,
                }));
            }
            match &self.started {
                Some(started) if !self.slots.is_empty() => {
                    ready!(started.belt.poll_receive(&mut self.received, cx));
                }
                _ => return Poll::Ready(None),
            }
        }
    }

    /// Pulls input until the window is full, and has it worked on.
    fn pull(&mut self) {
        match self.input_is {
            Input::Open => {}
            Input::Ended => return,
            // What was pulled before the panic is still worked on and given out.
            Input::Pulling => {
                self.submit();
                return self.end();
            }
        }
        let crew = &self.crew;
        let Started {
            window, outgoing, ..
        } = self.started.get_or_insert_with(|| Started::new(crew));
        let free = window.saturating_sub(self.slots.len());
        if free < (*window / HANDFULS).max(1) {
            return;
        }
        let mut ended = false;
        while self.slots.len() < *window {
            self.input_is = Input::Pulling;
            let next = self.input.next();
            let Some((index, item)) = next else {
                ended = true;
                break;
            };
            let (key, request) = item.into_parts();
            self.input_is = Input::Open;
            let queue = crew::queue(&request, outgoing.len());
            let slot = self.slots.insert(Slot { index, key });
            outgoing[queue].push(Job {
                slot,
                request: Box::new(request),
            });
        }
        self.submit();
        if ended {
            self.end();
        }
    }

    /// Has worked on what has been pulled.
    fn submit(&mut self) {
        let Some(started) = &mut self.started else {
            return;
        };
        let (place, belt) = (&started.place, &started.belt);
        for (queue, jobs) in started.outgoing.iter_mut().enumerate() {
            if jobs.is_empty() {
                continue;
            }
            match self.crew.staff(place, belt, queue, self.slots.len()) {
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
}

impl Started {
    fn new(crew: &Crew) -> Self {
        let place = crew.place();
        let queues = crew.queues(&place);
        Self {
            window: crew.window(),
            place,
            belt: Arc::new(Belt::new(queues)),
            outgoing: (0..queues).map(|_| Vec::new()).collect(),
        }
    }
}

impl<I: Iterator<Item: BatchItem>> Drop for Run<I> {
    fn drop(&mut self) {
        if let Some(started) = &self.started {
            started.belt.cancel();
        }
    }
}
