//! Proxies: which way a connection takes through one, and under whose name.

mod credentials;
mod forwarding;
mod socks;
mod tunnel;

use std::borrow::Cow;

use http::HeaderValue;
use pr_core::{BackendError, ConnectionKey, DialTimings, ErrorKind, FailedHop, Proxy, Scheme};
use pr_tls::TlsContext;
use tokio_rustls::client::TlsStream;

use self::credentials::Credentials;
pub use self::forwarding::Forwarding;
pub(crate) use self::socks::SocksPassage;
use crate::{Stream, clock::Clock, secure::Secure, transport::Transport};

/// A way past a proxy that can be taken: everything that is wrong with it has been found.
pub(crate) enum Passage {
    Http(HttpPassage),
    Socks(SocksPassage),
}

/// How to ask an HTTP proxy.
pub(crate) struct HttpPassage {
    /// With the proxy itself.
    secure: Option<Secure>,
    authorization: Option<HeaderValue>,
}

/// What there is once the proxy has been passed.
pub(crate) enum Passed {
    /// A way through to the origin.
    Through(Way),
    /// A connection to the proxy, which forwards one request after another.
    Forwarding(Way, Forwarding),
}

/// What the bytes to an origin, or to a proxy that forwards them, go over.
pub(crate) enum Way {
    Plain(Transport),
    /// The TLS of an `https` proxy.
    Encrypted(Box<TlsStream<Transport>>),
}

impl Way {
    pub(crate) fn into_stream(self) -> Stream {
        match self {
            Self::Plain(transport) => Stream::plain(transport),
            Self::Encrypted(stream) => Stream::tls(*stream),
        }
    }
}

/// The part of a connection that is spent on asking the proxy.
const HANDSHAKE: &str = "the proxy's handshake";
/// The longest host that SOCKS5 can carry, since it says the length in one byte.
const LONGEST_SOCKS_HOST: usize = 255;

impl Passage {
    pub(crate) fn new(
        proxy: &Proxy,
        key: &ConnectionKey,
        tls: &TlsContext,
    ) -> Result<Self, BackendError> {
        let credentials = Credentials::of(proxy);
        if !proxy.is_socks() {
            let secure = proxy.is_tls().then(|| Secure::with_proxy(tls, proxy));
            return Ok(Self::Http(HttpPassage {
                secure: secure.transpose()?,
                authorization: credentials.map(|it| it.basic()).transpose()?,
            }));
        }
        if key.bare_host().len() > LONGEST_SOCKS_HOST {
            return Err(BackendError::new(
                ErrorKind::Input,
                "the URL's host is longer than the 255 bytes that SOCKS5 can carry (RFC 1928, \
                 section 5)",
            ));
        }
        Ok(Self::Socks(SocksPassage {
            login: credentials.map(Credentials::login).transpose()?,
        }))
    }
}

impl HttpPassage {
    /// Gets past the proxy, which has just been dialed.
    pub(crate) async fn take(
        self,
        transport: Transport,
        key: &ConnectionKey,
        clock: &Clock,
        timings: &mut DialTimings,
    ) -> Result<Passed, BackendError> {
        let Self {
            secure,
            authorization,
        } = self;
        let way = match secure {
            None => Way::Plain(transport),
            Some(secure) => {
                let handshake = secure.shake_hands(transport);
                let part = "the TLS handshake with the proxy";
                let handshake = clock.time(part, &mut timings.proxy, handshake).await;
                let stream = handshake.map_err(at_the_proxy)?;
                Way::Encrypted(Box::new(stream))
            }
        };
        if key.scheme() == Scheme::Http {
            return Ok(Passed::Forwarding(way, Forwarding { authorization }));
        }
        let way = match way {
            Way::Plain(mut transport) => {
                let asking = tunnel::open(&mut transport, key, authorization);
                let asked = clock.time(HANDSHAKE, &mut timings.proxy, asking).await;
                asked.map_err(unanswered)?;
                Way::Plain(transport)
            }
            Way::Encrypted(mut stream) => {
                let asking = tunnel::open(&mut *stream, key, authorization);
                let asked = clock.time(HANDSHAKE, &mut timings.proxy, asking).await;
                asked.map_err(unanswered)?;
                Way::Encrypted(stream)
            }
        };
        Ok(Passed::Through(way))
    }
}

/// The error of a TLS handshake that is not the origin's.
fn at_the_proxy(error: BackendError) -> BackendError {
    if error.is_timeout() {
        return error.with_failed_hop(FailedHop::Proxy);
    }
    let message = format!("TLS to the proxy failed: {}", error.message());
    failed(message).with_source(error)
}

/// The error of a proxy that does not do what proxies do.
fn failed(message: impl Into<Cow<'static, str>>) -> BackendError {
    BackendError::new(ErrorKind::Proxy, message).with_failed_hop(FailedHop::Proxy)
}

/// The error of asking a proxy that was there: without an answer in time, nobody knows for whom it
/// waited.
fn unanswered(error: BackendError) -> BackendError {
    if error.is_timeout() {
        error.with_failed_hop(FailedHop::Tunnel)
    } else {
        error
    }
}
