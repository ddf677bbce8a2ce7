//! What a backend can do, as data: tests and documentation select by it, nobody guesses.

use std::fmt;

/// One thing that a backend either can do or cannot.
///
/// New ones are added as the library grows, so a `match` needs a wildcard arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum Capability {
    /// Speaks HTTP/1.1.
    Http1,
    /// Speaks HTTP/2, agreed upon by ALPN, many streams to a connection.
    Http2,
    /// Speaks HTTP/2 over plain TCP to a peer that is known to (RFC 9113, section 3.3).
    Http2PriorKnowledge,
    /// Waits without a thread per request.
    AsyncNative,
    /// Delivers a response body while it arrives, at bounded memory.
    StreamingDownload,
    /// Sends a request body while it is produced, at bounded memory.
    StreamingUpload,
    /// Carries further requests over connections that are already open.
    ConnectionReuse,
    /// Speaks `https`, and verifies certificates unless told otherwise.
    Tls,
    /// Hands over the trailer section of a response (RFC 9110, section 6.5).
    Trailers,
    /// Waits for the peer's `100 Continue` before it sends a body that asks for it (RFC 9110,
    /// section 10.1.1).
    ExpectContinue,
    /// Goes through `http://` and `https://` proxies: forwarding for `http`, CONNECT for `https`.
    HttpProxy,
    /// Goes through SOCKS5 proxies.
    SocksProxy,
    /// Goes through Unix sockets, where the platform has them.
    UnixSocket,
    /// Opens real connections to real peers; a backend in memory does not.
    Network,
}

impl Capability {
    /// Every capability there is, in the order in which documentation lists them.
    pub const ALL: &'static [Self] = &[
        Self::Http1,
        Self::Http2,
        Self::Http2PriorKnowledge,
        Self::AsyncNative,
        Self::StreamingDownload,
        Self::StreamingUpload,
        Self::ConnectionReuse,
        Self::Tls,
        Self::Trailers,
        Self::ExpectContinue,
        Self::HttpProxy,
        Self::SocksProxy,
        Self::UnixSocket,
        Self::Network,
    ];

    /// A few words for a table's row, such as "HTTP/2".
    pub const fn label(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http2PriorKnowledge => "HTTP/2 over plain TCP",
            Self::AsyncNative => "Async native",
            Self::StreamingDownload => "Streaming download",
            Self::StreamingUpload => "Streaming upload",
            Self::ConnectionReuse => "Connection reuse",
            Self::Tls => "TLS",
            Self::Trailers => "Response trailers",
            Self::ExpectContinue => "Expect: 100-continue",
            Self::HttpProxy => "HTTP and HTTPS proxies",
            Self::SocksProxy => "SOCKS5 proxies",
            Self::UnixSocket => "Unix sockets",
            Self::Network => "Real network",
        }
    }

    const fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// The set of things that a backend can do.
///
/// ```
/// use pr_core::{Capabilities, Capability};
///
/// const MINE: Capabilities = Capabilities::of(&[Capability::Http1, Capability::Tls]);
/// assert!(MINE.has(Capability::Tls));
/// assert!(!MINE.has(Capability::Http2));
/// assert_eq!(MINE.iter().count(), 2);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u32);

impl Capabilities {
    /// The set of exactly these capabilities.
    pub const fn of(capabilities: &[Capability]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < capabilities.len() {
            bits |= capabilities[index].bit();
            index += 1;
        }
        Self(bits)
    }

    /// Whether the backend can do this.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// The capabilities in the set, in the order of [`Capability::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL
            .iter()
            .copied()
            .filter(move |&capability| self.has(capability))
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_has_its_own_bit_and_label() {
        for (index, one) in Capability::ALL.iter().enumerate() {
            for other in &Capability::ALL[index + 1..] {
                assert_ne!(one.bit(), other.bit());
                assert_ne!(one.label(), other.label());
            }
        }
        assert_eq!(
            Capabilities::of(Capability::ALL).iter().count(),
            Capability::ALL.len()
        );
    }
}
