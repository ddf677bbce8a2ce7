//! A backend that answers by a closure and remembers what it was asked: enough to see what the
//! semantics above one exchange do, without a socket.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pr_core::{
    Backend, BackendError, Capabilities, Capability, ConnectionKey, ExchangeRequest,
    ExchangeResponse, OutgoingBody, Progress, Stage, Warnings,
};

/// What the backend was asked to send.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) fresh_connection: bool,
    pub(crate) key: ConnectionKey,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

type Answer = BoxFuture<'static, Result<ExchangeResponse, BackendError>>;

pub(crate) struct Scripted {
    answer: Box<dyn Fn(usize, Seen, Progress) -> Answer + Send + Sync>,
    seen: Mutex<Vec<Seen>>,
    capabilities: Capabilities,
    /// How long it takes to take a piece of a body.
    slowness: Duration,
    warnings: Warnings,
}

impl Scripted {
    /// `answer` gets the number of the exchange, from 0, and what was asked.
    pub(crate) fn new(
        answer: impl Fn(usize, Seen, Progress) -> Answer + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            seen: Mutex::default(),
            capabilities: Capabilities::of(&[
                Capability::Http1,
                Capability::Tls,
                Capability::StreamingUpload,
            ]),
            slowness: Duration::ZERO,
            warnings: Warnings::default(),
        })
    }

    /// Answers at once.
    pub(crate) fn at_once(
        answer: impl Fn(usize, &Seen) -> Result<ExchangeResponse, BackendError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::new(move |number, seen, _| {
            let outcome = answer(number, &seen);
            Box::pin(async move { outcome })
        })
    }

    /// The same on a backend that cannot do `https`.
    pub(crate) fn without_tls(
        answer: impl Fn(usize, &Seen) -> Result<ExchangeResponse, BackendError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let mut scripted = Self::at_once(answer);
        let made = Arc::get_mut(&mut scripted).expect("it has not been shared yet");
        made.capabilities = Capabilities::of(&[Capability::Http1]);
        scripted
    }

    /// The same on a backend that takes its time for each piece of a body.
    pub(crate) fn slowly(
        slowness: Duration,
        answer: impl Fn(usize, &Seen) -> Result<ExchangeResponse, BackendError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let mut scripted = Self::at_once(answer);
        let made = Arc::get_mut(&mut scripted).expect("it has not been shared yet");
        made.slowness = slowness;
        scripted
    }

    /// The same on a backend that can do everything.
    pub(crate) fn able(
        answer: impl Fn(usize, &Seen) -> Result<ExchangeResponse, BackendError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let mut scripted = Self::at_once(answer);
        let made = Arc::get_mut(&mut scripted).expect("it has not been shared yet");
        made.capabilities = Capabilities::of(Capability::ALL);
        scripted
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

#[async_trait]
impl Backend for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    async fn exchange(&self, request: ExchangeRequest) -> Result<ExchangeResponse, BackendError> {
        let mut body = Vec::new();
        if !matches!(request.body, OutgoingBody::Empty) {
            request.progress.reach(Stage::Sending);
        }
        match request.body {
            OutgoingBody::Empty => {}
            OutgoingBody::Full(bytes) => body.extend_from_slice(&bytes),
            OutgoingBody::Stream { mut stream, .. } => {
                while let Some(piece) = stream.next().await {
                    body.extend_from_slice(&piece.unwrap());
                    tokio::time::sleep(self.slowness).await;
                }
            }
        }
        let seen = Seen {
            method: request.method,
            uri: request.uri.to_string(),
            headers: request.headers,
            body,
            fresh_connection: request.fresh_connection,
            key: request.key,
        };
        let number = {
            let mut all = self.seen.lock().unwrap();
            all.push(seen.clone());
            all.len() - 1
        };
        (self.answer)(number, seen, request.progress).await
    }

    async fn close(&self) {}
}

pub(crate) fn ok() -> ExchangeResponse {
    ExchangeResponse::new(StatusCode::OK).with_body("done")
}

pub(crate) fn redirect(status: u16, location: &str) -> ExchangeResponse {
    let mut response = ExchangeResponse::new(StatusCode::from_u16(status).unwrap());
    response
        .headers
        .insert(header::LOCATION, HeaderValue::from_str(location).unwrap());
    response
}
