//! Everything that HTTP means above one exchange, written once for every backend.

mod check;
mod cookies;
mod pace;
mod prepare;
mod redirect;

use std::{ops::Deref, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use http::HeaderMap;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

pub use self::redirect::MAX_REDIRECTS;
pub(crate) use self::{cookies::Cookies, prepare::check};
use self::{pace::Pace, prepare::Prepared, redirect::Next};
use crate::{
    Backend, BackendError, ConnectionInfo, Delivery, ErrorKind, ExchangeResponse, Frame, Hop,
    IncomingBody, NormalizedResponse, Progress, Stage, StreamingResponse, decode,
    request::{DEFAULT_TIMEOUT, RequestFields, is_endless},
    response::{Head, ReadLimit, SizeLimits, Waited},
};

/// How often an exchange is sent again at once. A peer that drains its connections one after the
/// other, or refuses streams while it sheds load, is past that soon; one that goes on refusing means
/// it, and when to try again is for a retry policy, with its pauses and its budget, to say.
const MOST_RESENDS: u32 = 3;

/// Sends a request and reads its whole response.
///
/// The request is taken apart here and now, and the future holds what has become of it once: it is
/// allocated for each request, and its size is what that costs. The clock starts with the first poll.
pub(crate) fn buffered<H, B>(
    backend: H,
    request: &mut RequestFields,
    cookies: Cookies,
) -> impl Future<Output = Result<NormalizedResponse, BackendError>> + Send + use<H, B>
where
    H: Deref<Target = B> + Send,
    B: Backend + ?Sized,
{
    let mut run = Run::new(backend, request, cookies).map_err(Some);
    async move {
        let run = match &mut run {
            Ok(run) => run.begin()?,
            Err(error) => return Err(error.take().unwrap_or_else(BackendError::backend_closed)),
        };
        if run.is_streamed || run.pace.is_some() {
            return Box::pin(async move { run.stream().await?.into_whole().await }).await;
        }
        let outcome = match run.deadline() {
            Some(deadline) => timeout_at(deadline, run.whole()).await,
            None => Ok(run.whole().await),
        };
        outcome.unwrap_or_else(|_| Err(run.timed_out()))
    }
}

/// Sends a request and returns when the head of its response is there.
pub(crate) fn streaming<H, B>(
    backend: H,
    request: &mut RequestFields,
    cookies: Cookies,
) -> impl Future<Output = Result<StreamingResponse, BackendError>> + Send + use<H, B>
where
    H: Deref<Target = B> + Send,
    B: Backend + ?Sized,
{
    request.stream = true;
    let run = Run::new(backend, request, cookies);
    async move { run?.begin()?.stream().await }
}

/// One request on its way, through however many exchanges it takes.
struct Run<H> {
    backend: H,
    request: Prepared,
    cookies: Cookies,
    /// When it was first polled.
    started: Option<Instant>,
    /// Whether the body is read piece by piece, or was said to be long.
    is_streamed: bool,
    /// The user's limit; `None` if there is none but the default.
    timeout: Option<Duration>,
    /// The limits of its parts. Boxed, because few requests have any.
    pace: Option<Box<Pace>>,
    /// From the first poll on.
    progress: Option<Progress>,
    /// The exchanges before the one under way. Boxed, because most requests have none.
    past: Option<Box<Past>>,
    attempts: u32,
    /// The most that has happened to any exchange of this request; no error may claim less.
    fate: Delivery,
}

/// What a request has behind it.
#[derive(Default)]
struct Past {
    hops: Vec<Hop>,
    took: Duration,
}

impl<H, B> Run<H>
where
    H: Deref<Target = B>,
    B: Backend + ?Sized,
{
    /// Validates the request. Nothing has been sent when this fails.
    fn new(
        backend: H,
        request: &mut RequestFields,
        cookies: Cookies,
    ) -> Result<Self, BackendError> {
        let named = |error: BackendError| error.with_backend(backend.name());
        let (timeout, is_streamed) = (request.timeout, request.stream);
        let pace = Pace::of(request.options.as_deref(), timeout).map(Box::new);
        let mut request = prepare::prepare(request).map_err(named)?;
        prepare::match_backend(&mut request, &*backend).map_err(named)?;
        Ok(Self {
            backend,
            request,
            cookies,
            started: None,
            is_streamed,
            timeout,
            pace,
            progress: None,
            past: None,
            attempts: 1,
            fate: Delivery::NotSent,
        })
    }

    /// Starts the clock.
    fn begin(&mut self) -> Result<&mut Self, BackendError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(BackendError::no_runtime().with_backend(self.backend.name()));
        }
        let now = Instant::now();
        self.started = Some(now);
        Ok(self)
    }

    fn elapsed(&self) -> Duration {
        self.started
            .map_or(Duration::ZERO, |started| started.elapsed())
    }

    /// When time is up; `None` before it began, and if there is no limit.
    fn deadline(&self) -> Option<Instant> {
        let limit = Some(self.limit()).filter(|limit| !is_endless(*limit));
        self.started?.checked_add(limit?)
    }

    fn limit(&self) -> Duration {
        self.timeout.unwrap_or(DEFAULT_TIMEOUT)
    }

    async fn stream(&mut self) -> Result<StreamingResponse, BackendError> {
        let outcome = match self.deadline() {
            Some(deadline) => timeout_at(deadline, self.head()).await,
            None => Ok(self.head().await),
        };
        let (head, body) = outcome.unwrap_or_else(|_| Err(self.timed_out()))?;
        let pause = self.pace.as_ref().and_then(|pace| pace.read);
        let limit = if self.is_streamed && self.timeout.is_none() {
            ReadLimit::new(None, pause.or(Some(DEFAULT_TIMEOUT)))
        } else {
            ReadLimit::new(self.deadline(), pause)
        };
        let started = self.started.unwrap_or_else(Instant::now);
        let sizes = self.sizes();
        Ok(StreamingResponse::new(head, body, started, limit, sizes))
    }

    async fn whole(&mut self) -> Result<NormalizedResponse, BackendError> {
        let (mut head, body) = self.head().await?;
        let body = match body.into_whole() {
            Ok(content) => {
                let received = content.len() as u64;
                let checked = self.sizes().buffered.check(received);
                checked.map_err(|error| self.located_on(head.connection, error))?;
                let content = match &mut head.discarded {
                    None => content,
                    Some(discarded) => {
                        *discarded = received;
                        Bytes::new()
                    }
                };
                return Ok(NormalizedResponse {
                    elapsed: head.waited.head,
                    head,
                    content,
                    received,
                    trailers: HeaderMap::new(),
                });
            }
            Err(body) => body,
        };
        let limit = self.sizes().buffered;
        let collected = if head.discarded.is_some() {
            Box::pin(body.discard(limit)).await
        } else {
            Box::pin(body.collect(limit)).await
        };
        let collected = collected.map_err(|error| self.located_on(head.connection, error))?;
        if let Some(discarded) = &mut head.discarded {
            *discarded = collected.decoded;
        }
        Ok(NormalizedResponse {
            head,
            content: collected.content,
            received: collected.received,
            trailers: collected.trailers,
            elapsed: self.elapsed(),
        })
    }

    /// How large the body may become.
    fn sizes(&self) -> SizeLimits {
        let options = self.request.options.as_deref();
        let most = options.and_then(|options| options.max_body_size);
        SizeLimits::new(&self.request.method, most, self.request.discards_body)
    }

    /// Exchanges until a response is no redirect to follow.
    async fn head(&mut self) -> Result<(Box<Head>, IncomingBody), BackendError> {
        loop {
            let response = self.exchange().await.map_err(|error| self.located(error))?;
            let next = redirect::next(&self.request, &response, self.history())
                .map_err(|error| self.located(error))?;
            match next {
                Next::Deliver => return Ok(self.deliver(response)),
                // Boxed, because it is rare, and its state would weigh on every request.
                Next::Follow(target) => Box::pin(self.follow(response, target)).await?,
            }
        }
    }

    /// Turns the request into the one that this redirect asks for.
    async fn follow(
        &mut self,
        response: ExchangeResponse,
        target: redirect::Target,
    ) -> Result<(), BackendError> {
        let url = Url::clone(&self.request.url);
        let hop = Hop {
            url,
            status_code: response.status,
        };
        self.past.get_or_insert_default().hops.push(hop);
        redirect::apply(&mut self.request, response.status, target);
        // The target may need what the first URL did not, TLS for instance.
        prepare::match_backend(&mut self.request, &*self.backend)
            .map_err(|error| self.located(error))?;
        discard(response.body).await;
        self.look_back();
        Ok(())
    }

    /// One exchange, sent again if the connection failed it and that is safe (RFC 9112, section
    /// 9.3.1; RFC 9113, section 8.7): up to [`MOST_RESENDS`] times while it is certain that the peer
    /// has not processed it, and once if it is not.
    async fn exchange(&mut self) -> Result<ExchangeResponse, BackendError> {
        let (mut resends, mut risks) = (0, 0);
        loop {
            match self.exchange_once(resends > 0).await {
                Err(error) if resends < MOST_RESENDS && self.may_resend(&error, risks) => {
                    resends += 1;
                    self.look_back();
                    risks += u32::from(error.delivery() == Delivery::Unknown);
                    self.attempts += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn exchange_once(&mut self, fresh: bool) -> Result<ExchangeResponse, BackendError> {
        let deadline = self.deadline();
        let Some(started) = self.started else {
            return Err(BackendError::no_runtime());
        };
        // One for each exchange: what is left of an earlier one must not move it.
        let progress = &*self.progress.insert(Progress::since(
            started,
            self.pace.is_some(),
            self.request.observer(),
        ));
        let mut request = self.request.to_exchange(progress, &self.cookies)?;
        request.deadline = deadline;
        request.fresh_connection = fresh;
        let outcome = match &self.pace {
            None => self.backend.exchange(request).await,
            Some(pace) => {
                request.body = pace::watched(request.body, progress);
                let exchange = self.backend.exchange(request);
                Box::pin(pace.keep(exchange, progress)).await
            }
        };
        match &outcome {
            Ok(response) => {
                progress.answered_on(response.connection);
                progress.reach(Stage::ReadingBody);
                self.fate = Delivery::Unknown;
                self.cookies.keep(&self.request.url, &response.headers);
            }
            Err(error) => self.fate = worse(self.fate, error.delivery()),
        }
        outcome
    }

    /// `risks` is how often it has been sent again without being certain.
    fn may_resend(&self, error: &BackendError, risks: u32) -> bool {
        let is_safe = match error.delivery() {
            Delivery::NotSent | Delivery::NotProcessed => true,
            // A kept connection that its peer closes just then is nobody's fault. A new one that
            // is closed after a request is an answer of sorts.
            Delivery::Unknown => {
                risks == 0
                    && error.was_on_reused_connection()
                    && self.request.method.is_idempotent()
            }
        };
        self.request.may_resend
            && error.kind() == ErrorKind::Closed
            && is_safe
            && self.request.body.is_reopenable()
    }

    fn deliver(&mut self, mut response: ExchangeResponse) -> (Box<Head>, IncomingBody) {
        if self.request.decodes() {
            decode::decode(&self.request.method, &mut response);
        }
        let waited = self.waited();
        let head = Head {
            status: response.status,
            version: response.version,
            headers: response.headers,
            url: self.request.url.clone(),
            history: self.past.take().map_or_else(Vec::new, |past| past.hops),
            connection: response.connection,
            backend: self.backend.name().into(),
            attempts: self.attempts,
            waited,
            earlier_attempts: Box::default(),
            discarded: self.request.discards_body.then_some(0),
        };
        (Box::new(head), response.body)
    }

    /// The redirects that have been followed.
    fn history(&self) -> &[Hop] {
        self.past.as_ref().map_or(&[], |past| &past.hops)
    }

    /// Counts the time so far as that of earlier exchanges.
    fn look_back(&mut self) {
        self.past.get_or_insert_default().took = self.elapsed();
    }

    fn waited(&self) -> Waited {
        let head = self.elapsed();
        let before = self.past.as_ref().map_or(Duration::ZERO, |past| past.took);
        let progress = self.progress.as_ref();
        let dial = progress.and_then(Progress::take_dial_timings);
        let dialing = dial.as_ref().map_or(Duration::ZERO, |dial| dial.total());
        // A backend that says nothing of sending is taken to have sent at once.
        let sent = progress.and_then(Progress::sending_began);
        let dialed = before.saturating_add(dialing);
        let until_sent = sent.unwrap_or(dialed).min(head);
        Waited {
            before,
            queued: until_sent.saturating_sub(dialed),
            dial,
            head,
        }
    }

    fn timed_out(&self) -> BackendError {
        let what = format!("the timeout of {:?}", self.limit());
        let progress = self.progress.clone().unwrap_or_default();
        self.located(progress.timed_out(&what))
    }

    /// The same for an error of a response's body.
    fn located_on(&self, connection: ConnectionInfo, error: BackendError) -> BackendError {
        self.located(error.on_any_connection(connection))
    }

    /// The error with what is known of the request: where it went, and what became of it.
    fn located(&self, error: BackendError) -> BackendError {
        let error = match self.progress.as_ref().and_then(Progress::connection) {
            Some(connection) if error.connection().is_none() => error.on_connection(connection),
            _ => error,
        };
        let error = error
            .with_backend(self.backend.name())
            .with_url(&self.request.url);
        let delivery = worse(self.fate, error.delivery());
        error.with_delivery(delivery)
    }
}

/// The one of the two that rules out less.
fn worse(one: Delivery, other: Delivery) -> Delivery {
    match (one, other) {
        (Delivery::NotSent, other) | (other, Delivery::NotSent) => other,
        (Delivery::NotProcessed, Delivery::NotProcessed) => Delivery::NotProcessed,
        _ => Delivery::Unknown,
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
