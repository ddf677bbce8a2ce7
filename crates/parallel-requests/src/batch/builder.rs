//! What can be said about a batch before it is sent.

use std::{fmt, future::poll_fn, marker::PhantomData, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::Stream;
use pr_core::{BackendError, NormalizedResponse};
use serde::de::DeserializeOwned;

use super::{Batch, BatchProgress, Cancellation, Counts, Outcomes};
use crate::{
    BatchItem,
    engine::{Crew, Options, Run},
};

/// A batch with settings of its own, from [`ParallelRequests::batch`](crate::ParallelRequests::batch)
/// and [`batch_from_stream`](crate::ParallelRequests::batch_from_stream). Nothing is pulled and
/// nothing sent until it is [collected](Self::collect) or [streamed](Self::stream).
///
/// | Setting | Default |
/// |---|---|
/// | [`json`](Self::json), [`text`](Self::text), [`bytes`](Self::bytes), [`map`](Self::map) | responses as they are |
/// | [`error_for_status`](Self::error_for_status) | a response is a success, whatever its status |
/// | [`deadline`](Self::deadline) | none |
/// | [`cancellation`](Self::cancellation) | none but dropping the future or the stream |
/// | [`max_failures`](Self::max_failures), [`fail_fast`](Self::fail_fast) | a failure takes nothing else with it |
/// | [`ordered`](Self::ordered) | a stream yields outcomes as they complete |
/// | [`reorder_window`](Self::reorder_window) | 1,000, if ordered |
/// | [`look_ahead`](Self::look_ahead) | 100,000 |
///
/// ```no_run
/// use std::time::Duration;
/// use parallel_requests::{Cancellation, ParallelRequests};
///
/// # #[derive(serde::Deserialize)] struct Item { id: u64 }
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = ParallelRequests::new()?;
/// let stop = Cancellation::new();
/// let urls = (1..=1000).map(|id| (id, format!("https://api.example/items/{id}")));
///
/// let batch = client
///     .batch(urls)
///     .json::<Item>()
///     .deadline(Duration::from_secs(60))
///     .cancellation(stop.clone())
///     .max_failures(50)
///     .collect()
///     .await;
/// for outcome in &batch {
///     match &outcome.result {
///         Ok(item) => println!("{}: {}", outcome.key, item.id),
///         Err(error) => println!("{}: {error}", outcome.key),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What responses become
///
/// `T` is what an outcome holds: the [response](NormalizedResponse), or what
/// [`json`](Self::json), [`text`](Self::text), [`bytes`](Self::bytes) or [`map`](Self::map) makes of
/// it. Where that fails, it is that request's failure and no other's. It is done where the outcomes
/// are received, one after the other.
///
/// # How much is pulled
///
/// The input is pulled as there is room: what is in flight, what waits for its turn and what waits to
/// be received together are at most twice the client's concurrency. Requests that wait for
/// something of their own, such as a host that is paused or limited or the pause before their next
/// attempt, do not count: for each as many more are pulled, so that others go on meanwhile, but at
/// most [`look_ahead`](Self::look_ahead). So memory depends on these numbers and not on the length of
/// the input.
///
/// That number is the client's: what other batches of the same client have waiting like that widens
/// this one as well, up to its own [`look_ahead`](Self::look_ahead), and what is pulled beyond the
/// usual then waits for its turn. Where that is not wanted, use clients of their own, or a smaller
/// `look_ahead`.
///
/// However many requests have been pulled, no more outcomes than twice the concurrency wait to be
/// received. When the pause of a host is over for which many requests waited, they go on as fast as
/// you receive outcomes; those that must wait for you hold no place meanwhile, and keep no other
/// batch waiting. What counts against a [rate](crate::ClientBuilder::rate_limit) may be taken up once
/// more by each of them. If a [layer](crate::ClientBuilder::layer) of yours moves requests to tasks of
/// its own, those do not wait for you.
///
/// # When a batch is stopped
///
/// A batch stops at its [deadline](Self::deadline), by its [cancellation](Self::cancellation), or
/// after [too many failures](Self::max_failures). From then on nothing more is sent; what is in
/// flight is dropped, and its places are free at once. Each request still has its outcome:
///
/// - what had been pulled and was not done fails with kind [`Timeout`](crate::ErrorKind::Timeout) in
///   phase [`Batch`](crate::TimeoutPhase::Batch), or with kind
///   [`Cancelled`](crate::ErrorKind::Cancelled); its delivery is
///   [`NotSent`](crate::Delivery::NotSent) if it had not been begun or waited for its turn, and if
///   none of its attempts before can have been processed, else [`Unknown`](crate::Delivery::Unknown).
///   Behind a [layer](crate::ClientBuilder::layer) of yours it is `Unknown` for all that had been
///   begun. Attempts that had been made [are listed](crate::Outcome::attempts) all the same;
/// - the rest of an iterator is pulled without being sent, and fails likewise, so that a collected
///   batch has one outcome for each request. An endless iterator goes on for ever: stream that, and
///   drop the stream;
/// - of an input that is a stream, what it has ready at once is pulled likewise, and then it ends,
///   because the rest may never come.
///
/// Dropping the future or the stream stops the batch, too, with no outcomes.
#[must_use = "a batch does nothing until it is collected or streamed"]
pub struct BatchBuilder<
    S,
    T = NormalizedResponse,
    F = fn(NormalizedResponse) -> Result<T, BackendError>,
> {
    crew: Arc<Crew>,
    input: S,
    options: Options,
    read: F,
    progress: Counts,
    value: PhantomData<fn() -> T>,
}

impl<S> BatchBuilder<S> {
    pub(crate) fn new(crew: Arc<Crew>, input: S, total: Option<usize>) -> Self {
        let progress = BatchProgress::new(crew.gauges.clone(), total);
        Self {
            crew,
            input,
            options: Options::default(),
            read: Ok,
            progress: Counts::new(progress),
            value: PhantomData,
        }
    }

    /// Turns each response into what its body says as JSON, whatever its `content-type`, read where
    /// the outcomes are received.
    ///
    /// A 4xx or 5xx becomes an error of kind [`Status`](crate::ErrorKind::Status) first, a body that
    /// is not JSON of that form one of kind [`Decode`](crate::ErrorKind::Decode).
    pub fn json<T: DeserializeOwned>(self) -> BatchBuilder<S, T> {
        let read: fn(NormalizedResponse) -> _ = |response| response.json();
        self.error_for_status().reading(read)
    }

    /// Turns each response into its [text](NormalizedResponse::text). A 4xx or 5xx becomes an error
    /// of kind [`Status`](crate::ErrorKind::Status).
    pub fn text(self) -> BatchBuilder<S, String> {
        let read: fn(NormalizedResponse) -> _ = |response| Ok(response.text().into_owned());
        self.error_for_status().reading(read)
    }

    /// Turns each response into its body. A 4xx or 5xx becomes an error of kind
    /// [`Status`](crate::ErrorKind::Status).
    pub fn bytes(self) -> BatchBuilder<S, Bytes> {
        let read: fn(NormalizedResponse) -> _ = |response| Ok(response.into_content());
        self.error_for_status().reading(read)
    }

    /// Turns each response into what `read` makes of it, called where the outcomes are received, in
    /// the order of completion. If it fails, or panics, so does that request, and no other.
    ///
    /// Responses of any status come here, unless
    /// [`error_for_status`](Self::error_for_status) was called, before or after.
    ///
    /// ```no_run
    /// # async fn run(client: parallel_requests::ParallelRequests, urls: Vec<String>) {
    /// let sizes = client.batch(urls).map(|response| Ok(response.content().len())).collect().await;
    /// let all: usize = sizes.successes().filter_map(|outcome| outcome.value()).sum();
    /// # }
    /// ```
    pub fn map<T, F>(self, read: F) -> BatchBuilder<S, T, F>
    where
        F: FnMut(NormalizedResponse) -> Result<T, BackendError>,
    {
        self.reading(read)
    }

    fn reading<T, F>(mut self, read: F) -> BatchBuilder<S, T, F> {
        self.options.is_typed = true;
        BatchBuilder {
            crew: self.crew,
            input: self.input,
            options: self.options,
            read,
            progress: self.progress,
            value: PhantomData,
        }
    }
}

impl<S, T, F> BatchBuilder<S, T, F> {
    /// Makes a response with a 4xx or 5xx status a failure, of kind
    /// [`Status`](crate::ErrorKind::Status). The error has the status, not the body. Default: it is
    /// a response like others.
    pub fn error_for_status(mut self) -> Self {
        self.options.error_for_status = true;
        self
    }

    /// How long the whole batch may take, from the first poll, whatever of it is done by then: see
    /// [what happens then](Self#when-a-batch-is-stopped). Default: as long as it takes.
    ///
    /// It is kept on the runtime that the requests run on, whether or not you wait for outcomes.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.options.deadline = Some(limit);
        self
    }

    /// Stops the batch when this is cancelled: see
    /// [what happens then](Self#when-a-batch-is-stopped). If it has been already, nothing is sent.
    pub fn cancellation(mut self, cancellation: Cancellation) -> Self {
        self.options.cancellation = Some(cancellation);
        self
    }

    /// Stops the batch at the first failure: [`max_failures(0)`](Self::max_failures).
    pub fn fail_fast(self) -> Self {
        self.max_failures(0)
    }

    /// Stops the batch when more than so many requests have failed: see
    /// [what happens then](Self#when-a-batch-is-stopped). Default: never.
    ///
    /// Failures count as their outcomes are received. What is a failure is told by
    /// [`error_for_status`](Self::error_for_status) and by what responses are turned into; one that a
    /// retry has made good is none.
    pub fn max_failures(mut self, failures: usize) -> Self {
        self.options.max_failures = Some(failures);
        self
    }

    /// Has [`stream`](Self::stream) yield outcomes in the order of the input. A collected batch is in
    /// that order in any case.
    ///
    /// One slow request then holds up all outcomes after it: see
    /// [`reorder_window`](Self::reorder_window) for how many.
    pub fn ordered(mut self) -> Self {
        self.options.reorder.get_or_insert(Options::REORDER_WINDOW);
        self
    }

    /// How many finished outcomes may wait for an earlier one that is not done; it makes the stream
    /// [ordered](Self::ordered). Default: 1,000; 0 is taken for 1.
    ///
    /// When as many wait, no more input is pulled until the earlier one is done; what has been pulled
    /// by then, for [hosts that are paused](Self::look_ahead) too, goes on and waits as well. The cost
    /// is their responses: 1,000 with bodies of 100 KB
    /// take 100 MB. The smaller the window, the more often a slow request stops everything.
    pub fn reorder_window(mut self, outcomes: usize) -> Self {
        self.options.reorder = Some(outcomes.max(1));
        self
    }

    /// How many requests more than the [usual](Self#how-much-is-pulled) may be pulled while those
    /// before wait for something of their own, a host that is paused or limited or their next
    /// attempt. Default: 100,000.
    ///
    /// Each takes about 1 KB, and its body if it has one in memory, so that the default may come to
    /// 100 MB in the worst case, when that many requests for a paused host come before those for
    /// others. When as many wait, nothing more is pulled until one of them goes on. With 0, twice
    /// the concurrency of requests for a paused host are enough to keep all others waiting.
    pub fn look_ahead(mut self, requests: usize) -> Self {
        self.options.look_ahead = requests;
        self
    }

    /// How far the batch is, at any time and from anywhere.
    pub fn progress(&self) -> BatchProgress {
        self.progress.progress().clone()
    }
}

