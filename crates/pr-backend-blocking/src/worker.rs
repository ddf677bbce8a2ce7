//! What one thread does: exchange after exchange, through ureq.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, Method, header};
use pr_core::{
    BackendError, Delivery, ErrorKind, ExchangeRequest, ExchangeResponse, Frame, IncomingBody,
    OutgoingBody, Stage,
};
use tokio::{runtime::Handle, sync::oneshot};
use ureq::{
    Agent, SendBody,
    config::{AutoHeaderValue, Config},
    http::Request,
};

use crate::{
    connector::{DeskConnector, NoResolver, Routes},
    desk::{Desk, Order, Parked},
    download::{Download, Frames, Item, Piece, PieceSender},
    error::{self, Moment},
    exchange::Exchange,
    head::{self, Limits},
    outgoing::{self, Withheld},
    upload::Upload,
};

/// An exchange that waits for a thread.
pub(crate) struct Job {
    pub(crate) request: ExchangeRequest,
    pub(crate) exchange: Arc<Exchange>,
    /// The runtime that a streamed request body may need.
    pub(crate) runtime: Option<Handle>,
    pub(crate) reply: Reply,
}

/// The way back to the exchange's future.
pub(crate) type Reply = oneshot::Sender<Result<ExchangeResponse, BackendError>>;

/// What is left to be said when the thread has done with an exchange and is free for the next. It
/// is said when the thread counts as free, so that a caller who goes on at once finds it.
#[must_use]
pub(crate) enum LastWord {
    /// The outcome itself.
    Reply(Reply, Result<ExchangeResponse, BackendError>),
    /// The end of a body: its last piece, or what it failed with.
    EndOfBody(PieceSender, Item),
}

impl LastWord {
    pub(crate) fn say(self) {
        match self {
            // Whoever does not want to hear it has gone.
            Self::Reply(reply, outcome) => drop(reply.send(outcome)),
            // There is room. Whoever has closed the channel does not want to hear it.
            Self::EndOfBody(sender, end) => drop(sender.try_send(end)),
        }
    }
}

/// The tools of one thread.
pub(crate) struct Worker {
    routes: Arc<Routes>,
    config: Config,
    desk: Arc<Desk>,
    scratch: Vec<u8>,
}

impl Worker {
    pub(crate) fn new(routes: Arc<Routes>) -> Self {
        Self {
            config: config(routes.limits),
            routes,
            desk: Arc::default(),
            scratch: Vec::new(),
        }
    }

    /// Carries out one exchange, to the end of the response's body.
    ///
    /// A panic, be it in ureq or in a request body of the user's, is caught; the future of the
    /// exchange, or the body, then finds its channel closed.
    pub(crate) fn carry_out(&mut self, job: Job) -> Option<LastWord> {
        let caught = catch_unwind(AssertUnwindSafe(|| self.exchange(job)));
        if let Ok(last_word) = caught {
            return last_word;
        }
        // What the panic has left of the tools is not worth finding out.
        *self = Self::new(Arc::clone(&self.routes));
        None
    }

    fn exchange(&mut self, job: Job) -> Option<LastWord> {
        let Job {
            request,
            exchange,
            runtime,
            reply,
        } = job;
        let (head, mut download) = match self.head(request, &exchange, runtime) {
            Ok(found) => found,
            Err(error) => return Some(LastWord::Reply(reply, Err(error))),
        };
        exchange.reach(Stage::ReadingBody);
        let length = download.length();
        let (first, failure) = match download.read_arrived(&mut self.scratch) {
            Ok(Piece::Last(whole, trailers)) => {
                let response = match trailers {
                    None => head.with_body(whole),
                    Some(trailers) => with_trailers(head, whole, *trailers),
                };
                return Some(LastWord::Reply(reply, Ok(response)));
            }
            Ok(Piece::More(first)) => (first, None),
            Err(error) => (Bytes::new(), Some(error)),
        };
        let (to_consumer, frames) = Frames::new(first, exchange);
        let mut response = head;
        response.body = IncomingBody::streaming(frames, length);
        if reply.send(Ok(response)).is_err() {
            // The future has gone, and with it what it would have got.
            return None;
        }
        let end = match failure {
            Some(error) => Err(error),
            None => download.deliver(&to_consumer, &mut self.scratch)?,
        };
        Some(LastWord::EndOfBody(to_consumer, end))
    }

    /// An agent for one exchange. It has nothing to remember: where another crate of the program
    /// turns ureq's `cookies` feature on, an agent keeps cookies and sends them unasked.
    fn agent(&self) -> Agent {
        let connector = DeskConnector {
            routes: Arc::clone(&self.routes),
            desk: Arc::clone(&self.desk),
        };
        Agent::with_parts(self.config.clone(), connector, NoResolver)
    }

