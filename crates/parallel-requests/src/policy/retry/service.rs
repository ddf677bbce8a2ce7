//! The layer that makes attempts until one will do.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pr_core::{Attempt, BackendError, NormalizedResponse, RequestConfig};
use tokio::time::Instant;
use tower::{Layer, Service};

use super::{
    RetryBudget, RetryPolicy,
    budget::Withdrawal,
    decide::{Settings, is_refusal, worse},
};
use crate::{
    backlog, cut_off,
    held::Held,
    policy::{BoxedReply, CircuitBreaker, Reply, RequestService, admission::MayQueue},
};

/// Puts the policy around a service.
#[derive(Clone, Debug)]
pub(crate) struct RetryLayer {
    policy: RetryPolicy,
    budget: RetryBudget,
    breaker: Option<CircuitBreaker>,
    held: Held,
}

impl RetryLayer {
    pub(crate) fn new(
        policy: RetryPolicy,
        budget: RetryBudget,
        breaker: Option<CircuitBreaker>,
        held: Held,
    ) -> Self {
        Self {
            policy,
            budget,
            breaker,
            held,
        }
    }
}

impl<S: RequestService> Layer<S> for RetryLayer
where
    S::Future: MayQueue,
{
    type Service = Retrying<S>;

    fn layer(&self, inner: S) -> Retrying<S> {
        Retrying {
            again: Arc::new(Again {
                inner: inner.clone(),
                policy: self.policy.clone(),
                budget: self.budget.clone(),
                breaker: self.breaker.clone(),
                held: self.held.clone(),
            }),
            inner,
        }
    }
}

/// A service that makes attempts until one will do.
#[derive(Clone, Debug)]
pub(crate) struct Retrying<S> {
    inner: S,
    again: Arc<Again<S>>,
}

/// What it takes to try again; shared, so that a request holds a handle of it and no more.
#[derive(Debug)]
pub(crate) struct Again<S> {
    inner: S,
    policy: RetryPolicy,
    budget: RetryBudget,
    /// Asked before a backoff, so that nobody waits for what would be refused.
    breaker: Option<CircuitBreaker>,
    held: Held,
}

impl<S: RequestService> Service<RequestConfig> for Retrying<S>
where
    S::Future: MayQueue,
{
    type Response = NormalizedResponse;
    type Error = BackendError;
    type Future = Attempts<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: RequestConfig) -> Attempts<S> {
        if self.again.settings_for(&request).is_never() {
            // If the client's policy is the same, its defaults forbid it already. A change is a copy.
            if !self.again.policy.is_never() || request.resend_setting().is_some() {
                request = request.resend(false);
            }
            return Attempts::Only(self.inner.call(request));
        }
        if self.again.policy.is_never() && request.resend_setting().is_none() {
            // Its own policy goes over the client's, which forbids this by default.
            request = request.resend(true);
        }
        self.again.budget.deposit();
        if !request.is_replayable() {
            return Attempts::Only(self.inner.call(request));
        }
        Attempts::First {
            call: self.inner.call(request.clone()),
            request: Some(request),
            began: Instant::now(),
            again: self.again.clone(),
        }
    }
}

/// A request with its attempts: the first by value, and those that few requests need in a box.
pub(crate) enum Attempts<S: RequestService> {
    /// There will be no other.
    Only(S::Future),
    First {
        call: S::Future,
        /// Taken with the reply.
        request: Option<RequestConfig>,
        began: Instant,
        again: Arc<Again<S>>,
    },
    Further(BoxedReply),
}

impl<S: RequestService> Future for Attempts<S>
where
    S::Future: MayQueue,
{
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let this = self.get_mut();
        loop {
            match this {
                Self::Only(call) => return Pin::new(call).poll(cx),
                Self::First {
                    call,
                    request,
                    began,
                    again,
                } => {
                    let reply = ready!(Pin::new(&mut *call).poll(cx));
                    let Some(request) = request.take() else {
                        return Poll::Ready(reply);
                    };
                    if !again
                        .settings_for(&request)
                        .wants_another(&request, 1, &reply)
                    {
                        return Poll::Ready(reply);
                    }
                    let admitted = call.admitted_at().unwrap_or(*began);
                    let clock = Clock::new(*began, admitted);
                    let Some(pause) = again.pause(&request, 1, &clock) else {
                        return Poll::Ready(reply);
                    };
                    let failed = Failed::new(&clock, admitted, reply, pause);
                    let further = again.clone().further(request, clock, failed);
                    *this = Self::Further(Box::pin(further));
                }
                Self::Further(call) => return call.as_mut().poll(cx),
            }
        }
    }
}

/// How long a request has been under way, and how much of that it spent in line.
struct Clock {
    began: Instant,
    in_line: Duration,
}

impl Clock {
    fn new(began: Instant, admitted: Instant) -> Self {
        Self {
            began,
            in_line: admitted.saturating_duration_since(began),
        }
    }

    /// A further attempt was handed over then, and had its turn then.
    fn waited(&mut self, from: Instant, until: Instant) {
        self.in_line += until.saturating_duration_since(from);
    }

    /// The time that counts.
    fn elapsed(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.in_line)
    }
}

/// The attempts so far, which are not lost if the request is cut off.
struct Earlier(Vec<Attempt>);

impl Drop for Earlier {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            cut_off::earlier_attempts(mem::take(&mut self.0));
        }
    }
}

