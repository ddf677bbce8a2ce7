//! Dialing for the backends of `parallel-requests`: from a connection key to a byte stream.
//!
//! Whoever writes a backend comes here. A [`Connector`] is made once of a transport's settings;
//! its [`connect`](Connector::connect) resolves the host's name, opens a TCP connection or that to
//! a Unix socket, gets past the proxy if there is one, shakes hands by TLS where the scheme asks
//! for it, and says which version of HTTP the peer agreed to.
//! It pools nothing: whether a connection is used again is the backend's affair. But it counts what
//! is open, and its [`Budget`] makes whoever dials wait while there is too much of it.
//!
//! A backend without a runtime polls [`connect`](Connector::connect) on a small one of its own and
//! takes the stream apart by [`Stream::into_parts`].
//!
//! With the feature `hickory` there is `HickoryResolver`, a resolver in place of the system's.
//!
//! ```
//! use pr_connect::{Alpn, Connector, Protocol};
//! use pr_core::{BackendError, ConnectionKey, TransportConfig};
//!
//! async fn speaks_http2(key: &ConnectionKey) -> Result<bool, BackendError> {
//!     let connector = Connector::new(&TransportConfig::default())?;
//!     let connected = connector.connect(key, Alpn::Http2OrHttp1).await?;
//!     Ok(connected.protocol == Protocol::Http2)
//! }
//! ```

mod budget;
mod clock;
mod connected;
mod connector;
mod dial;
mod error;
mod names;
mod parts;
mod proxy;
mod race;
mod secure;
mod stream;
mod transport;

pub use pr_tls::{Alpn, tls_failure};

#[cfg(feature = "hickory")]
pub use self::names::HickoryResolver;
pub use self::{
    budget::{Budget, HandOver, IdlePool, Place, Reuse},
    connected::{Connected, Obtained, Protocol},
    connector::Connector,
    parts::{Socket, StreamParts},
    proxy::Forwarding,
    stream::Stream,
};
