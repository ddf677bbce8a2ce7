//! A backend that takes request bodies apart piece by piece.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderValue, StatusCode, header};
use pr_core::{
    Backend, BackendError, Capabilities, Capability, ErrorKind, ExchangeRequest, ExchangeResponse,
    OutgoingBody, Warnings,
};

/// A request body as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) content_type: Option<String>,
    pub(crate) length: Option<u64>,
    pub(crate) content: Vec<u8>,
    pub(crate) total: u64,
    pub(crate) largest_piece: usize,
}

type Hook = Box<dyn Fn(usize, &Bytes) + Send + Sync>;

/// Takes every body, and redirects as often as it is told to.
pub(crate) struct Taker {
    redirects: usize,
    keeps_content: bool,
    on_piece: Hook,
    sent: Mutex<Vec<Sent>>,
    warnings: Warnings,
}

impl Taker {
    pub(crate) fn new() -> Self {
        Self {
            redirects: 0,
            keeps_content: true,
            on_piece: Box::new(|_, _| ()),
            sent: Mutex::default(),
            warnings: Warnings::default(),
        }
    }

    /// Answers that many requests with 307.
    pub(crate) fn redirecting(mut self, times: usize) -> Self {
        self.redirects = times;
        self
    }

    /// Lets go of every piece at once.
    pub(crate) fn forgetful(mut self) -> Self {
        self.keeps_content = false;
        self
    }

    /// Calls this with each piece and its number.
    pub(crate) fn on_piece(mut self, hook: impl Fn(usize, &Bytes) + Send + Sync + 'static) -> Self {
        self.on_piece = Box::new(hook);
        self
    }

    pub(crate) fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    async fn take(&self, body: OutgoingBody) -> Result<Sent, BackendError> {
        let mut sent = Sent {
            length: body.content_length(),
            ..Sent::default()
        };
        let mut stream = match body {
            OutgoingBody::Empty => return Ok(sent),
            OutgoingBody::Full(bytes) => futures::stream::iter([Ok(bytes)]).boxed(),
            OutgoingBody::Stream { stream, .. } => stream,
        };
        let mut number = 0;
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|cause| {
                BackendError::new(ErrorKind::Body, "the body failed").with_source(cause)
            })?;
            (self.on_piece)(number, &piece);
            number += 1;
            sent.total += piece.len() as u64;
            sent.largest_piece = sent.largest_piece.max(piece.len());
            if self.keeps_content {
                sent.content.extend_from_slice(&piece);
            }
        }
        Ok(sent)
    }
}

impl std::fmt::Debug for Taker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Taker")
    }
}

#[async_trait]
impl Backend for Taker {
    fn name(&self) -> &'static str {
        "taker"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::of(&[Capability::Http1, Capability::StreamingUpload])
    }

    fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    async fn exchange(&self, request: ExchangeRequest) -> Result<ExchangeResponse, BackendError> {
        let content_type = request.headers.get(header::CONTENT_TYPE).cloned();
        let mut sent = self.take(request.body).await?;
        sent.content_type = content_type.map(|value| value.to_str().unwrap().to_owned());
        let count = {
            let mut all = self.sent.lock().unwrap();
            all.push(sent);
            all.len()
        };
        if count > self.redirects {
            return Ok(ExchangeResponse::new(StatusCode::OK));
        }
        let mut response = ExchangeResponse::new(StatusCode::TEMPORARY_REDIRECT);
        let again = HeaderValue::from_static("/again");
        response.headers.insert(header::LOCATION, again);
        Ok(response)
    }

    async fn close(&self) {}
}