    /// Sends the request and waits for the response's head.
    fn head(
        &self,
        request: ExchangeRequest,
        exchange: &Arc<Exchange>,
        runtime: Option<Handle>,
    ) -> Result<(ExchangeResponse, Download), BackendError> {
        let limits = self.routes.limits;
        let body = match request.body {
            OutgoingBody::Stream {
                stream,
                length: Some(0),
            } => {
                Upload::new(stream, Some(0), exchange, runtime.clone()).expect_nothing()?;
                OutgoingBody::Empty
            }
            OutgoingBody::Full(bytes) if bytes.is_empty() => OutgoingBody::Empty,
            body => body,
        };
        let connection = self
            .routes
            .connect(&request.key, request.fresh_connection, exchange)?;

        let mut head = Request::new(());
        *head.method_mut() = request.method;
        *head.uri_mut() = request.uri;
        *head.headers_mut() = request.headers;
        if let Some(forwarding) = connection.forwarding() {
            forwarding.authorize(head.headers_mut());
        }
        let withheld = Withheld::take(&mut head).map_err(|cause| {
            BackendError::new(ErrorKind::Input, "the request's target is not complete")
                .with_source(cause)
                .with_delivery(Delivery::NotSent)
        })?;
        let order = Order {
            connection,
            exchange: Arc::clone(exchange),
            key: request.key,
            withheld,
        };
        self.desk.prepare(order, draft(&head), limits.fields);

        let agent = self.agent();
        let outcome = match body {
            OutgoingBody::Empty => {
                if expects_content(head.method()) {
                    head.headers_mut()
                        .insert(header::CONTENT_LENGTH, HeaderValue::from(0));
                }
                agent.run(head)
            }
            OutgoingBody::Full(bytes) => agent.run(head.map(|()| &bytes[..])),
            OutgoingBody::Stream { stream, length } => {
                // Without this header, ureq uses the chunked coding.
                if let Some(length) = length {
                    head.headers_mut()
                        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
                }
                let mut upload = Upload::new(stream, length, exchange, runtime);
                let outcome = agent.run(head.map(|()| SendBody::from_reader(&mut upload)));
                if let Some(failure) = upload.take_failure() {
                    return Err(failure);
                }
                outcome
            }
        };
        // If ureq has refused the request, nobody has taken the connection.
        drop(self.desk.take_order());
        let parked = self.desk.take_parked();
        let response = outcome.map_err(|error| error::of_ureq(error, Moment::Head, exchange))?;
        let (parts, body) = response.into_parts();
        head::check(parts.status, parts.version, &parts.headers, limits)?;
        if exchange.is_peer_deaf() && !head::is_enough(parts.status, &parts.headers) {
            exchange.set_cut();
        }
        if let Some(Parked { connection, key }) = parked {
            self.routes.pool.put(&key, connection);
        }
        let is_chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
        exchange.begin_body(is_chunked);
        let mut response = ExchangeResponse::new(parts.status);
        response.version = parts.version;
        response.headers = parts.headers;
        response.connection = exchange.connection();
        Ok((
            response,
            Download::new(body, is_chunked, Arc::clone(exchange)),
        ))
    }
}

/// A response of which everything is there.
fn with_trailers(
    mut head: ExchangeResponse,
    whole: Bytes,
    trailers: HeaderMap,
) -> ExchangeResponse {
    let length = whole.len() as u64;
    let frames = [Frame::Data(whole), Frame::Trailers(trailers)];
    head.body = IncomingBody::streaming(stream::iter(frames.map(Ok)), Some(length));
    head
}

/// ureq's settings, without all that is done above a backend or by our own connector.
fn config(limits: Limits) -> Config {
    Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .allow_non_standard_methods(true)
        .proxy(None)
        .user_agent(AutoHeaderValue::None)
        .accept(AutoHeaderValue::None)
        .accept_encoding(AutoHeaderValue::None)
        .max_response_header_size(limits.head)
        // Its pool is off: a connection that it would keep goes to ours when it is dropped.
        .max_idle_connections(0)
        .max_idle_connections_per_host(0)
        .build()
}

/// Methods whose meaning is in their content, so that "none" is said (RFC 9110, section 8.6).
fn expects_content(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// The length of what ureq writes of the request's head at most.
fn draft(head: &Request<()>) -> usize {
    /// Separators, the version, and the fields that are added.
    const MARGIN: usize = 256;
    let host = head.uri().authority();
    let host = host.map_or(0, |authority| authority.as_str().len());
    MARGIN + host + head.method().as_str().len() + outgoing::length(head.headers())
}
