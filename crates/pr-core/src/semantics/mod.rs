//! Everything that HTTP means above one exchange, written once for every backend.

mod prepare;
mod redirect;

use std::time::Duration;

use futures::StreamExt;
use tokio::time::{Instant, timeout, timeout_at};

pub(crate) use self::prepare::check;
pub use self::redirect::MAX_REDIRECTS;
use self::{prepare::Prepared, redirect::Next};
use crate::{
    Backend, BackendError, Delivery, ErrorKind, ExchangeResponse, Frame, Hop, IncomingBody,
    NormalizedResponse, Progress, RequestConfig, Stage, StreamingResponse,
    response::{Head, ReadLimit},
};

/// Sends a request and reads its whole response.
pub(crate) async fn buffered<B: Backend + ?Sized>(
    backend: &B,
    request: RequestConfig,
) -> Result<NormalizedResponse, BackendError> {
    if request.stream {
        return streaming(backend, request).await?.into_whole().await;
    }
    let mut run = Run::new(backend, request)?;
    let outcome = match run.deadline {
        Some(deadline) => timeout_at(deadline, run.whole()).await,
        None => Ok(run.whole().await),
    };
    outcome.unwrap_or_else(|_| Err(run.timed_out()))
}

/// Sends a request and returns when the head of its response is there.
pub(crate) async fn streaming<B: Backend + ?Sized>(
    backend: &B,
    mut request: RequestConfig,
) -> Result<StreamingResponse, BackendError> {
    request.stream = true;
    let limit_is_for_the_whole = request.timeout.is_some();
    let mut run = Run::new(backend, request)?;
    let outcome = match run.deadline {
        Some(deadline) => timeout_at(deadline, run.head()).await,
        None => Ok(run.head().await),
    };
    let (head, body) = outcome.unwrap_or_else(|_| Err(run.timed_out()))?;
    let limit = match run.deadline {
        deadline if limit_is_for_the_whole => ReadLimit::until(deadline),
        _ => ReadLimit::between_pieces(crate::request::DEFAULT_TIMEOUT),
    };
    Ok(StreamingResponse::new(head, body, run.started, limit))
}

/// One request on its way, through however many exchanges it takes.
struct Run<'a, B: ?Sized> {
    backend: &'a B,
    request: Prepared,
    started: Instant,
    timeout: Duration,
    deadline: Option<Instant>,
    progress: Progress,
    history: Vec<Hop>,
    attempts: u32,
    /// Whether an exchange of this request has been answered, or may have been acted upon. From then
    /// on no error may say that nothing was sent.
    reached: bool,
}

impl<'a, B: Backend + ?Sized> Run<'a, B> {
    /// Validates the request. Nothing has been sent when this fails.
    fn new(backend: &'a B, request: RequestConfig) -> Result<Self, BackendError> {
        let named = |error: BackendError| error.with_backend(backend.name());
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(named(BackendError::new(
                ErrorKind::Config,
                "there is no Tokio runtime here; call this from a task of one",
            )));
        }
        let limit = request.timeout.unwrap_or(crate::request::DEFAULT_TIMEOUT);
        let prepared = prepare::prepare(request).map_err(named)?;
        prepare::match_backend(&prepared, backend).map_err(named)?;
        let started = Instant::now();
        Ok(Self {
            backend,
            request: prepared,
            started,
            timeout: limit,
            // A limit too long to be represented is no limit.
            deadline: started.checked_add(limit),
            progress: Progress::new(),
            history: Vec::new(),
            attempts: 1,
            reached: false,
        })
    }

    async fn whole(&mut self) -> Result<NormalizedResponse, BackendError> {
        let (head, body) = self.head().await?;
        let (content, trailers) = body.collect().await.map_err(|error| self.located(error))?;
        Ok(NormalizedResponse {
            head,
            content,
            trailers,
            elapsed: self.started.elapsed(),
        })
    }

    /// Exchanges until a response is no redirect to follow.
    async fn head(&mut self) -> Result<(Head, IncomingBody), BackendError> {
        loop {
            let response = self.exchange().await.map_err(|error| self.located(error))?;
            let next = redirect::next(&self.request, &response, self.history.len())
                .map_err(|error| self.located(error))?;
            match next {
                Next::Deliver => return Ok(self.deliver(response)),
                Next::Follow(target) => {
                    let url = self.request.url.clone();
                    self.history.push(Hop {
                        url,
                        status_code: response.status,
                    });
                    redirect::apply(&mut self.request, response.status, target);
                    // The target may need what the first URL did not, TLS for instance.
                    prepare::match_backend(&self.request, self.backend)
                        .map_err(|error| self.located(error))?;
                    discard(response.body).await;
                }
            }
        }
    }

    /// One exchange, sent a second time if the connection failed it and a second time is safe
    /// (RFC 9112, section 9.3.1; RFC 9113, section 8.7).
    async fn exchange(&mut self) -> Result<ExchangeResponse, BackendError> {
        match self.exchange_once(false).await {
            Err(error) if self.may_resend(&error) => {
                self.attempts += 1;
                self.exchange_once(true).await
            }
            outcome => outcome,
        }
    }

    async fn exchange_once(&mut self, fresh: bool) -> Result<ExchangeResponse, BackendError> {
        self.progress.reach(Stage::Queued);
        let mut request = self.request.to_exchange(&self.progress)?;
        request.deadline = self.deadline;
        request.fresh_connection = fresh;
        let outcome = self.backend.exchange(request).await;
        match &outcome {
            Ok(_) => {
                self.progress.reach(Stage::ReadingBody);
                self.reached = true;
            }
            Err(error) => self.reached |= error.may_have_been_processed(),
        }
        outcome
    }

    fn may_resend(&self, error: &BackendError) -> bool {
        let is_safe = match error.delivery() {
            Delivery::NotSent | Delivery::NotProcessed => true,
            // A kept connection that its peer closes just then is nobody's fault. A new one that
            // is closed after a request is an answer of sorts.
            Delivery::Unknown => {
                error.was_on_reused_connection() && self.request.method.is_idempotent()
            }
        };
        error.kind() == ErrorKind::Closed && is_safe && self.request.body.is_reopenable()
    }

    fn deliver(&mut self, response: ExchangeResponse) -> (Head, IncomingBody) {
        let head = Head {
            status: response.status,
            version: response.version,
            headers: response.headers,
            url: self.request.url.clone(),
            history: std::mem::take(&mut self.history),
            connection: response.connection,
            backend: self.backend.name().into(),
            attempts: self.attempts,
            waited: self.started.elapsed(),
        };
        (head, response.body)
    }

    fn timed_out(&self) -> BackendError {
        self.located(
            self.progress
                .timed_out(&format!("the timeout of {:?}", self.timeout)),
        )
    }

    fn located(&self, error: BackendError) -> BackendError {
        let error = error
            .with_backend(self.backend.name())
            .with_url(&self.request.url);
        if self.reached {
            error.with_delivery(Delivery::Unknown)
        } else {
            error
        }
    }
}

/// Reads the short body of a redirect, so that its connection can be used again; a long or slow
/// one costs more than a new connection and is dropped.
async fn discard(mut body: IncomingBody) {
    const LONGEST: usize = 64 << 10;
    const SLOWEST: Duration = Duration::from_millis(500);

    let short = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.next().await {
            if let Frame::Data(piece) = frame {
                read += piece.len();
            }
            if read > LONGEST {
                break;
            }
        }
    };
    // Whether it was read or not, the outcome of the request does not depend on it.
    let _ = timeout(SLOWEST, short).await;
}
