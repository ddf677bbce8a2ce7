//! What a backend in memory says to one request.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use pr_core::{
    BackendError, Delivery, ErrorKind, ExchangeResponse, Frame, IncomingBody, TimeoutPhase,
};

/// One scripted outcome of an exchange of a [`MemoryBackend`](crate::MemoryBackend): a response, an
/// error, or nothing ever; at once or after a while.
///
/// ```
/// use std::time::Duration;
/// use pr_core::{Delivery, ErrorKind};
/// use pr_testkit::{Answer, MemoryBackend};
///
/// let backend = MemoryBackend::queue([
///     Answer::status(503).header("retry-after", "1"),
///     Answer::error(ErrorKind::Closed, "gone").delivery(Delivery::NotSent),
///     Answer::ok().pieces(["in ", "two"]).after(Duration::from_millis(20)),
///     Answer::hang(),
/// ]);
/// # drop(backend);
/// ```
#[derive(Clone, Debug)]
pub struct Answer {
    delay: Duration,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Respond(Box<Response>),
    Fail(Failure),
    Hang,
}

#[derive(Clone, Debug)]
struct Response {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    body: Body,
    end: End,
}

#[derive(Clone, Debug)]
enum Body {
    Whole(Bytes),
    Pieces { pieces: Vec<Bytes>, pause: Duration },
}

/// What comes after the pieces of a body.
#[derive(Clone, Debug)]
enum End {
    Complete,
    Error(Failure),
    Hang,
}

#[derive(Clone, Debug)]
struct Failure {
    kind: ErrorKind,
    message: &'static str,
    phase: Option<TimeoutPhase>,
    delivery: Option<Delivery>,
    reused_connection: bool,
}

impl Answer {
    /// A response with status 200, no header fields and no body.
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// A response with this status, no header fields and no body.
    ///
    /// # Panics
    ///
    /// If the number is not a status: 100 to 999.
    pub fn status(status: u16) -> Self {
        Self::of(What::Respond(Box::new(Response {
            status: StatusCode::from_u16(status).expect("a status is a number from 100 to 999"),
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            body: Body::Whole(Bytes::new()),
            end: End::Complete,
        })))
    }

    /// An error of this kind instead of a response.
    pub fn error(kind: ErrorKind, message: &'static str) -> Self {
        Self::of(What::Fail(Failure::new(kind, message)))
    }

    /// A timeout in this phase instead of a response.
    pub fn timeout(phase: TimeoutPhase) -> Self {
        let mut failure = Failure::new(ErrorKind::Timeout, "the backend ran out of time");
        failure.phase = Some(phase);
        Self::of(What::Fail(failure))
    }

    /// Never an answer; the exchange ends when it is dropped, or the backend closed.
    pub fn hang() -> Self {
        Self::of(What::Hang)
    }

    /// Answers after this time on Tokio's clock. Default: at once.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Adds a header field. Repeated names are kept. Without effect on errors.
    ///
    /// # Panics
    ///
    /// If it is not a header field.
    pub fn header(self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("the name of a header is a token");
        let value = HeaderValue::from_str(value).expect("the value can stand in a header");
        self.respond(|response| {
            response.headers.append(name, value);
        })
    }

    /// Sets the version. Default: HTTP/1.1. Without effect on errors.
    pub fn version(self, version: Version) -> Self {
        self.respond(|response| response.version = version)
    }

    /// Sets the body, in one piece. Without effect on errors.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.respond(|response| response.body = Body::Whole(body))
    }

    /// Sets the body, in these pieces, of a length that is not announced. Without effect on errors.
    pub fn pieces<B: Into<Bytes>>(self, pieces: impl IntoIterator<Item = B>) -> Self {
        let pieces = pieces.into_iter().map(Into::into).collect();
        let pause = Duration::ZERO;
        self.respond(|response| response.body = Body::Pieces { pieces, pause })
    }

    /// Waits this long before each piece of the body. Without effect on other bodies.
    pub fn pause(self, duration: Duration) -> Self {
        self.respond(|response| {
            if let Body::Pieces { pause, .. } = &mut response.body {
                *pause = duration;
            }
        })
    }

    /// Ends the body with an error instead of its end. Without effect on errors.
    pub fn then_error(self, kind: ErrorKind, message: &'static str) -> Self {
        self.respond(|response| response.end = End::Error(Failure::new(kind, message)))
    }

    /// Sends the body and never ends it. Without effect on errors.
    pub fn then_hang(self) -> Self {
        self.respond(|response| response.end = End::Hang)
    }

    /// Says what is known of the request's fate. Default: by the kind. Without effect on responses.
    pub fn delivery(self, delivery: Delivery) -> Self {
        self.fail(|failure| failure.delivery = Some(delivery))
    }

    /// Says that the connection had been used before. Without effect on responses.
    pub fn on_reused_connection(self) -> Self {
        self.fail(|failure| failure.reused_connection = true)
    }

    /// The outcome, when its time has come.
    pub(super) async fn give(self, method: &Method) -> Result<ExchangeResponse, BackendError> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        match self.what {
            What::Hang => std::future::pending().await,
            What::Fail(failure) => Err(failure.into_error()),
            What::Respond(response) => Ok(response.into_exchange(method)),
        }
    }

    fn of(what: What) -> Self {
        Self {
            delay: Duration::ZERO,
            what,
        }
    }

    fn respond(mut self, change: impl FnOnce(&mut Response)) -> Self {
        if let What::Respond(response) = &mut self.what {
            change(response);
        }
        self
    }

    fn fail(mut self, change: impl FnOnce(&mut Failure)) -> Self {
        if let What::Fail(failure) = &mut self.what {
            change(failure);
        }
        self
    }
}

impl Response {
    fn into_exchange(self, method: &Method) -> ExchangeResponse {
        let mut response = ExchangeResponse::new(self.status);
        response.version = self.version;
        response.headers = self.headers;
        let bodyless = method == Method::HEAD || matches!(self.status.as_u16(), 204 | 304);
        if !bodyless {
            response.body = body(self.body, self.end);
        }
        response
    }
}

fn body(body: Body, end: End) -> IncomingBody {
    let (pieces, pause) = match (body, &end) {
        (Body::Whole(bytes), End::Complete) => return IncomingBody::full(bytes),
        (Body::Whole(bytes), _) => (vec![bytes], Duration::ZERO),
        (Body::Pieces { pieces, pause }, _) => (pieces, pause),
    };
    let pieces = stream::iter(pieces).then(move |piece| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok(Frame::Data(piece))
    });
    match end {
        End::Complete => IncomingBody::streaming(pieces, None),
        End::Hang => IncomingBody::streaming(pieces.chain(stream::pending()), None),
        End::Error(failure) => {
            let error = stream::once(async move { Err(failure.into_error()) });
            IncomingBody::streaming(pieces.chain(error), None)
        }
    }
}

impl Failure {
    fn new(kind: ErrorKind, message: &'static str) -> Self {
        Self {
            kind,
            message,
            phase: None,
            delivery: None,
            reused_connection: false,
        }
    }

    fn into_error(self) -> BackendError {
        let error = match self.phase {
            Some(phase) => BackendError::timeout(phase, self.message),
            None => BackendError::new(self.kind, self.message),
        };
        let error = error.on_reused_connection(self.reused_connection);
        match self.delivery {
            Some(delivery) => error.with_delivery(delivery),
            None => error,
        }
    }
}
