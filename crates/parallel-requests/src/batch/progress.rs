//! How far a batch is.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::{Stream, stream};
use tokio::{sync::watch, time::Instant};

use crate::{engine::Belt, stack::Gauges};

/// How far a batch is, at any time and from anywhere; from
/// [`BatchBuilder::progress`](crate::BatchBuilder::progress) and
/// [`Outcomes::progress`](crate::Outcomes::progress).
///
/// Clones are the same. It costs the batch nothing but a few plain counts; a snapshot takes a few
/// short locks.
///
/// ```no_run
/// use std::time::Duration;
/// use futures::StreamExt;
/// # use parallel_requests::ParallelRequests;
///
/// # async fn run(client: ParallelRequests, urls: Vec<String>) {
/// let batch = client.batch(urls);
/// let mut events = Box::pin(batch.progress().events(Duration::from_secs(1)));
/// let show = async {
///     while let Some(now) = events.next().await {
///         eprintln!("{} done, {:.0} per second", now.finished(), now.rate());
///     }
/// };
/// let (batch, ()) = futures::join!(batch.collect(), show);
/// # }
/// ```
#[derive(Clone)]
pub struct BatchProgress {
    shared: Arc<Shared>,
}

/// What there was to count at one moment; from [`BatchProgress::snapshot`].
///
/// What has been pulled is `queued`, `in_flight`, `held_up`, `unread`, or has been given out as
/// `succeeded` or `failed`. The counts are read one after the other while work goes on, so that one
/// may be ahead of another by what happens meanwhile.
///
/// ```
/// use parallel_requests::Progress;
///
/// fn line(now: &Progress) -> String {
///     let total = now.total.map_or("?".to_owned(), |total| total.to_string());
///     format!("{} of {total}, {} failed", now.finished(), now.failed)
/// }
/// # let _ = line;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many requests there are in all, if the input knows.
    pub total: Option<usize>,
    /// Requests that have been pulled from the input.
    pub pulled: usize,
    /// Those that wait for their turn.
    pub queued: usize,
    /// Those that are in flight. If other batches of the same client go on at the same time, some of
    /// theirs may be counted here instead of queued ones of this.
    pub in_flight: usize,
    /// Those that wait for something of their own: a pause or a limit of their host, or their next
    /// attempt. As above.
    pub held_up: usize,
    /// Those that are done, and whose outcomes have not been asked for yet.
    pub unread: usize,
    /// Outcomes with a response, or what it was turned into.
    pub succeeded: usize,
    /// Outcomes with an error.
    pub failed: usize,
    /// Attempts beyond the first one of each request.
    pub retried: u64,
    /// Hosts that are paused, for all batches of the client.
    pub paused_hosts: usize,
    /// Bytes of the bodies that were received, before decoding; without those of failures.
    pub bytes_received: u64,
    /// How long the batch has been under way; when it is over, how long it was.
    pub elapsed: Duration,
    /// Whether every request has had its outcome, or nobody waits for it any more.
    pub is_over: bool,
}

impl Progress {
    /// Outcomes that have been given out.
    pub fn finished(&self) -> usize {
        self.succeeded + self.failed
    }

    /// Outcomes per second, over the whole time.
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            let finished = u32::try_from(self.finished()).unwrap_or(u32::MAX);
            f64::from(finished) / seconds
        } else {
            0.0
        }
    }
}

impl BatchProgress {
    pub(super) fn new(gauges: Gauges, total: Option<usize>) -> Self {
        Self {
            shared: Arc::new(Shared {
                gauges,
                total,
                numbers: Numbers::default(),
                belt: OnceLock::new(),
                started: OnceLock::new(),
                ended: watch::Sender::new(None),
            }),
        }
    }

