//! Who watches requests, and what is told: one event for each phase that a request goes through.

mod event;
mod exchange;
mod journey;
mod layer;
mod watchers;

use std::sync::Arc;

pub use self::event::{Ending, Event, Phase};
pub(crate) use self::{
    exchange::{Displaced, ExchangeWatch},
    journey::{Journey, Kind, Step},
    layer::{Observed, ObserverLayer},
    watchers::Watchers,
};

/// Is told, while it happens, what a client's requests go through. Set it by
/// [`ClientBuilder::observer`](crate::ClientBuilder::observer), any number of them.
///
/// | Phase | When |
/// |---|---|
/// | [`Queued`](Phase::Queued) | the engine, or a single request, has handed the request over; it waits for its turn |
/// | [`Retried`](Phase::Retried), [`Hedged`](Phase::Hedged) | a further attempt is about to begin |
/// | [`Dispatched`](Phase::Dispatched) | an attempt has its place, and its proxy if there is a pool, and goes to the backend |
/// | [`Dns`](Phase::Dns), [`Connected`](Phase::Connected), [`Tls`](Phase::Tls) | a connection was opened for it; told together, when it is there |
/// | [`Sent`](Phase::Sent) | the request is with the connection; its response is waited for |
/// | [`Carried`](Phase::Carried) | it is known which connection carries it |
/// | [`Head`](Phase::Head) | the head of a response is there |
/// | [`Body`](Phase::Body), [`Failed`](Phase::Failed), [`Cancelled`](Phase::Cancelled) | the attempt is over: with a whole response, with an error, or because nobody waits for it |
/// | [`Done`](Phase::Done) | the request has its outcome, or was cancelled; always the last |
///
/// `Queued` is the first event of each request and `Done` the last, exactly once each; and each attempt that
/// is `Dispatched` has exactly one of `Body`, `Failed` and `Cancelled`. What else lies between
/// depends on the backend, which may leave out stages, and on redirects, which repeat them within an
/// attempt. Requests that are [opened](crate::ParallelRequests::open) are not observed.
///
/// # What an observer may do
///
/// It is called on whatever thread the request is at that moment, perhaps with a connection's locks
/// held. It must be quick, must not block and must not use the client: count, or send the event, which
/// is cheap to clone, down an unbounded channel. An observer that panics does requests no harm: the
/// panic is caught and logged by `tracing`, and that observer is told nothing more.
///
/// A client without observers pays for none of this.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use parallel_requests::{Event, Observer, ParallelRequests, Phase};
///
/// #[derive(Default)]
/// struct Retries(AtomicU64);
///
/// impl Observer for Retries {
///     fn on_event(&self, event: &Event) {
///         if let Phase::Retried = event.phase {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # #[cfg(feature = "h2")] {
/// // One that is shared is an observer, too.
/// let retries = std::sync::Arc::new(Retries::default());
/// let client = ParallelRequests::builder().observer(retries.clone()).build();
/// # }
/// ```
pub trait Observer: Send + Sync {
    /// This has just happened.
    fn on_event(&self, event: &Event);
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn on_event(&self, event: &Event) {
        (**self).on_event(event);
    }
}
