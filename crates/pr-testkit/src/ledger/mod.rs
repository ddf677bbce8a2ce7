//! What a server saw: the other end's account of what a client did, which a test compares with what
//! the client says it did.

mod connections;
mod counts;
mod entries;
mod records;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::bell::Bell;

pub use self::counts::Counts;
pub use self::records::{ConnectionRecord, RequestOutcome, RequestRecord};

pub(crate) use self::connections::ConnectionEntry;
pub(crate) use self::counts::Counters;
pub(crate) use self::entries::{Exchange, RequestBodyMeter};

use self::entries::RequestEntry;

/// The account that a [`Server`](crate::Server) keeps. Clones are the same ledger, and it can be
/// read after the server has ended.
///
/// Counting costs a few atomic additions and is always on. Records of single requests and
/// connections grow with their number; [`record_requests(false)`](Self::record_requests) turns them
/// off for long runs.
///
/// ```
/// use std::time::Duration;
/// use pr_testkit::Server;
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
/// # runtime.block_on(async {
/// let server = Server::start();
/// reqwest::get(server.url("/anything/here?q=1")).await?;
///
/// let counts = server
///     .ledger()
///     .wait_until(|counts| counts.requests_answered == 1, Duration::from_secs(10))
///     .await?;
/// assert_eq!(counts.connections_accepted, 1);
/// assert_eq!(server.ledger().requests()[0].target, "/anything/here?q=1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    counters: Counters,
    bell: Bell,
    recording: AtomicBool,
    body_limit: usize,
    connections: Mutex<Vec<Arc<ConnectionEntry>>>,
    requests: Mutex<Vec<Arc<RequestEntry>>>,
}

impl Ledger {
    pub(crate) fn new(recording: bool, body_limit: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                counters: Counters::default(),
                bell: Bell::default(),
                recording: AtomicBool::new(recording),
                body_limit,
                connections: Mutex::default(),
                requests: Mutex::default(),
            }),
        }
    }

    /// All counters, read at about the same time.
    pub fn counts(&self) -> Counts {
        self.inner.counters.read()
    }

    /// A copy of the record of every connection, in the order of acceptance.
    pub fn connections(&self) -> Vec<ConnectionRecord> {
        let entries = lock(&self.inner.connections).clone();
        entries.iter().map(|entry| entry.record()).collect()
    }

    /// A copy of the record of every request, in the order in which their heads arrived.
    pub fn requests(&self) -> Vec<RequestRecord> {
        let entries = lock(&self.inner.requests).clone();
        entries.iter().map(|entry| entry.record()).collect()
    }

    /// The records of the requests for one path, whatever their query.
    pub fn requests_to(&self, path: &str) -> Vec<RequestRecord> {
        let mut records = self.requests();
        records.retain(|record| record.path() == path);
        records
    }

    /// Whether to keep a record of each request and connection from now on. On at first, unless
    /// [`ServerBuilder::record_requests`](crate::ServerBuilder::record_requests) says otherwise.
    pub fn record_requests(&self, on: bool) {
        self.inner.recording.store(on, Ordering::SeqCst);
    }

    /// Forgets the records of requests and connections so far. Counters stay.
    pub fn forget_records(&self) {
        lock(&self.inner.requests).clear();
        lock(&self.inner.connections).clear();
    }

    /// Waits until the counters satisfy `condition`, and returns them. The error tells the counters
    /// as they were after `timeout`. Needs a Tokio runtime with timers; dropping the future stops
    /// waiting and has no other effect.
    pub async fn wait_until(
        &self,
        mut condition: impl FnMut(&Counts) -> bool,
        timeout: Duration,
    ) -> Result<Counts, WaitError> {
        let look = || Some(self.counts()).filter(|counts| condition(counts));
        let found = self.inner.bell.wait(timeout, look).await;
        found.ok_or_else(|| self.wait_error(timeout))
    }

    /// As [`wait_until`](Self::wait_until), for code without a runtime.
    pub fn wait_until_blocking(
        &self,
        mut condition: impl FnMut(&Counts) -> bool,
        timeout: Duration,
    ) -> Result<Counts, WaitError> {
        let look = || Some(self.counts()).filter(|counts| condition(counts));
        let found = self.inner.bell.wait_blocking(timeout, look);
        found.ok_or_else(|| self.wait_error(timeout))
    }

    /// Waits until the server has sent nothing for `quiet`, and returns how many bytes it had sent
    /// by then: how far it gets against a reader that has stopped. Needs a Tokio runtime with
    /// timers; dropping the future stops waiting.
    ///
    /// A server that nothing holds back never falls silent before it is done, so a test may assert
    /// on the figure without being a matter of luck: a slow machine can only end the wait early.
    pub async fn bytes_sent_when_quiet(&self, quiet: Duration) -> u64 {
        let mut sent = self.counts().bytes_sent;
        loop {
            let moved = |counts: &Counts| counts.bytes_sent != sent;
            match self.wait_until(moved, quiet).await {
                Ok(counts) => sent = counts.bytes_sent,
                Err(_) => return sent,
            }
        }
    }

    fn wait_error(&self, waited: Duration) -> WaitError {
        WaitError {
            waited,
            counts: self.counts(),
        }
    }
}

/// What a ledger's counters were when a test gave up waiting.
///
/// ```
/// use std::time::Duration;
///
/// let server = pr_testkit::Server::start();
/// let error = server
///     .ledger()
///     .wait_until_blocking(|counts| counts.requests_begun > 0, Duration::from_millis(1))
///     .unwrap_err();
/// assert_eq!(error.counts.requests_begun, 0);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WaitError {
    /// How long the test was ready to wait.
    pub waited: Duration,
    /// The counters at the end.
    pub counts: Counts,
}

impl std::fmt::Display for WaitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the server did not get there within {:?}: {:?}",
            self.waited, self.counts
        )
    }
}

impl std::error::Error for WaitError {}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
