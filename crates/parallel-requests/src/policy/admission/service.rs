//! The gate as a `tower` layer.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pr_core::{BackendError, NormalizedResponse, RequestConfig};
use tower::{Layer, Service};

use super::{
    gate::{Gate, Place, Reception},
    queued::Queued,
};
use crate::policy::{Reply, RequestService};

impl<S: RequestService> Layer<S> for Gate {
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

impl<S: RequestService> Service<RequestConfig> for Admitted<S> {
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
                queued: Queued::new(ticket, self.gate.queue_timeout(), &request),
                request,
                inner: self.inner.clone(),
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
    /// It has ended, or broke on its way in.
    Over,
}

/// An attempt that waits.
pub(crate) struct Outside<S> {
    queued: Queued,
    request: RequestConfig,
    inner: S,
}

impl<S: RequestService> Future for Admission<S> {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let this = self.get_mut();
        if let Self::Outside(outside) = this {
            let turn = ready!(outside.queued.poll(cx));
            let Self::Outside(outside) = mem::replace(this, Self::Over) else {
                return Poll::Pending;
            };
            let Outside {
                queued,
                request,
                mut inner,
            } = *outside;
            // Its timers go before it does.
            drop(queued);
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
        let reply = ready!(Pin::new(call).poll(cx));
        if let Some(place) = place.take() {
            place.finish(&reply);
        }
        Poll::Ready(reply)
    }
}