/// An attempt that is to be followed by another.
struct Failed {
    attempt: Attempt,
    /// What the request has come to if the other cannot be made.
    reply: Reply,
    pause: Pause,
}

impl Failed {
    fn new(clock: &Clock, admitted: Instant, reply: Reply, pause: Pause) -> Self {
        let started = admitted.saturating_duration_since(clock.began);
        let mut attempt = Attempt::of(started, admitted.elapsed(), &reply);
        attempt.backoff = Some(pause.backoff);
        Self {
            attempt,
            reply,
            pause,
        }
    }
}

/// What is between two attempts.
struct Pause {
    backoff: Duration,
    withdrawal: Withdrawal,
}

impl<S> Again<S> {
    /// The request's own policy, or else the client's.
    fn settings_for<'a>(&'a self, request: &'a RequestConfig) -> &'a Settings {
        let own = request.extension_ref::<RetryPolicy>();
        own.unwrap_or(&self.policy).settings()
    }

    /// The pause after the attempt of this number, if there is time and budget for another, and it
    /// would not be refused.
    fn pause(&self, request: &RequestConfig, number: u32, clock: &Clock) -> Option<Pause> {
        let settings = self.settings_for(request);
        let backoff = settings.backoff.draw(number - 1);
        if let Some(limit) = settings.max_elapsed
            && clock.elapsed().saturating_add(backoff) > limit
        {
            tracing::debug!(
                attempt = number,
                "not retried: max_elapsed would have passed"
            );
            return None;
        }
        if let Some(breaker) = &self.breaker
            && breaker.is_open_for(request, backoff)
        {
            tracing::debug!(attempt = number, "not retried: the circuit is open");
            return None;
        }
        let Some(withdrawal) = self.budget.reserve_one() else {
            tracing::debug!(attempt = number, "not retried: the retry budget is spent");
            return None;
        };
        Some(Pause {
            backoff,
            withdrawal,
        })
    }

    /// The reply with the attempts before it: an error says of the request's fate what is true of all
    /// of them.
    fn told(&self, request: &RequestConfig, reply: Reply, earlier: Vec<Attempt>) -> Reply {
        match reply {
            Ok(response) => Ok(response.with_earlier_attempts(earlier)),
            Err(error) => {
                let settings = self.settings_for(request);
                let fates = earlier.iter().map(|attempt| settings.fate(attempt));
                let fate = fates.fold(error.delivery(), worse);
                Err(error.with_delivery(fate).with_earlier_attempts(earlier))
            }
        }
    }
}

impl<S: RequestService> Again<S>
where
    S::Future: MayQueue,
{
    /// All attempts after the first, which failed like this.
    async fn further(
        self: Arc<Self>,
        request: RequestConfig,
        mut clock: Clock,
        mut failed: Failed,
    ) -> Reply {
        let mut earlier = Earlier(Vec::with_capacity(1));
        let mut number = 1;
        loop {
            let Failed {
                attempt,
                reply: in_hand,
                pause:
                    Pause {
                        backoff,
                        mut withdrawal,
                    },
            } = failed;
            announce(&request, number, &attempt);
            earlier.0.push(attempt);
            {
                let _held = self.held.hold();
                tokio::time::sleep(backoff).await;
            }
            if let Some(parked) = backlog::wait() {
                parked.await;
            }
            number += 1;
            let called = Instant::now();
            let (reply, admitted) = self.attempt(request.clone(), &mut withdrawal).await;
            if is_refusal(&reply) {
                tracing::debug!(
                    url = request.display_url(),
                    attempt = number,
                    "not sent: the circuit is open, or it had no turn in time"
                );
                // The attempt before is the last after all.
                earlier.0.pop();
                return self.told(&request, in_hand, mem::take(&mut earlier.0));
            }
            drop(in_hand);
            let admitted = admitted.unwrap_or(called);
            clock.waited(called, admitted);
            let settings = self.settings_for(&request);
            let pause = if settings.wants_another(&request, number, &reply) {
                self.pause(&request, number, &clock)
            } else {
                None
            };
            let Some(pause) = pause else {
                return self.told(&request, reply, mem::take(&mut earlier.0));
            };
            failed = Failed::new(&clock, admitted, reply, pause);
        }
    }

    /// One of them, which is spent when it has had its turn; and when that was, if it had to wait.
    async fn attempt(
        &self,
        request: RequestConfig,
        withdrawal: &mut Withdrawal,
    ) -> (Reply, Option<Instant>) {
        let mut call = self.inner.clone().call(request);
        let reply = poll_fn(|cx| {
            let reply = Pin::new(&mut call).poll(cx);
            withdrawal.is_spent = match &reply {
                Poll::Ready(reply) => !is_refusal(reply),
                Poll::Pending => !call.is_queued(),
            };
            reply
        });
        let reply = reply.await;
        (reply, call.admitted_at())
    }
}

fn announce(request: &RequestConfig, number: u32, attempt: &Attempt) {
    let backoff = attempt.backoff;
    match &attempt.result {
        Ok(status) => tracing::debug!(
            url = request.display_url(),
            attempt = number,
            status = status.as_u16(),
            ?backoff,
            "retried"
        ),
        Err(error) => tracing::debug!(
            url = request.display_url(),
            attempt = number,
            kind = error.kind.as_str(),
            ?backoff,
            "retried"
        ),
    }
}
