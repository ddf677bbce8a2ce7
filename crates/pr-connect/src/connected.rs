//! What dialing gives: the stream, the version of HTTP to speak on it, and its number.

use std::sync::atomic::{AtomicU64, Ordering};

use pr_core::{ConnectionInfo, DialTimings};

use crate::{Forwarding, Stream};

/// A connection that has just been opened.
///
/// ```
/// # use pr_connect::{Alpn, Connector};
/// # use pr_core::{BackendError, ConnectionKey, TransportConfig};
/// async fn number(connector: &Connector, key: &ConnectionKey) -> Result<u64, BackendError> {
///     let connected = connector.connect(key, Alpn::Http1).await?;
///     Ok(connected.info.id)
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Connected {
    /// Where requests are written and responses read.
    pub io: Stream,
    /// The version that the peer agreed to by ALPN. Plain TCP is HTTP/1.1: whoever knows better,
    /// because of prior knowledge (RFC 9113, section 3.3), says so.
    pub protocol: Protocol,
    /// The connection's number, which no other connection of this process has, and the peer's
    /// address (the proxy's, if there is one; none for a Unix socket). `reused` is false.
    pub info: ConnectionInfo,
    /// Whether this leads to a proxy that forwards requests, and how those differ then. Such a
    /// connection speaks HTTP/1.1, whatever is known of the origin.
    pub forwarding: Option<Forwarding>,
    /// What opening the connection took, part by part.
    pub timings: DialTimings,
}

/// What somebody gets who has asked for a connection, old or new.
///
/// ```
/// use pr_connect::Obtained;
///
/// fn is_new<T>(obtained: &Obtained<T>) -> bool {
///     matches!(obtained, Obtained::Dialed(_))
/// }
/// ```
#[derive(Debug)]
pub enum Obtained<T> {
    /// A connection that has just been opened.
    Dialed(Box<Connected>),
    /// One that has been [handed over](crate::Budget::hand_over) by whoever had it before.
    HandedOver(T),
}

/// Which version of HTTP a connection speaks.
///
/// ```
/// assert_ne!(pr_connect::Protocol::Http1, pr_connect::Protocol::Http2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1 (RFC 9112).
    Http1,
    /// HTTP/2 (RFC 9113).
    Http2,
}

impl Connected {
    pub(crate) fn new(io: Stream, forwarding: Option<Forwarding>, timings: DialTimings) -> Self {
        // Numbers start at 1, since 0 stands for no connection.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            protocol: io.protocol(),
            info: ConnectionInfo::new(id, false, io.remote_addr()),
            io,
            forwarding,
            timings,
        }
    }
}