    /// How things stand now.
    pub fn snapshot(&self) -> Progress {
        let shared = &*self.shared;
        let numbers = &shared.numbers;
        let (succeeded, failed) = (
            numbers.succeeded.load(Relaxed),
            numbers.failed.load(Relaxed),
        );
        let pulled = numbers.pulled.load(Relaxed);
        let ended = *shared.ended.borrow();
        let elapsed = shared.started.get().map_or(Duration::ZERO, |&started| {
            ended
                .unwrap_or_else(Instant::now)
                .saturating_duration_since(started)
        });
        let (waiting, landed) = match shared.belt.get().and_then(Weak::upgrade) {
            Some(belt) if ended.is_none() => belt.load(),
            _ => (0, 0),
        };
        let unfinished = match ended {
            Some(_) => 0,
            None => pulled.saturating_sub(succeeded + failed),
        };
        let unread = (landed + numbers.received.load(Relaxed)).min(unfinished);
        let load = shared.gauges.load();
        let begun = (unfinished - unread).saturating_sub(waiting);
        let held_up = shared.gauges.held().count().min(begun);
        let in_flight = load.in_flight.min(begun - held_up);
        Progress {
            total: shared.total,
            pulled,
            queued: unfinished - unread - held_up - in_flight,
            in_flight,
            held_up,
            unread,
            succeeded,
            failed,
            retried: numbers.retried.load(Relaxed),
            paused_hosts: load.paused_hosts,
            bytes_received: numbers.bytes.load(Relaxed),
            elapsed,
            is_over: ended.is_some(),
        }
    }

    /// How things stand now, and then every so often, on the timers of the Tokio runtime that polls
    /// this; a last time when the batch is over, and then the stream ends. A period below a
    /// millisecond is taken for one.
    ///
    /// Without a Tokio runtime around it, it panics when it is polled; take
    /// [snapshots](Self::snapshot) there.
    pub fn events(&self, every: Duration) -> impl Stream<Item = Progress> + Send + use<> {
        let every = every.max(Duration::from_millis(1));
        let ended = self.shared.ended.subscribe();
        stream::unfold(
            (self.clone(), ended, Next::AtOnce),
            move |(progress, mut ended, next)| async move {
                match next {
                    Next::AtOnce => {}
                    Next::Later => {
                        let end = ended.wait_for(Option::is_some);
                        // Whether it is over, the snapshot says.
                        let _ = tokio::time::timeout(every, end).await;
                    }
                    Next::Never => return None,
                }
                let now = progress.snapshot();
                let next = if now.is_over {
                    Next::Never
                } else {
                    Next::Later
                };
                Some((now, (progress, ended, next)))
            },
        )
    }
}

impl fmt::Debug for BatchProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

enum Next {
    AtOnce,
    Later,
    Never,
}

struct Shared {
    gauges: Gauges,
    total: Option<usize>,
    numbers: Numbers,
    belt: OnceLock<Weak<Belt>>,
    started: OnceLock<Instant>,
    ended: watch::Sender<Option<Instant>>,
}

/// Written on the caller's side only, so that they are stored and never added to.
#[derive(Default)]
struct Numbers {
    pulled: AtomicUsize,
    received: AtomicUsize,
    succeeded: AtomicUsize,
    failed: AtomicUsize,
    retried: AtomicU64,
    bytes: AtomicU64,
}

/// The caller's side of a batch, as it counts what it does. Dropped, the batch is over.
pub(crate) struct Counts {
    progress: BatchProgress,
    pub(crate) pulled: usize,
    pub(crate) succeeded: usize,
    pub(crate) failed: usize,
    pub(crate) retried: u64,
    pub(crate) bytes: u64,
}

impl Counts {
    pub(super) fn new(progress: BatchProgress) -> Self {
        Self {
            progress,
            pulled: 0,
            succeeded: 0,
            failed: 0,
            retried: 0,
            bytes: 0,
        }
    }

    pub(super) fn progress(&self) -> &BatchProgress {
        &self.progress
    }

    /// The batch has begun.
    pub(crate) fn begin(&self, belt: &Arc<Belt>) {
        // It begins once.
        let _ = self.progress.shared.started.set(Instant::now());
        let _ = self.progress.shared.belt.set(Arc::downgrade(belt));
    }

    /// Lets others see the counts; so many outcomes have been received and not given out.
    pub(crate) fn publish(&self, received: usize) {
        let numbers = &self.progress.shared.numbers;
        numbers.pulled.store(self.pulled, Relaxed);
        numbers.received.store(received, Relaxed);
        numbers.succeeded.store(self.succeeded, Relaxed);
        numbers.failed.store(self.failed, Relaxed);
        numbers.retried.store(self.retried, Relaxed);
        numbers.bytes.store(self.bytes, Relaxed);
    }

    /// The batch is over.
    pub(crate) fn end(&self) {
        self.progress.shared.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            ended.get_or_insert_with(Instant::now);
            is_first
        });
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        self.end();
    }
}
