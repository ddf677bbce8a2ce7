//! The batch engine: pulls requests while there is room, drives them, hands over each outcome.

use std::{future::poll_fn, panic::AssertUnwindSafe, sync::Arc};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use pr_core::{BackendError, ErrorKind, NormalizedResponse, RequestConfig};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};
use tower::Service;

use crate::{BatchItem, Outcome};

/// Where outcomes come out.
///
/// An outcome keeps its place in the window until it is received: however slow the receiver, no
/// more than the window's size is in flight or waiting to be received, and what is in flight keeps
/// moving.
pub(crate) struct Receiver<K> {
    outcomes: mpsc::UnboundedReceiver<(Outcome<K>, OwnedSemaphorePermit)>,
}

impl<K> Receiver<K> {
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Outcome<K>>> {
        self.outcomes
            .poll_recv(cx)
            .map(|received| received.map(|(outcome, _place)| outcome))
    }

    pub(crate) async fn recv(&mut self) -> Option<Outcome<K>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }
}

/// Prepares a batch. The returned future does the work and ends with the last outcome; dropping it
/// cancels what is in flight.
///
/// The input is pulled only when there is room in the window, so memory depends on the window and
/// not on the input's length.
pub(crate) fn start<I, S>(
    input: I,
    service: S,
    window: usize,
) -> (
    impl Future<Output = ()>,
    Receiver<<I::Item as BatchItem>::Key>,
)
where
    I: Iterator<Item: BatchItem>,
    S: Service<RequestConfig, Response = NormalizedResponse, Error = BackendError> + Clone,
{
    // Unbounded, and yet bounded: what is in it holds a place in the window.
    let (sender, outcomes) = mpsc::unbounded_channel();
    (drive(input, service, window, sender), Receiver { outcomes })
}

async fn drive<I, S, K>(
    input: I,
    service: S,
    window: usize,
    sender: mpsc::UnboundedSender<(Outcome<K>, OwnedSemaphorePermit)>,
) where
    I: Iterator<Item: BatchItem<Key = K>>,
    S: Service<RequestConfig, Response = NormalizedResponse, Error = BackendError> + Clone,
{
    let places = Arc::new(Semaphore::new(window));
    let mut input = input.enumerate();
    let mut exhausted = false;
    let mut in_flight = FuturesUnordered::new();
    loop {
        while !exhausted && let Ok(place) = places.clone().try_acquire_owned() {
            // Once nobody is there to receive, its places are free, and yet nothing more is begun.
            let next = if sender.is_closed() {
                None
            } else {
                input.next()
            };
            let Some((index, item)) = next else {
                exhausted = true;
                break;
            };
            let (key, request) = item.into_parts();
            in_flight.push(one(index, key, request, service.clone(), place));
        }
        tokio::select! {
            biased;
            Some(done) = in_flight.next() => {
                if sender.send(done).is_err() {
                    // The rest is cancelled.
                    return;
                }
            }
            // All places are taken by what waits to be received, or by what is in flight.
            _ = places.acquire(), if !exhausted => {}
            else => return,
        }
    }
}

async fn one<K, S>(
    index: usize,
    key: K,
    request: RequestConfig,
    mut service: S,
    place: OwnedSemaphorePermit,
) -> (Outcome<K>, OwnedSemaphorePermit)
where
    S: Service<RequestConfig, Response = NormalizedResponse, Error = BackendError>,
{
    let mut started = Instant::now();
    let whole = async {
        poll_fn(|cx| service.poll_ready(cx)).await?;
        started = Instant::now();
        service.call(request).await
    };
    // Whatever breaks within one request, a third party's backend or a body's factory perhaps, is
    // that request's outcome and nobody else's.
    let result = AssertUnwindSafe(whole).catch_unwind().await;
    let result = result.unwrap_or_else(|_| {
        let why = "the request panicked; the panic's message is on standard error";
        Err(BackendError::new(ErrorKind::Other, why))
    });
    let elapsed = started.elapsed();
    (
        Outcome {
            index,
            key,
            elapsed,
            result,
        },
        place,
    )
}
