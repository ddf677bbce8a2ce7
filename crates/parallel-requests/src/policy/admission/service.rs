//! The gate as a `tower` layer.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::future::BoxFuture;
use pr_core::{BackendError, NormalizedResponse, RequestConfig};
use tokio::time::Instant;
use tower::{Layer, Service};

use super::{
    gate::{Gate, Place, Reception},
    queued::Queued,
};
use crate::{
    backlog,
    policy::{Reply, RequestService},
};

impl<S: RequestService> Layer<S> for Gate
where
    S::Future: MayReport,
{
    type Service = Admitted<S>;

    fn layer(&self, inner: S) -> Admitted<S> {
        Admitted {
            inner,
            gate: self.clone(),
        }
    }
}

/// A service whose calls wait until they may go.
#[derive(Clone, Debug)]
pub(crate) struct Admitted<S> {
    inner: S,
    gate: Gate,
}

impl<S: RequestService> Service<RequestConfig> for Admitted<S>
where
    S::Future: MayReport,
{
    type Response = NormalizedResponse;
    type Error = BackendError;
    type Future = Admission<S>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: RequestConfig) -> Admission<S> {
        match self.gate.receive(&request) {
            Reception::Go(place) => Admission::Inside {
                call: self.inner.call(request),
                place: Some(place),
            },
            Reception::Wait(ticket) => Admission::Outside(Box::new(Outside {
                stage: Stage::Queued(Queued::new(ticket, self.gate.queue_timeout(), &request)),
                request,
                inner: self.inner.clone(),
                gate: self.gate.clone(),
            })),
        }
    }
}

/// An attempt on its way to and through its place.
pub(crate) enum Admission<S: RequestService> {
    Inside {
        call: S::Future,
        place: Option<Place>,
    },
    Outside(Box<Outside<S>>),
    /// It has ended, or broke on its way in. Since when it had its place, if that is known.
    Over(Option<Instant>),
}

/// A future of an attempt that may have to wait for its turn.
pub(crate) trait MayQueue {
    /// Whether it still waits; if so, nothing has been sent.
    fn is_queued(&self) -> bool;

    /// When its turn came, if it is over and had to wait. For one that went at once it may be `None`.
    fn admitted_at(&self) -> Option<Instant>;
}

impl<S: RequestService> MayQueue for Admission<S> {
    fn is_queued(&self) -> bool {
        matches!(self, Self::Outside(_))
    }

    fn admitted_at(&self) -> Option<Instant> {
        match self {
            Self::Over(since) => *since,
            Self::Inside { .. } | Self::Outside(_) => None,
        }
    }
}

/// A future of an attempt that may have told the gate of its reply already.
pub(crate) trait MayReport {
    /// Whether it has, so that the gate need not look at what it gave.
    fn has_reported(&self) -> bool;
}

/// An attempt that waits.
pub(crate) struct Outside<S> {
    stage: Stage,
    request: RequestConfig,
    inner: S,
    gate: Gate,
}

/// What an attempt waits for.
enum Stage {
    /// Its turn.
    Queued(Queued),
    /// The caller of its batch, who is behind with its outcomes. It has no place meanwhile.
    Parked(BoxFuture<'static, ()>),
}

impl<S> Outside<S> {
    /// The place, when its turn has come and there is room for what will come of it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Place, BackendError>> {
        loop {
            match &mut self.stage {
                Stage::Queued(queued) => {
                    let place = ready!(queued.poll(cx))?;
                    let Some(parked) = backlog::wait() else {
                        return Poll::Ready(Ok(place));
                    };
                    drop(place);
                    self.stage = Stage::Parked(parked);
                }
                Stage::Parked(parked) => {
                    ready!(parked.as_mut().poll(cx));
                    match self.gate.receive(&self.request) {
                        Reception::Go(place) => return Poll::Ready(Ok(place)),
                        Reception::Wait(ticket) => {
                            let limit = self.gate.queue_timeout();
                            let queued = Queued::new(ticket, limit, &self.request);
                            self.stage = Stage::Queued(queued);
                        }
                    }
                }
            }
        }
    }
}

impl<S: RequestService> Future for Admission<S>
where
    S::Future: MayReport,
{
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let this = self.get_mut();
        if let Self::Outside(outside) = this {
            let turn = ready!(outside.poll(cx));
            let Self::Outside(outside) = mem::replace(this, Self::Over(None)) else {
                return Poll::Pending;
            };
            let Outside {
                stage,
                request,
                mut inner,
                gate: _,
            } = *outside;
            // Its timers go before it does.
            drop(stage);
            match turn {
                Ok(place) => {
                    *this = Self::Inside {
                        call: inner.call(request),
                        place: Some(place),
                    };
                }
                Err(error) => {
                    return Poll::Ready(Err(match request.url() {
                        Some(url) => error.with_url(url),
                        None => error,
                    }));
                }
            }
        }
        let Self::Inside { call, place } = this else {
            return Poll::Pending;
        };
        let reply = ready!(Pin::new(&mut *call).poll(cx));
        let Some(place) = place.take() else {
            return Poll::Ready(reply);
        };
        let since = place.since();
        if call.has_reported() {
            drop(place);
        } else {
            place.finish(&reply);
        }
        *this = Self::Over(since);
        Poll::Ready(reply)
    }
}
