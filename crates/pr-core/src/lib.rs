//! The contract that every backend of `parallel-requests` keeps, and the HTTP that they share.
//!
//! Two readers come here:
//!
//! - **You use one backend, without the facade.** Make the backend, then call
//!   [`BackendExt::request`] with anything that becomes a [`RequestConfig`]. You get redirects,
//!   deadlines, text, JSON and the same error kinds as everybody else. [`Session`] adds defaults.
//! - **You write a backend.** Implement [`Backend`]: one exchange over one route. Its docs are the
//!   contract. Everything above one exchange is written here, once, so that you need not.
//!
//! This crate knows no HTTP stack and opens no socket.
//!
//! ```
//! use pr_core::{Backend, BackendError, BackendExt, NormalizedResponse};
//!
//! async fn title(backend: &dyn Backend) -> Result<String, BackendError> {
//!     let response: NormalizedResponse = backend.request("https://example.org/").await?;
//!     Ok(response.text().lines().next().unwrap_or_default().to_owned())
//! }
//! ```
//!
//! # Features
//!
//! - `serde`: [`RequestConfig`], [`NormalizedResponse`] and [`BackendError`] as JSON and back.

mod backend;
mod capabilities;
mod connection_key;
mod defaults;
mod error;
mod exchange;
mod gather;
mod progress;
mod proxy;
mod redact;
mod request;
mod response;
mod semantics;
mod session;
mod transport;
mod warnings;

#[cfg(feature = "serde")]
mod json;

pub use self::{
    backend::{Backend, BackendExt, Task},
    capabilities::{Capabilities, Capability},
    connection_key::{ConnectionKey, ProtocolChoice, Scheme},
    defaults::RequestDefaults,
    error::{BackendError, BoxError, Delivery, ErrorKind, TimeoutPhase},
    exchange::{
        ConnectionInfo, ExchangeRequest, ExchangeResponse, Frame, IncomingBody, OutgoingBody,
    },
    progress::{Progress, Stage},
    proxy::Proxy,
    request::{Body, ByteStream, RequestConfig},
    response::{Hop, NormalizedResponse, StreamingResponse, Timings},
    semantics::MAX_REDIRECTS,
    session::Session,
    transport::{Certificate, Roots, TransportConfig},
    warnings::{Warning, Warnings},
};
