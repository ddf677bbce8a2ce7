//! The HTTP/1.1 backend of `parallel-requests`, on hyper's connections.
//!
//! It is useful alone: this crate and a Tokio runtime are all that it takes to send a request.
//!
//! ```no_run
//! use pr_backend_hyper::{BackendError, BackendExt, HyperBackend, RequestConfig};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), BackendError> {
//!     let backend = HyperBackend::new()?;
//!     let request = RequestConfig::get("https://example.org/releases").param("limit", "1");
//!     let response = backend.request(request).await?.error_for_status()?;
//!     println!("{} from {}", response.text(), response.url());
//!     Ok(())
//! }
//! ```
//!
//! Connections are kept alive and used again, at most as many at a time as there are requests on
//! their way. Bodies are streamed in both directions at bounded memory. Requests go through `http`
//! and SOCKS5 proxies if they say so. There is no HTTP/2: a request that says `http2(true)` is sent
//! over HTTP/1.1 and leaves a [`Warning`].
//!
//! [`Http1Pool`] is for backends that fall back to HTTP/1.1.

mod backend;
mod connection;
mod download;
mod error;
mod idle;
mod lease;
mod message;
mod pool;
mod tasks;
mod upload;
mod wire;

pub use pr_core;
pub use pr_core::{
    Backend, BackendError, BackendExt, Body, Capabilities, Capability, Certificate, Delivery,
    ErrorKind, NormalizedResponse, Proxy, RequestConfig, RequestDefaults, Roots, Session,
    StreamingResponse, TimeoutPhase, TransportConfig, Warning,
};

pub use self::{backend::HyperBackend, pool::Http1Pool};
