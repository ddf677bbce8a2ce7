//! The backend itself: what it promises, and the way from a future to a thread and back.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use pr_core::{
    Backend, BackendError, Capabilities, Capability, ExchangeRequest, ExchangeResponse,
    OutgoingBody, Task, TransportConfig, Warnings,
};
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    connector::Routes,
    dial::Dialer,
    error,
    exchange::{Exchange, Stop},
    head::Limits,
    pool::Pool,
    threads::{Threads, Ticket},
    worker::Job,
};

const CAPABILITIES: Capabilities = Capabilities::of(&[
    Capability::Http1,
    Capability::StreamingDownload,
    Capability::StreamingUpload,
    Capability::ConnectionReuse,
    Capability::Tls,
    Capability::Trailers,
    Capability::ExpectContinue,
    Capability::HttpProxy,
    Capability::SocksProxy,
    #[cfg(unix)]
    Capability::UnixSocket,
    Capability::Network,
]);

/// The name of this backend.
const NAME: &str = "blocking";

/// HTTP/1.1 over ureq, on threads of its own.
///
/// An exchange takes a thread from when it starts to the end of its response's body. There are at
/// most [`max_threads`](TransportConfig::max_threads); exchanges beyond that number wait their turn
/// in the order in which they came. Threads are named `pr-blocking-1` and so on, are started when
/// they are needed, and end when they have had nothing to do for ten seconds.
///
/// Tasks that are [spawned](Backend::spawn) here are polled by the same threads between exchanges,
/// so that one that makes request after request stays on a thread and costs hardly more than a
/// loop in a thread of its own would. While every thread is in an exchange, one more, named
/// `pr-blocking-spare`, polls those that are woken; it carries out no exchange. As long as there are
/// tasks, at least one thread stays.
///
/// The future of an exchange does not need any particular runtime, or any feature of one: it only
/// waits for the thread. [`BackendExt::request`](pr_core::BackendExt::request) needs Tokio's timers.
/// Connections are dialed on a runtime of the backend's own, which exists from the first dial on and
/// has no threads but those on which the system's resolver looks names up, named `pr-blocking-dns`:
/// up to four times as many as there may be of the others, or 512 if that is more. A custom [resolver](TransportConfig::resolver) is polled
/// on it, and what that spawns there runs only while connections are dialed. Once a connection is
/// open, no runtime has to do with it.
///
/// # What ends when
///
/// - Dropping the future of a request, or its body, frees the thread at once, whatever it waits
///   for: dialing is given up, or the connection is shut down. A look-up by the system's resolver,
///   which nothing can interrupt, goes on by itself, keeps its thread until the system answers, and
///   answers whoever asks for the name next.
/// - A body that is not read keeps its thread, which waits with at most 640 KiB of it.
/// - [`close`](Backend::close) and dropping the backend end all of that, and drop the tasks;
///   `close` waits for the threads and the tasks, a drop does not. Neither waits for the system's
///   resolver. A task that holds a handle of the backend keeps it from being dropped.
///
/// # What it does not do
///
/// It does not speak HTTP/2. It takes at most 128 header fields of a response, whatever
/// [`max_header_fields`](TransportConfig::max_header_fields) says, as ureq does, at most 16 KiB of
/// trailer fields, and at most 16 KiB of chunk extensions, which it drops.
///
/// It does not read a response while it sends a request. An answer that comes early is noticed: an
/// error ends the upload, and any other answer does when the peer has taken nothing for two seconds.
/// Unless that answer said that the connection closes, its body then ends with an error of kind
/// [`Closed`](pr_core::ErrorKind::Closed), since the peer does not have the whole request.
///
/// ```
/// use std::time::Duration;
/// use pr_backend_blocking::{Backend, BackendError, BlockingBackend, TransportConfig};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let settings = TransportConfig::default().max_threads(8).idle_timeout(Duration::from_secs(20));
/// let backend = BlockingBackend::with_config(settings)?;
/// assert_eq!(backend.name(), "blocking");
/// backend.close().await;
/// # Ok::<(), BackendError>(())
/// # }).unwrap();
/// ```
pub struct BlockingBackend {
    threads: Arc<Threads>,
    warnings: Warnings,
}

impl BlockingBackend {
    /// A backend with the default settings. No thread is started yet.
    pub fn new() -> Result<Self, BackendError> {
        Self::with_config(TransportConfig::default())
    }

    /// A backend with these settings. The ones that are about HTTP/2 mean nothing here,
    /// and asking for it by prior knowledge leaves a [`Warning`](pr_core::Warning). A
    /// [`max_header_fields`](TransportConfig::max_header_fields) of more than 128 counts as 128.
    ///
    /// Settings that cannot work are an error of kind [`Config`](pr_core::ErrorKind::Config).
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every backend takes its settings by value, and some keep them"
    )]
    pub fn with_config(config: TransportConfig) -> Result<Self, BackendError> {
        config.validate()?;
        let dialer = Dialer::new(&config)?;
        let routes = Routes {
            pool: Pool::new(&config, dialer.budget()),
            dialer,
            limits: Limits::new(&config),
        };
        Ok(Self {
            threads: Threads::new(config.max_threads, routes),
            warnings: Warnings::about(&config, NAME, CAPABILITIES),
        })
    }
}

#[async_trait]
impl Backend for BlockingBackend {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    async fn exchange(&self, request: ExchangeRequest) -> Result<ExchangeResponse, BackendError> {
        let exchange = Arc::new(Exchange::new(request.progress.clone()));
        let runtime = match request.body {
            OutgoingBody::Stream { .. } => Handle::try_current().ok(),
            OutgoingBody::Empty | OutgoingBody::Full(_) => None,
        };
        let (reply, answer) = oneshot::channel();
        let job = Job {
            request,
            exchange: Arc::clone(&exchange),
            runtime,
            reply,
        };
        let ticket = self.threads.submit(job)?;
        let mut waiting = Waiting {
            threads: &self.threads,
            ticket,
            exchange,
            answered: false,
        };
        let outcome = answer.await;
        waiting.answered = true;
        outcome.unwrap_or_else(|_| Err(error::panicked(waiting.exchange.delivery())))
    }

    fn reset_connections(&self) {
        self.threads.reset_connections();
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        self.threads.spawn(task)
    }

    async fn close(&self) {
        self.threads.close();
        self.threads.ended().await;
    }
}

impl Drop for BlockingBackend {
    fn drop(&mut self) {
        self.threads.close();
    }
}

impl fmt::Debug for BlockingBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingBackend")
            .field("threads", &self.threads)
            .field("warnings", &self.warnings)
            .finish()
    }
}

/// An exchange whose future waits. Dropped before the answer, it ends the exchange.
struct Waiting<'a> {
    threads: &'a Threads,
    ticket: Ticket,
    exchange: Arc<Exchange>,
    answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered && !self.threads.withdraw(self.ticket) {
            self.exchange.stop(Stop::Dropped);
        }
    }
}
