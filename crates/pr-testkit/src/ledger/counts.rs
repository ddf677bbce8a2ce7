//! The ledger's counters: shared atomics inside, a plain copy outside.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// A copy of a ledger's counters.
///
/// ```
/// let counts = pr_testkit::Server::start().ledger().counts();
/// assert_eq!(counts.connections_accepted, 0);
/// assert_eq!(counts.requests_in_flight(), 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// TCP connections accepted, including those whose TLS handshake failed.
    pub connections_accepted: u64,
    /// Connections that are open now.
    pub connections_open: u64,
    /// The most connections that were open at a time.
    pub max_connections_open: u64,
    /// TLS handshakes that did not succeed, as when the client refused the certificate.
    pub tls_handshakes_failed: u64,
    /// Requests whose head arrived.
    pub requests_begun: u64,
    /// Requests whose response, with all of its body, was handed to the connection.
    pub requests_answered: u64,
    /// Requests that ended without a whole response: the client went away or reset the stream.
    pub requests_abandoned: u64,
    /// The most requests that were begun and not yet ended at a time, over all connections.
    pub max_requests_in_flight: u64,
    /// Bytes that the operating system took for sending: frames and TLS records included.
    pub bytes_sent: u64,
    /// Bytes that arrived: frames and TLS records included.
    pub bytes_received: u64,
}

impl Counts {
    /// Requests that are begun and neither answered nor abandoned.
    pub fn requests_in_flight(&self) -> u64 {
        self.requests_begun
            .saturating_sub(self.requests_answered + self.requests_abandoned)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections_accepted: AtomicU64,
    pub(crate) connections_open: Gauge,
    pub(crate) tls_handshakes_failed: AtomicU64,
    pub(crate) requests_begun: AtomicU64,
    pub(crate) requests_answered: AtomicU64,
    pub(crate) requests_abandoned: AtomicU64,
    pub(crate) requests_in_flight: Gauge,
    pub(crate) bytes_sent: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        // What ends is read before what begins, so that no request is seen to end before it began.
        let requests_answered = self.requests_answered.load(SeqCst);
        let requests_abandoned = self.requests_abandoned.load(SeqCst);
        Counts {
            connections_open: self.connections_open.now.load(SeqCst),
            max_connections_open: self.connections_open.max.load(SeqCst),
            connections_accepted: self.connections_accepted.load(SeqCst),
            tls_handshakes_failed: self.tls_handshakes_failed.load(SeqCst),
            requests_begun: self.requests_begun.load(SeqCst),
            requests_answered,
            requests_abandoned,
            max_requests_in_flight: self.requests_in_flight.max.load(SeqCst),
            bytes_sent: self.bytes_sent.load(SeqCst),
            bytes_received: self.bytes_received.load(SeqCst),
        }
    }
}

/// How many there are now, and the most that there were.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    now: AtomicU64,
    max: AtomicU64,
}

impl Gauge {
    pub(crate) fn up(&self) {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.max.fetch_max(now, SeqCst);
    }

    pub(crate) fn down(&self) {
        self.now.fetch_sub(1, SeqCst);
    }
}
