//! The client.

use std::{fmt, pin::Pin, sync::Arc};

use futures::{
    Stream,
    future::join_all,
    stream::{self, Iter},
};
use pr_core::{
    Backend, BackendError, NormalizedResponse, RequestConfig, Session, StreamingResponse, Warning,
};
use tower::ServiceExt;

use crate::{
    Batch, BatchBuilder, BatchItem, ClientBuilder, ConfigurationError, Outcomes, Selection,
    engine::{Crew, on},
};

/// A client for many requests at once.
///
/// It holds one backend with its connections. Clones share it, and with it the limit of requests
/// in flight; keep one and clone it, rather than make one for each task.
///
/// It works on any executor, but for [`open`](Self::open). A Tokio runtime that requests run on must
/// have its drivers (`enable_all`): without its timers, requests sent from there panic. What is sent from a current-thread Tokio
/// runtime runs right there; batches from anywhere else run on
/// [threads of the client's own](ClientBuilder::threads), so that a connection and its requests never
/// get into each other's way.
///
/// Dropping the last clone closes every connection without waiting, and with it ends bodies that
/// are still being read: keep the client for as long as you read. [`close`](Self::close) waits.
///
/// ```no_run
/// use parallel_requests::ParallelRequests;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = ParallelRequests::new()?;
///
/// // Many, in the order of the input.
/// let batch = client.request(["https://example.org/a", "https://example.org/b"]).await;
/// println!("{} succeeded", batch.successes().count());
///
/// // Many, by key.
/// let sites = [("rust", "https://www.rust-lang.org/"), ("tokio", "https://tokio.rs/")];
/// let batch = client.request(sites).await;
/// let rust = batch.by_key(&"rust").expect("every request has an outcome");
///
/// // One.
/// let text = client.get("https://example.org/").await?.error_for_status()?.text().into_owned();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ParallelRequests {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) session: Session,
    pub(crate) crew: Arc<Crew>,
    pub(crate) selection: Selection,
}

impl ParallelRequests {
    /// A client with the defaults of [`ClientBuilder`].
    pub fn new() -> Result<Self, ConfigurationError> {
        Self::builder().build()
    }

    /// A client with settings of your own.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    pub(crate) fn from_inner(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// A batch of these requests, with settings of its own: types, a deadline, an order. Nothing is
    /// pulled and nothing sent until it is collected or streamed; see [`BatchBuilder`].
    ///
    /// The input is anything that can be iterated over, lazily and without end if need be, of
    /// [anything that becomes a request](BatchItem).
    pub fn batch<I>(&self, requests: I) -> BatchBuilder<Iter<I::IntoIter>>
    where
        I: IntoIterator<Item: BatchItem>,
    {
        let requests = requests.into_iter();
        let total = known(requests.size_hint());
        BatchBuilder::new(self.inner.crew.clone(), stream::iter(requests), total)
    }

    /// As [`batch`](Self::batch), of requests that are yet to come: any `Stream`, such as the
    /// receiving end of a channel. Outcomes are given out while more requests are waited for; the
    /// batch ends when the stream has ended and every request has had its outcome.
    ///
    /// ```
    /// use futures::{SinkExt, channel::mpsc};
    /// # use parallel_requests::ParallelRequests;
    ///
    /// # async fn run(client: ParallelRequests) -> Result<(), mpsc::SendError> {
    /// let (mut requests, receiver) = mpsc::channel(100);
    /// let mut outcomes = client.batch_from_stream(receiver).stream();
    /// requests.send("https://example.org/first").await?;
    /// if let Some(outcome) = outcomes.next().await {
    ///     println!("{}", outcome.is_ok());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch_from_stream<S>(&self, requests: S) -> BatchBuilder<Pin<Box<S>>>
    where
        S: Stream<Item: BatchItem>,
    {
        let total = known(requests.size_hint());
        BatchBuilder::new(self.inner.crew.clone(), Box::pin(requests), total)
    }

    /// Sends all of these requests and waits for the last, whatever becomes of them: the batch
    /// holds one outcome for each, in the order of the input. It never fails as a whole.
    ///
    /// This is [`batch`](Self::batch) with no settings, [collected](BatchBuilder::collect). The input
    /// is pulled as there is room, and may borrow. Memory holds all responses; for more than you want
    /// to hold, see [`stream`](Self::stream). Dropping the future cancels what is in flight.
    pub async fn request<I>(&self, requests: I) -> Batch<<I::Item as BatchItem>::Key>
    where
        I: IntoIterator<Item: BatchItem>,
    {
        self.batch(requests).collect().await
    }

