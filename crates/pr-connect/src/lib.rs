//! Dialing for the async backends of `parallel-requests`: from a connection key to a byte stream.
//!
//! Whoever writes a backend comes here. A [`Connector`] is made once of a transport's settings;
//! its [`connect`](Connector::connect) resolves the host's name, opens a TCP connection, gets past
//! the proxy if there is one, shakes hands by TLS where the scheme asks for it, and says which
//! version of HTTP the peer agreed to.
//! It pools nothing: whether a connection is used again is the backend's affair.
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

mod address;
mod connected;
mod connector;
mod error;
mod proxy;
mod resolver;
mod stream;

pub use pr_tls::{Alpn, tls_failure};

pub use self::{
    connected::{Connected, Protocol},
    connector::Connector,
    proxy::Forwarding,
    stream::Stream,
};
