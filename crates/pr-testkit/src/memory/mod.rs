//! A backend without a network: it answers from memory, by a script or as the loopback server
//! would, and counts what it was asked. For tests of whatever stands above a backend.

mod answer;
mod counts;
mod outgoing;
mod routes;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use http::{HeaderMap, Method, Uri};
use pr_core::{
    Backend, BackendError, Capabilities, Capability, ConnectionKey, ErrorKind, ExchangeRequest,
    ExchangeResponse, IncomingBody, Stage, Warnings,
};
use tokio::sync::watch;

pub use self::answer::Answer;
pub use self::counts::MemoryCounts;

use self::counts::{Counters, InFlight};

/// A [`Backend`] that answers from memory. Clones are the same backend, so a test keeps one to read
/// the counts while the code under test has the other.
///
/// It counts always, and remembers requests only when [told to](Self::recording), so that hundreds
/// of thousands of exchanges cost little and grow nothing. Waiting is done on Tokio's clock, which
/// a test may pause. It takes every URL, `https` included.
///
/// ```
/// use pr_core::{BackendExt, ErrorKind};
/// use pr_testkit::{Answer, MemoryBackend};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let backend = MemoryBackend::answering(|request| match request.uri.path() {
///     "/hello" => Answer::ok().body("hello"),
///     "/broken" => Answer::error(ErrorKind::Closed, "the peer hung up"),
///     _ => Answer::status(404),
/// });
/// assert_eq!(backend.request("https://anywhere.example/hello").await?.text(), "hello");
/// assert_eq!(backend.request("https://anywhere.example/x").await?.status_code(), 404);
/// let error = backend.request("https://anywhere.example/broken").await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Closed);
/// assert_eq!(backend.counts().begun, 3);
/// # Ok::<(), pr_core::BackendError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MemoryBackend {
    name: &'static str,
    capabilities: Capabilities,
    inner: Arc<Inner>,
}

struct Inner {
    mode: Mode,
    counters: Arc<Counters>,
    recording: AtomicBool,
    requests: Mutex<Vec<MemoryRequest>>,
    warnings: Warnings,
    closed: watch::Sender<bool>,
}

type Outcome = Result<ExchangeResponse, BackendError>;

enum Mode {
    Decide(Box<dyn Fn(&MemoryRequest) -> Answer + Send + Sync>),
    Handle(Box<dyn Fn(ExchangeRequest) -> BoxFuture<'static, Outcome> + Send + Sync>),
}

/// What a [`MemoryBackend`] was asked to send.
///
/// ```
/// use pr_core::{BackendExt, RequestConfig};
/// use pr_testkit::{Answer, MemoryBackend};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let backend = MemoryBackend::always(Answer::ok()).recording();
/// backend.request(RequestConfig::post("http://a.example/").data("hello")).await?;
/// let seen = &backend.requests()[0];
/// assert_eq!((seen.number, &seen.method), (0, &http::Method::POST));
/// assert_eq!(&seen.body[..], b"hello");
/// # Ok::<(), pr_core::BackendError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemoryRequest {
    /// Counts exchanges from 0.
    pub number: u64,
    /// The method.
    pub method: Method,
    /// The absolute URI.
    pub uri: Uri,
    /// The header fields, as the backend was given them.
    pub headers: HeaderMap,
    /// The whole body; a streamed one has been read to its end.
    pub body: Bytes,
    /// What a connection would have to match: proxy, verification, protocol.
    pub key: ConnectionKey,
    /// Whether only a new connection would have done.
    pub fresh_connection: bool,
}

impl MemoryBackend {
    /// Everything but what takes a peer or a choice of protocol.
    const CAPABILITIES: Capabilities = Capabilities::of(&[
        Capability::Http1,
        Capability::AsyncNative,
        Capability::StreamingDownload,
        Capability::StreamingUpload,
        Capability::Tls,
        Capability::HttpProxy,
        Capability::SocksProxy,
    ]);

    /// Asks `answer` what to say to each request.
    pub fn answering(answer: impl Fn(&MemoryRequest) -> Answer + Send + Sync + 'static) -> Self {
        Self::new(Mode::Decide(Box::new(answer)))
    }

    /// Says the same to every request.
    pub fn always(answer: Answer) -> Self {
        Self::answering(move |_| answer.clone())
    }

    /// Gives these answers in order, one to each exchange (a redirect that is followed takes two).
    /// After the last one, exchanges fail with kind [`Other`](ErrorKind::Other).
    pub fn queue(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Mutex<VecDeque<_>> = Mutex::new(answers.into_iter().collect());
        Self::answering(move |_| {
            let next = lock(&answers).pop_front();
            next.unwrap_or_else(|| {
                Answer::error(ErrorKind::Other, "the queue holds no further answer")
            })
        })
    }