    /// Sends these requests and yields each outcome as it completes, in no particular order.
    ///
    /// This is [`batch`](Self::batch) with no settings, [streamed](BatchBuilder::stream). The input is
    /// pulled as there is room, so it may be endless; memory depends on the concurrency, and on
    /// [what waits for its host](BatchBuilder#how-much-is-pulled), only. See [`Outcomes`] for when the
    /// work is done and how it is cancelled.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = parallel_requests::ParallelRequests::builder().concurrency(200).build()?;
    /// let millions = (0..10_000_000).map(|id| format!("https://api.example/items/{id}"));
    /// let mut outcomes = client.stream(millions);
    /// while let Some(outcome) = outcomes.next().await {
    ///     println!("{} {}", outcome.index, outcome.is_ok());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream<I>(&self, requests: I) -> Outcomes<<I::Item as BatchItem>::Key>
    where
        I: IntoIterator<Item: BatchItem, IntoIter: Send + 'static>,
        I::Item: Send,
        <I::Item as BatchItem>::Key: Send + 'static,
    {
        self.batch(requests).stream()
    }

    /// Sends one GET request and reads the whole response. A request of another method becomes a
    /// GET here; [`send`](Self::send) leaves it as it is.
    ///
    /// It takes a place among the requests in flight, and waits for one if need be; the request's
    /// clock starts when it has it.
    ///
    /// # Panics
    ///
    /// Within a Tokio runtime that was built without `enable_time`; Tokio has no way to ask.
    pub async fn get(
        &self,
        request: impl Into<RequestConfig>,
    ) -> Result<NormalizedResponse, BackendError> {
        self.send(RequestConfig::get(request)).await
    }

    /// Sends one request, whatever its method, and reads the whole response; else as
    /// [`get`](Self::get).
    pub async fn send(
        &self,
        request: impl Into<RequestConfig>,
    ) -> Result<NormalizedResponse, BackendError> {
        let request = request.into();
        let crew = &self.inner.crew;
        match crew.driver_of(&request) {
            None => crew.stack.clone().oneshot(request).await,
            Some(driver) => on(driver, crew.stack.clone().oneshot(request)).await,
        }
    }

    /// Sends one request and returns when the head of its response is there; the body is yours to
    /// read as it arrives, at bounded memory.
    ///
    /// It goes past the policies, but for the [proxy pool](ClientBuilder::proxy_pool): it takes no
    /// place among the requests in flight and no token of a rate, is not retried, and is seen by no
    /// layer and no observer. And unlike all others it needs a Tokio runtime around it, on whose
    /// timers the body is read.
    pub async fn open(
        &self,
        request: impl Into<RequestConfig>,
    ) -> Result<StreamingResponse, BackendError> {
        let (session, request) = (&self.inner.session, request.into());
        match self.inner.crew.gauges.proxy_pool() {
            Some(pool) => pool.open(session, request).await,
            None => session.stream(request).await,
        }
    }

    /// The backend.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        self.inner.session.backend()
    }

    /// Which backend this is, and why.
    pub fn selection(&self) -> &Selection {
        &self.inner.selection
    }

    /// How many requests are in flight at a time.
    pub fn concurrency(&self) -> usize {
        self.inner.crew.concurrency
    }

    /// What works otherwise than it was asked to, so far: for instance HTTP/2 with a backend that
    /// has none. Each is also logged once, through `tracing`.
    pub fn warnings(&self) -> Vec<Warning> {
        let backend = self.backend();
        backend.warnings().list()
    }

    /// Lets go of every connection, for when the network is not the same any more: idle ones close
    /// now, those in use when their requests have ended. Requests sent after that dial anew.
    pub fn reset_connections(&self) {
        self.backend().reset_connections();
    }

    /// Closes every connection, ends what is in flight, and returns when tasks and threads are
    /// done. Requests sent after that fail with kind [`Closed`](crate::ErrorKind::Closed).
    pub async fn close(&self) {
        let drivers = &self.inner.crew.drivers;
        // Tasks on a current-thread runtime can be waited for only from there.
        let closing = drivers.started().into_iter().map(|driver| {
            let session = self.inner.session.clone();
            driver.spawn(async move { session.close().await })
        });
        join_all(closing).await;
        self.inner.session.close().await;
        drivers.close().await;
    }

    /// Lends the client to `work` and closes it afterwards: nothing is left behind.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = parallel_requests::ParallelRequests::new()?;
    /// let found = client
    ///     .scope(async |client| {
    ///         let batch = client.request(["https://example.org/"; 100]).await;
    ///         batch.successes().count()
    ///     })
    ///     .await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn scope<T>(self, work: impl AsyncFnOnce(&Self) -> T) -> T {
        let value = work(&self).await;
        self.close().await;
        value
    }
}

/// The number of items, if a size hint is exact.
fn known((least, most): (usize, Option<usize>)) -> Option<usize> {
    most.filter(|most| *most == least)
}

impl fmt::Debug for ParallelRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParallelRequests")
            .field("selection", &self.inner.selection)
            .field("concurrency", &self.inner.crew.concurrency)
            .finish_non_exhaustive()
    }
}
