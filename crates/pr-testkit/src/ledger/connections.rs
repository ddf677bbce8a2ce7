//! A connection while it lives: what the server writes to as it learns more of it. It ends by being
//! dropped, so no path through the server can forget to say that it did.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::Version;
use rustls::server::ClientHello;
use rustls::{ProtocolVersion, ServerConnection};

use super::{ConnectionRecord, Ledger, lock};

impl Ledger {
    /// Notes a connection that was just accepted. It counts as open until the result is dropped.
    pub(crate) fn open_connection(&self) -> OpenConnection {
        let counters = &self.inner.counters;
        let entry = Arc::new(ConnectionEntry {
            id: counters.connections_accepted.fetch_add(1, SeqCst),
            greeting: OnceLock::new(),
            tls: OnceLock::new(),
            version: OnceLock::new(),
            requests: AtomicU64::new(0),
            open: AtomicBool::new(true),
        });
        counters.connections_open.up();
        if self.inner.recording.load(SeqCst) {
            lock(&self.inner.connections).push(entry.clone());
        }
        self.inner.bell.ring();
        OpenConnection {
            ledger: self.clone(),
            entry,
        }
    }
}

/// A connection for as long as it is open.
pub(crate) struct OpenConnection {
    ledger: Ledger,
    entry: Arc<ConnectionEntry>,
}

impl OpenConnection {
    pub(crate) fn entry(&self) -> &Arc<ConnectionEntry> {
        &self.entry
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.entry.open.store(false, SeqCst);
        self.ledger.inner.counters.connections_open.down();
        self.ledger.inner.bell.ring();
    }
}

#[derive(Debug)]
pub(crate) struct ConnectionEntry {
    id: u64,
    greeting: OnceLock<Greeting>,
    tls: OnceLock<TlsFacts>,
    version: OnceLock<Version>,
    requests: AtomicU64,
    open: AtomicBool,
}

/// What a client asked for in its `ClientHello`.
#[derive(Debug)]
struct Greeting {
    alpn: Vec<String>,
    server_name: Option<String>,
}

/// What a handshake led to.
#[derive(Debug)]
struct TlsFacts {
    version: Option<&'static str>,
    alpn: Option<String>,
    client_certificate: Option<Bytes>,
}

impl ConnectionEntry {
    pub(crate) fn greeted(&self, hello: &ClientHello<'_>) {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        self.greeting.get_or_init(|| Greeting {
            alpn: hello.alpn().into_iter().flatten().map(text).collect(),
            server_name: hello.server_name().map(str::to_owned),
        });
    }

    pub(crate) fn secured(&self, tls: &ServerConnection) {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        self.tls.get_or_init(|| TlsFacts {
            version: match tls.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => Some("TLS 1.2"),
                Some(ProtocolVersion::TLSv1_3) => Some("TLS 1.3"),
                _ => None,
            },
            alpn: tls.alpn_protocol().map(text),
            client_certificate: tls
                .peer_certificates()
                .and_then(|chain| Some(Bytes::copy_from_slice(chain.first()?))),
        });
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Notes a request, and the version of the first one.
    pub(super) fn carried(&self, version: Version) {
        self.requests.fetch_add(1, SeqCst);
        self.version.get_or_init(|| version);
    }

    pub(super) fn record(&self) -> ConnectionRecord {
        let (greeting, tls) = (self.greeting.get(), self.tls.get());
        ConnectionRecord {
            id: self.id,
            tls: tls.is_some(),
            tls_version: tls.and_then(|tls| tls.version),
            alpn: tls.and_then(|tls| tls.alpn.clone()),
            alpn_offered: greeting.map_or_else(Vec::new, |greeting| greeting.alpn.clone()),
            server_name: greeting.and_then(|greeting| greeting.server_name.clone()),
            client_certificate: tls.and_then(|tls| tls.client_certificate.clone()),
            version: self.version.get().copied(),
            requests: self.requests.load(SeqCst),
            open: self.open.load(SeqCst),
        }
    }
}
