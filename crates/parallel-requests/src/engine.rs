//! The batch engine: pulls requests while there is room, drives them, hands over each outcome.

use std::{future::poll_fn, sync::Arc};

use futures::{StreamExt, stream::FuturesUnordered};
use pr_core::{BackendError, NormalizedResponse, RequestConfig};
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
        tokio::select! {
            // What is done goes out before anything new comes in.
            biased;
            Some((outcome, place)) = in_flight.next() => {
                if sender.send((outcome, place)).is_err() {
                    // Nobody is there to receive: the rest is cancelled.
                    return;
                }
            }
            place = places.clone().acquire_owned(), if !exhausted => {
                match (place, input.next()) {
                    (Ok(place), Some((index, item))) => {
                        in_flight.push(one(index, item, service.clone(), place));
                    }
                    _ => exhausted = true,
                }
            }
            else => return,
        }
    }
}

async fn one<T, S>(
    index: usize,
    item: T,
    mut service: S,
    place: OwnedSemaphorePermit,
) -> (Outcome<T::Key>, OwnedSemaphorePermit)
where
    T: BatchItem,
    S: Service<RequestConfig, Response = NormalizedResponse, Error = BackendError>,
{
    let (key, request) = item.into_parts();
    let ready = poll_fn(|cx| service.poll_ready(cx)).await;
    let started = Instant::now();
    let result = match ready {
        Ok(()) => service.call(request).await,
        Err(error) => Err(error),
    };
    (
        Outcome {
            index,
            key,
            elapsed: started.elapsed(),
            result,
        },
        place,
    )
}