    /// Leaves all of an exchange to an async function: for what an [`Answer`] cannot say.
    pub fn handling<F>(handler: impl Fn(ExchangeRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<ExchangeResponse, BackendError>> + Send + 'static,
    {
        let handler = move |request| handler(request).boxed();
        Self::new(Mode::Handle(Box::new(handler)))
    }

    /// Answers as a [`Server`](crate::Server) would, whatever the URL's host: all of its
    /// [routes](crate#routes), without a socket.
    pub fn routes() -> Self {
        Self::handling(routes::exchange)
    }

    /// The same backend under another name. Default: `memory`.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The same backend that claims to be able to do just this. Default: HTTP/1.1, async native,
    /// streaming both ways, TLS and proxies.
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Remembers every request from now on; [`requests`](Self::requests) returns them.
    pub fn recording(self) -> Self {
        self.inner.recording.store(true, SeqCst);
        self
    }

    /// The requests so far, if they were [recorded](Self::recording). Those of
    /// [`handling`](Self::handling) and [`routes`](Self::routes) are not, since the body is theirs
    /// to read.
    pub fn requests(&self) -> Vec<MemoryRequest> {
        lock(&self.inner.requests).clone()
    }

    /// How many exchanges there were, and how they ended.
    pub fn counts(&self) -> MemoryCounts {
        self.inner.counters.read()
    }

    fn new(mode: Mode) -> Self {
        Self {
            name: "memory",
            capabilities: Self::CAPABILITIES,
            inner: Arc::new(Inner {
                mode,
                counters: Arc::default(),
                recording: AtomicBool::new(false),
                requests: Mutex::default(),
                warnings: Warnings::default(),
                closed: watch::Sender::new(false),
            }),
        }
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn name(&self) -> &'static str {
        self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn warnings(&self) -> &Warnings {
        &self.inner.warnings
    }

    async fn exchange(&self, request: ExchangeRequest) -> Result<ExchangeResponse, BackendError> {
        let mut closed = self.inner.closed.subscribe();
        if *closed.borrow() {
            return Err(BackendError::backend_closed());
        }
        let in_flight = Counters::begin(&self.inner.counters);
        let outcome = tokio::select! {
            biased;
            outcome = self.inner.respond(in_flight.number(), request) => outcome,
            _ = closed.wait_for(|closed| *closed) => Err(closed_in_flight()),
        };
        match outcome {
            Ok(mut response) => {
                response.body = tracked(response.body, in_flight, closed);
                Ok(response)
            }
            Err(error) => {
                in_flight.failed();
                Err(error)
            }
        }
    }

    async fn close(&self) {
        self.inner.closed.send_replace(true);
    }
}

impl Inner {
    async fn respond(&self, number: u64, request: ExchangeRequest) -> Outcome {
        let decide = match &self.mode {
            Mode::Handle(handler) => return handler(request).await,
            Mode::Decide(decide) => decide,
        };
        let progress = request.progress.clone();
        progress.reach(Stage::Sending);
        let seen = MemoryRequest::read(number, request).await?;
        if self.recording.load(SeqCst) {
            lock(&self.requests).push(seen.clone());
        }
        progress.reach(Stage::AwaitingHead);
        decide(&seen).give(&seen.method).await
    }
}

impl MemoryRequest {
    async fn read(number: u64, request: ExchangeRequest) -> Result<Self, BackendError> {
        Ok(Self {
            number,
            method: request.method,
            uri: request.uri,
            headers: request.headers,
            body: outgoing::collect(request.body).await?,
            key: request.key,
            fresh_connection: request.fresh_connection,
        })
    }
}

/// The body with its end reported to the counters. One of no bytes has ended already.
fn tracked(body: IncomingBody, in_flight: InFlight, closed: watch::Receiver<bool>) -> IncomingBody {
    let size = body.size_hint();
    if size == Some(0) {
        in_flight.answered();
        return body;
    }
    let frames = stream::unfold(Some((body, in_flight, closed)), async |state| {
        let (mut body, in_flight, mut closed) = state?;
        let frame = tokio::select! {
            biased;
            frame = body.next() => frame,
            _ = closed.wait_for(|closed| *closed) => Some(Err(closed_in_flight())),
        };
        match frame {
            None => {
                in_flight.answered();
                None
            }
            Some(Err(error)) => {
                in_flight.failed();
                Some((Err(error), None))
            }
            Some(Ok(frame)) => Some((Ok(frame), Some((body, in_flight, closed)))),
        }
    });
    IncomingBody::streaming(frames, size)
}

fn closed_in_flight() -> BackendError {
    BackendError::new(
        ErrorKind::Closed,
        "the backend was closed during the exchange",
    )
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend")
            .field("name", &self.name)
            .field("capabilities", &self.capabilities)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
