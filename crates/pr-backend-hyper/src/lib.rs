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
//! their way. Bodies are streamed in both directions at bounded memory, and trailer fields are handed
//! over. Requests go through proxies and Unix sockets if they say so. There is no HTTP/2: a request
//! that says `http2(true)` is sent over HTTP/1.1 and leaves a [`Warning`].
//!
//! # Limits
//!
//! A response's head may have [`max_head_size`](TransportConfig::max_head_size) bytes, status line
//! and line ends included, and [`max_header_fields`](TransportConfig::max_header_fields) fields, of
//! which 24,576 are the most that can be allowed. More than 100 of them cost an allocation or two
//! for each response. A trailer section may have as many fields and at most 16 KiB, and all chunk
//! extensions of a response (RFC 9112, section 7.1.1) together 16 KiB. What exceeds any of these,
//! or comes after more than [`max_informational`](TransportConfig::max_informational) 1xx
//! responses, is an error of kind [`Limit`](ErrorKind::Limit), and its connection is closed.
//!
//! # Waiting for leave
//!
//! The body of a request with `expect: 100-continue` (RFC 9110, section 10.1.1) is sent when the
//! peer says `100 Continue`, or has not said it for a second. If the peer answers instead, the body is
//! not sent, and the connection is closed, since the request on it is incomplete.
//!
//! [`Http1Pool`] is for backends that fall back to HTTP/1.1.

mod backend;
mod connection;
mod download;
mod error;
mod expect;
mod idle;
mod informational;
mod lease;
mod limits;
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
