//! The HTTP/1.1 backend of `parallel-requests`, on hyper's connections.
//!
//! It is useful alone: this crate and a Tokio runtime are all that it takes to send a request.
//!
//! ```
//! use pr_backend_hyper::{BackendError, BackendExt, HyperBackend, RequestConfig};
//!
//! async fn newest_release(backend: &HyperBackend) -> Result<String, BackendError> {
//!     let request = RequestConfig::get("https://example.org/releases").param("limit", "1");
//!     let response = backend.request(request).await?.error_for_status()?;
//!     Ok(response.text().into_owned())
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let backend = HyperBackend::new()?;
//! // Redirects, deadlines, text and JSON work as on every other backend.
//! let error = newest_release(&backend).await;
//! # drop(error);
//! # Ok::<(), BackendError>(())
//! # }).unwrap();
//! ```
//!
//! Connections are kept alive and used again, at most as many at a time as there are requests on
//! their way. Bodies are streamed in both directions at bounded memory. There is no HTTP/2: a
//! request that says `http2(true)` is sent over HTTP/1.1 and leaves a
//! [`Warning`](pr_core::Warning).
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
    Backend, BackendError, BackendExt, Body, ErrorKind, NormalizedResponse, RequestConfig,
    RequestDefaults, Roots, Session, StreamingResponse, TransportConfig,
};

pub use self::{backend::HyperBackend, pool::Http1Pool};
