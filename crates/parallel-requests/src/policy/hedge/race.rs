//! One request and its copies: the first good reply wins.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::StatusCode;
use pr_core::{Delivery, RequestConfig};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{service::Shared, underway::UnderWay};
use crate::policy::{Reply, RequestService, admission::Place, origin::Origin};

/// A request under way, with its copies.
pub(crate) struct Race<S: RequestService> {
    inner: S,
    request: RequestConfig,
    shared: Arc<Shared>,
    began: Instant,
    /// Where its time counts, if it does.
    origin: Option<Origin>,
    /// Those that have not ended, in the order in which they began.
    runners: Vec<Runner<S>>,
    next: Option<Next>,
    /// The best of the replies that were not good.
    fallback: Option<Reply>,
    /// Whether the gate knows of the reply that this ended with.
    has_reported: bool,
}

struct Runner<S: RequestService> {
    call: S::Future,
    /// None for the first, whose place is not ours.
    place: Option<Place>,
}

/// When the next copy is due.
struct Next {
    /// Until it is under way it needs no patience, and has no timer.
    first: Arc<UnderWay>,
    /// When the last copy went.
    copied: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    patience: Duration,
    copies_left: u32,
}

impl<S: RequestService> Race<S> {
    /// Sends the first.
    pub(super) fn start(mut inner: S, request: RequestConfig, shared: Arc<Shared>) -> Self {
        let origin = shared.measured(&request);
        let mut first = request.clone();
        let next = shared.patience(origin.as_ref()).map(|patience| {
            let watched = UnderWay::watch(first.clone());
            first = watched.0;
            Next {
                first: watched.1,
                copied: None,
                timer: None,
                patience,
                copies_left: shared.max_hedges(),
            }
        });
        let first = Runner {
            call: inner.call(first),
            place: None,
        };
        Self {
            inner,
            request,
            shared,
            began: Instant::now(),
            origin,
            runners: vec![first],
            next,
            fallback: None,
            has_reported: false,
        }
    }

    /// Whether the gate has been told of the reply that this gave.
    pub(super) fn has_reported(&self) -> bool {
        self.has_reported
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Reply> {
        loop {
            let mut index = 0;
            while let Some(runner) = self.runners.get_mut(index) {
                let Poll::Ready(reply) = Pin::new(&mut runner.call).poll(cx) else {
                    index += 1;
                    continue;
                };
                let place = self.runners.remove(index).place;
                let was_copy = place.is_some();
                let is_good = is_good(&reply);
                // The gate learns of each reply when it is there, and once: its host may ask for a pause.
                match place {
                    Some(place) => {
                        place.finish(&reply);
                        self.has_reported = true;
                    }
                    // The first's place is given back, and what it replied told, by whoever has it, if
                    // that is right now.
                    None if is_good || self.runners.is_empty() && self.fallback.is_none() => {
                        self.has_reported = false;
                    }
                    None => {
                        let gate = self.shared.gate();
                        gate.hear(&self.request, &reply, self.began);
                        self.has_reported = true;
                    }
                }
                if is_good {
                    return Poll::Ready(self.won(reply, was_copy));
                }
                self.fallback = Some(match self.fallback.take() {
                    None => reply,
                    Some(other) => more_telling(other, reply),
                });
            }
            if self.runners.is_empty() {
                return match self.fallback.take() {
                    Some(reply) => Poll::Ready(reply),
                    None => Poll::Pending,
                };
            }
            if !self.hedges(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Sends a copy if it is time; whether it did.
    fn hedges(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(next) = &mut self.next else {
            return false;
        };
        let began = next.copied.or_else(|| next.first.since(cx));
        let Some(due) = began.and_then(|began| began.checked_add(next.patience)) else {
            next.timer = None;
            return false;
        };
        let timer = match &mut next.timer {
            Some(timer) if timer.deadline() == due => timer,
            timer => timer.insert(Box::pin(sleep_until(due))),
        };
        if timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        let Some(place) = self.shared.place(&self.request) else {
            // A client that is busy, or has made enough of them, does not wait to send yet more.
            self.next = None;
            return false;
        };
        next.copies_left = next.copies_left.saturating_sub(1);
        if next.copies_left == 0 {
            self.next = None;
        } else {
            next.copied = Some(Instant::now());
        }
        tracing::debug!(url = self.request.display_url(), "hedged");
        self.runners.push(Runner {
            call: self.inner.call(self.request.clone()),
            place: Some(place),
        });
        true
    }

    /// Drops the others, and with them their connections' streams and their places.
    fn won(&mut self, reply: Reply, was_copy: bool) -> Reply {
        self.runners.clear();
        self.next = None;
        self.fallback = None;
        if was_copy {
            tracing::debug!(url = self.request.display_url(), "the hedge won");
        }
        if let Some(origin) = &self.origin {
            // If a copy won, the first would have taken at least this long.
            self.shared.record(origin, self.began.elapsed());
        }
        reply
    }
}

fn is_good(reply: &Reply) -> bool {
    reply.as_ref().is_ok_and(|response| {
        let status = response.status_code();
        !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS
    })
}

/// A response rather than an error; of two errors the one that does not claim that less has happened.
fn more_telling(one: Reply, other: Reply) -> Reply {
    match (&one, &other) {
        (Ok(_), Err(_)) => one,
        (Err(first), Err(second)) if is_worse(first.delivery(), second.delivery()) => one,
        _ => other,
    }
}

fn is_worse(one: Delivery, other: Delivery) -> bool {
    match one {
        Delivery::Unknown => other != Delivery::Unknown,
        Delivery::NotProcessed => other == Delivery::NotSent,
        Delivery::NotSent => false,
    }
}
