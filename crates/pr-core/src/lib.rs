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
//! - `cookies`, on by default: `CookieJar`, with the public suffix list compiled in.
//! - `gzip`, `brotli`, `zstd`, on by default: responses in the content codings `gzip` and `deflate`,
//!   `br`, and `zstd`. `accept-encoding` says which of them are compiled in.
//! - `serde`: [`RequestConfig`], [`NormalizedResponse`] and [`BackendError`] as JSON and back.

mod address_filter;
mod attempt;
mod backend;
mod capabilities;
mod connection_key;
#[cfg_attr(
    not(any(feature = "gzip", feature = "brotli", feature = "zstd")),
    allow(dead_code, reason = "without a coding there is nothing to decode")
)]
mod decode;
mod defaults;
mod error;
mod exchange;
mod gather;
mod observer;
mod progress;
mod proxy;
mod redact;
mod request;
mod resolve;
mod response;
mod semantics;
mod session;
mod tls;
mod transport;
mod user_agents;
mod warnings;

#[cfg(feature = "cookies")]
mod cookies;
#[cfg(feature = "serde")]
mod json;

#[cfg(feature = "cookies")]
pub use self::cookies::{Cookie, CookieJar};

pub use self::{
    address_filter::AddressFilter,
    attempt::{Attempt, AttemptError},
    backend::{Backend, BackendExt, Task},
    capabilities::{Capabilities, Capability},
    connection_key::{ConnectionKey, ProtocolChoice, Scheme},
    defaults::RequestDefaults,
    error::{BackendError, BoxError, Delivery, ErrorKind, FailedHop, TimeoutPhase},
    exchange::{
        ConnectionInfo, ExchangeRequest, ExchangeResponse, Frame, IncomingBody, OutgoingBody,
    },
    observer::ExchangeObserver,
    progress::{DialTimings, Progress, Stage},
    proxy::{ChooseProxy, Proxies, Proxy},
    request::{
        Body, ByteStream, Multipart, Part, RedirectAction, RedirectAttempt, RedirectPolicy,
        RequestConfig,
    },
    resolve::{DnsFailure, Resolve, ResolveError},
    response::{BodyReader, Hop, MAX_BODY_SIZE, NormalizedResponse, StreamingResponse, Timings},
    semantics::MAX_REDIRECTS,
    session::Session,
    tls::{Certificate, Identity, Roots, TlsConfig, TlsVersion},
    transport::TransportConfig,
    user_agents::UserAgents,
    warnings::{Warning, Warnings},
};
