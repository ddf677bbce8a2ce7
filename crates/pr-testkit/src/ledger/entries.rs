//! An exchange while it runs: what the server writes to. It ends by being dropped, so no path
//! through the server can forget to say how it ended.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode, Version};

use super::{ConnectionEntry, Inner, Ledger, RequestOutcome, RequestRecord, lock};

impl Ledger {
    pub(crate) fn tls_handshake_failed(&self) {
        self.inner
            .counters
            .tls_handshakes_failed
            .fetch_add(1, SeqCst);
        self.inner.bell.ring();
    }

    pub(crate) fn bytes_sent(&self, count: usize) {
        self.inner
            .counters
            .bytes_sent
            .fetch_add(count as u64, SeqCst);
        self.inner.bell.ring();
    }

    pub(crate) fn bytes_received(&self, count: usize) {
        self.inner
            .counters
            .bytes_received
            .fetch_add(count as u64, SeqCst);
        self.inner.bell.ring();
    }

    /// Notes a request whose head has arrived. It counts as in flight until the result says that it
    /// was answered, or is dropped.
    pub(crate) fn begin<B>(&self, connection: &ConnectionEntry, request: &Request<B>) -> Exchange {
        connection.carried(request.version());
        let entry = self.inner.recording.load(SeqCst).then(|| {
            let entry = Arc::new(RequestEntry::new(connection.id(), request));
            lock(&self.inner.requests).push(entry.clone());
            entry
        });
        self.inner.counters.requests_in_flight.up();
        self.inner.counters.requests_begun.fetch_add(1, SeqCst);
        self.inner.bell.ring();
        Exchange {
            ledger: self.inner.clone(),
            entry,
            ended: false,
        }
    }
}

/// A request until its response is handed over; dropped before that, it was abandoned.
#[derive(Debug)]
pub(crate) struct Exchange {
    ledger: Arc<Inner>,
    entry: Option<Arc<RequestEntry>>,
    ended: bool,
}

impl Exchange {
    /// What the request's body reports to while the handler reads it.
    pub(crate) fn body_meter(&self) -> RequestBodyMeter {
        RequestBodyMeter {
            ledger: self.ledger.clone(),
            entry: self.entry.clone(),
        }
    }

    pub(crate) fn response_bytes(&self, count: usize) {
        if let Some(entry) = &self.entry {
            lock(&entry.progress).response_bytes += count as u64;
        }
    }

    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.end(RequestOutcome::Answered(status));
    }

    fn end(&mut self, outcome: RequestOutcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let Some(entry) = &self.entry {
            lock(&entry.progress).outcome = outcome;
        }
        let counters = &self.ledger.counters;
        counters.requests_in_flight.down();
        match outcome {
            RequestOutcome::Answered(_) => counters.requests_answered.fetch_add(1, SeqCst),
            _ => counters.requests_abandoned.fetch_add(1, SeqCst),
        };
        self.ledger.bell.ring();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.end(RequestOutcome::Abandoned);
    }
}

/// Counts the bytes of a request's body and keeps the first of them.
#[derive(Debug)]
pub(crate) struct RequestBodyMeter {
    ledger: Arc<Inner>,
    entry: Option<Arc<RequestEntry>>,
}

impl RequestBodyMeter {
    pub(crate) fn arrived(&self, chunk: &[u8]) {
        if let Some(entry) = &self.entry {
            let mut progress = lock(&entry.progress);
            progress.body_bytes += chunk.len() as u64;
            let room = self.ledger.body_limit.saturating_sub(progress.body.len());
            progress
                .body
                .extend_from_slice(&chunk[..room.min(chunk.len())]);
            drop(progress);
            self.ledger.bell.ring();
        }
    }

    pub(crate) fn ended(&self) {
        if let Some(entry) = &self.entry {
            lock(&entry.progress).body_complete = true;
            self.ledger.bell.ring();
        }
    }
}

#[derive(Debug)]
pub(super) struct RequestEntry {
    connection: u64,
    method: Method,
    target: String,
    authority: Option<String>,
    version: Version,
    headers: HeaderMap,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    body_bytes: u64,
    body: BytesMut,
    body_complete: bool,
    response_bytes: u64,
    outcome: RequestOutcome,
}

impl RequestEntry {
    fn new<B>(connection: u64, request: &Request<B>) -> Self {
        let uri = request.uri();
        let host = request.headers().get(http::header::HOST);
        Self {
            connection,
            method: request.method().clone(),
            target: uri
                .path_and_query()
                .map_or_else(|| uri.path().to_owned(), ToString::to_string),
            authority: uri
                .authority()
                .map(ToString::to_string)
                .or_else(|| Some(host?.to_str().ok()?.to_owned())),
            version: request.version(),
            headers: request.headers().clone(),
            progress: Mutex::new(Progress {
                body_bytes: 0,
                body: BytesMut::new(),
                body_complete: false,
                response_bytes: 0,
                outcome: RequestOutcome::InFlight,
            }),
        }
    }

    pub(super) fn record(&self) -> RequestRecord {
        let progress = lock(&self.progress);
        RequestRecord {
            connection: self.connection,
            method: self.method.clone(),
            target: self.target.clone(),
            authority: self.authority.clone(),
            version: self.version,
            headers: self.headers.clone(),
            body_bytes: progress.body_bytes,
            body: Bytes::copy_from_slice(&progress.body),
            body_complete: progress.body_complete,
            response_bytes: progress.response_bytes,
            outcome: progress.outcome,
        }
    }
}
