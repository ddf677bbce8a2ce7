//! The layer that makes attempts until one will do.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pr_core::{Attempt, BackendError, NormalizedResponse, RequestConfig};
use tokio::time::Instant;
use tower::{Layer, Service};

use super::{RetryBudget, RetryPolicy, decide::Settings};
use crate::{
    held::Held,
    policy::{BoxedReply, Reply, RequestService},
};

/// Puts the policy around a service.
#[derive(Clone, Debug)]
pub(crate) struct RetryLayer {
    policy: RetryPolicy,
    budget: RetryBudget,
    held: Held,
}

impl RetryLayer {
    pub(crate) fn new(policy: RetryPolicy, budget: RetryBudget, held: Held) -> Self {
        Self {
            policy,
            budget,
            held,
        }
    }
}

impl<S: RequestService> Layer<S> for RetryLayer {
    type Service = Retrying<S>;

    fn layer(&self, inner: S) -> Retrying<S> {
        Retrying {
            again: Arc::new(Again {
                inner: inner.clone(),
                policy: self.policy.clone(),
                budget: self.budget.clone(),
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
    held: Held,
}

impl<S: RequestService> Service<RequestConfig> for Retrying<S> {
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

impl<S: RequestService> Future for Attempts<S> {
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
                    let reply = ready!(Pin::new(call).poll(cx));
                    let Some(request) = request.take() else {
                        return Poll::Ready(reply);
                    };
                    if !again
                        .settings_for(&request)
                        .wants_another(&request, 1, &reply)
                    {
                        return Poll::Ready(reply);
                    }
                    let Some(backoff) = again.backoff(&request, 1, *began) else {
                        return Poll::Ready(reply);
                    };
                    let failed = Failed {
                        attempt: Attempt::of(Duration::ZERO, began.elapsed(), &reply),
                        backoff,
                    };
                    let further = again.clone().further(request, *began, failed);
                    *this = Self::Further(Box::pin(further));
                }
                Self::Further(call) => return call.as_mut().poll(cx),
            }
        }
    }
}

/// An attempt that is to be followed by another.
struct Failed {
    attempt: Attempt,
    backoff: Duration,
}

impl<S> Again<S> {
    /// The request's own policy, or else the client's.
    fn settings_for<'a>(&'a self, request: &'a RequestConfig) -> &'a Settings {
        let own = request.extension_ref::<RetryPolicy>();
        own.unwrap_or(&self.policy).settings()
    }

    /// The pause after the attempt of this number, if there is time and budget for another.
    fn backoff(&self, request: &RequestConfig, number: u32, began: Instant) -> Option<Duration> {
        let settings = self.settings_for(request);
        let backoff = settings.backoff.draw(number - 1);
        if let Some(limit) = settings.max_elapsed
            && began.elapsed().saturating_add(backoff) > limit
        {
            tracing::debug!(
                attempt = number,
                "not retried: max_elapsed would have passed"
            );
            return None;
        }
        if !self.budget.withdraw() {
            tracing::debug!(attempt = number, "not retried: the retry budget is spent");
            return None;
        }
        Some(backoff)
    }
}

impl<S: RequestService> Again<S> {
    /// All attempts after the first, which failed like this.
    async fn further(
        self: Arc<Self>,
        request: RequestConfig,
        began: Instant,
        mut failed: Failed,
    ) -> Reply {
        let mut inner = self.inner.clone();
        let mut earlier = Vec::with_capacity(1);
        let mut number = 1;
        loop {
            let Failed {
                mut attempt,
                backoff,
            } = failed;
            attempt.backoff = Some(backoff);
            announce(&request, number, &attempt);
            earlier.push(attempt);
            {
                let _held = self.held.hold();
                tokio::time::sleep(backoff).await;
            }
            number += 1;
            let started = began.elapsed();
            let reply = inner.call(request.clone()).await;
            let pause = if self
                .settings_for(&request)
                .wants_another(&request, number, &reply)
            {
                self.backoff(&request, number, began)
            } else {
                None
            };
            let Some(backoff) = pause else {
                return told(reply, earlier);
            };
            let elapsed = began.elapsed().saturating_sub(started);
            failed = Failed {
                attempt: Attempt::of(started, elapsed, &reply),
                backoff,
            };
        }
    }
}

/// The reply that lists the attempts before it.
fn told(reply: Reply, earlier: Vec<Attempt>) -> Reply {
    match reply {
        Ok(response) => Ok(response.with_earlier_attempts(earlier)),
        Err(error) => Err(error.with_earlier_attempts(earlier)),
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