impl<S, T, F> BatchBuilder<S, T, F>
where
    S: Stream<Item: BatchItem> + Unpin,
    F: FnMut(NormalizedResponse) -> Result<T, BackendError>,
{
    /// Sends all of these requests and waits for the last, whatever becomes of them: the batch holds
    /// one outcome for each, in the order of the input. It never fails as a whole.
    ///
    /// The input may borrow. Memory holds all responses, or what they were turned into; for more than
    /// you want to hold, see [`stream`](Self::stream). Dropping the future cancels what is in flight.
    pub async fn collect(mut self) -> Batch<<S::Item as BatchItem>::Key, T> {
        // They are put in order at the end, all at once.
        self.options.reorder = None;
        let error_for_status = self.options.error_for_status;
        let mut outcomes = Vec::with_capacity(self.input.size_hint().0.min(1 << 16));
        let mut run = Run::new(
            self.crew,
            self.input,
            self.options,
            self.read,
            self.progress,
        );
        while let Some(outcome) = poll_fn(|cx| run.poll_next(cx)).await {
            outcomes.push(outcome);
        }
        Batch::from_unordered(outcomes, error_for_status)
    }

    /// Sends these requests and yields each outcome as it completes, or in the order of the input if
    /// [asked to](Self::ordered).
    ///
    /// The input may be endless; memory depends on [how much is pulled](Self#how-much-is-pulled). See
    /// [`Outcomes`] for when the work is done and how it is cancelled.
    pub fn stream(self) -> Outcomes<<S::Item as BatchItem>::Key, T>
    where
        S: Send + 'static,
        S::Item: Send,
        <S::Item as BatchItem>::Key: Send + 'static,
        T: Send + 'static,
        F: Send + 'static,
    {
        let progress = self.progress();
        let run = Run::new(
            self.crew,
            self.input,
            self.options,
            self.read,
            self.progress,
        );
        Outcomes::new(run, progress)
    }
}

impl<S, T, F> fmt::Debug for BatchBuilder<S, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchBuilder")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
