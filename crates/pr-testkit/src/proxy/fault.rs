//! What a proxy can be told to do wrong.

use bytes::Bytes;

/// What a [`ProxyServer`](crate::ProxyServer) does instead of what it is asked to do. It records
/// the request in any case.
///
/// ```
/// use pr_testkit::{ProxyFault, ProxyServer};
///
/// let proxy = ProxyServer::http();
/// proxy.set_fault(ProxyFault::TunnelHead("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".into()));
/// proxy.set_fault(None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyFault {
    /// Answers with this status and body, and is ready for the next request of the connection.
    /// A SOCKS5 proxy refuses with reply 2, "not allowed", and closes.
    Refuse {
        /// The status, of three digits.
        status: u16,
        /// The body, sent with its length.
        body: &'static str,
    },
    /// Never answers, and reads on until the client closes.
    Stall,
    /// Closes the connection without an answer.
    Close,
    /// Sends these bytes as they are in place of the answer, closes its sending side, and reads on
    /// until the client closes. A forwarded request that is not the first of its connection gets
    /// [`Close`](Self::Close) instead.
    Answer(Bytes),
    /// Makes the tunnel and says so with these bytes in place of its own `200`. Other requests than
    /// CONNECT are served.
    TunnelHead(Bytes),
    /// Refuses with this reply (RFC 1928 section 6) and closes. An HTTP proxy serves the request.
    SocksReply(u8),
}
