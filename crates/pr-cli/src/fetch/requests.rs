//! From the entries of the input to the requests of the batch: each as often as it is wanted, but
//! for those that are done.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use futures::Stream;
use parallel_requests::{Cancellation, RequestConfig};

use super::{
    input::Entries,
    journal::Done,
    line::Entry,
    window::{Seat, Window},
};

/// What an outcome has to know of its request.
pub(super) struct Asked {
    /// The place in the order of the input, from 0.
    pub(super) index: u64,
    /// The place among those that are sent, from 0.
    pub(super) turn: u64,
    /// The URL that was asked for.
    pub(super) url: Arc<str>,
    /// The line of the input.
    pub(super) line: Option<u64>,
    /// What is wrong with that line, if there is no request on it.
    pub(super) mistake: Option<Arc<str>>,
    /// Kept until the outcome has been written.
    pub(super) seat: Option<Seat>,
}

/// The requests of the batch, in the order of the input.
pub(super) struct Requests {
    entries: Entries,
    /// How often each is sent.
    repeat: u64,
    done: Arc<Done>,
    /// How many may be unwritten, if outcomes have an order.
    window: Option<Arc<Window>>,
    /// How many there are, if anybody knows.
    total: Option<u64>,
    /// Ends them.
    stop: Option<Cancellation>,
    /// Why the input cannot be read any further.
    broken: Arc<OnceLock<String>>,
    current: Option<Current>,
    turn: u64,
}

/// An entry that has to be sent still.
struct Current {
    entry: Entry,
    index: u64,
    /// The index after its last.
    end: u64,
}

impl Requests {
    pub(super) fn new(
        entries: Entries,
        repeat: u64,
        done: Arc<Done>,
        window: Option<Arc<Window>>,
        total: Option<u64>,
    ) -> Self {
        Self {
            entries,
            repeat,
            done,
            window,
            total,
            stop: None,
            broken: Arc::default(),
            current: None,
            turn: 0,
        }
    }

    /// Ends them when this is cancelled. A batch that is cancelled wants an outcome for whatever its
    /// input still has; here that would be the rest of the repetitions.
    pub(super) fn stop_at(&mut self, stop: Cancellation) {
        self.stop = Some(stop);
    }

    /// Where it is told why the input could not be read to its end.
    pub(super) fn broken(&self) -> Arc<OnceLock<String>> {
        Arc::clone(&self.broken)
    }
}

impl Stream for Requests {
    type Item = (Asked, RequestConfig);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.stop.as_ref().is_some_and(Cancellation::is_cancelled) {
            return Poll::Ready(None);
        }
        loop {
            let Some(current) = &mut this.current else {
                match ready!(this.entries.poll_recv(cx)) {
                    None => return Poll::Ready(None),
                    Some(Err(error)) => {
                        let _ = this.broken.set(error);
                        this.entries.close();
                        return Poll::Ready(None);
                    }
                    Some(Ok((number, entry))) => {
                        let index = number.saturating_mul(this.repeat);
                        let end = index.saturating_add(this.repeat);
                        this.current = Some(Current { entry, index, end });
                    }
                }
                continue;
            };
            if current.index == current.end {
                this.current = None;
                continue;
            }
            if this.done.contains(current.index) {
                current.index += 1;
                continue;
            }
            let seat = match &this.window {
                Some(window) => Some(ready!(Window::poll_seat(window, cx))),
                None => None,
            };
            let Entry { url, line, request } = &current.entry;
            let (request, mistake) = match request {
                Ok(request) => (request.clone(), None),
                // It is refused, as anything that has no URL.
                Err(mistake) => (RequestConfig::from(""), Some(mistake.clone())),
            };
            let asked = Asked {
                index: current.index,
                turn: this.turn,
                url: url.clone(),
                line: *line,
                mistake,
                seat,
            };
            current.index += 1;
            this.turn += 1;
            return Poll::Ready(Some((asked, request)));
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.total.map(|total| total.saturating_sub(self.turn));
        let left = left.and_then(|left| usize::try_from(left).ok());
        (left.unwrap_or(0), left)
    }
}
