//! HTTP/1.1 for `parallel-requests`, over [ureq] on threads of its own.
//!
//! The backend with the fewest moving parts: no runtime drives its connections, each exchange is
//! one thread that writes and then reads. Take it where a thread per request in flight is fine and
//! an async stack is not wanted; for many requests at a time the `hyper` and `h2` backends do with
//! less.
//!
//! This crate can be used alone:
//!
//! ```
//! use pr_backend_blocking::{BackendError, BackendExt, BlockingBackend, RequestConfig};
//!
//! async fn search(query: &str) -> Result<String, BackendError> {
//!     let backend = BlockingBackend::new()?;
//!     let request = RequestConfig::get("https://example.org/search").param("q", query);
//!     let response = backend.request(request).await?.error_for_status()?;
//!     Ok(response.text().into_owned())
//! }
//! ```
//!
//! What it can and cannot do is on [`BlockingBackend`]. How it works, for whoever changes it:
//!
//! - The future of an exchange queues a job and waits for the answer; a thread takes it, carries it
//!   out through ureq, answers with the response's head, and reads the body into a small channel.
//! - A thread that has answered polls whatever spawned tasks that has woken, and then takes the job
//!   that they have queued meanwhile. Where the caller is such a task, no other thread is woken.
//! - A connection comes from our own pool, or is dialed by [`pr_connect`] as on every other backend:
//!   the thread blocks on that in a runtime which all threads share. What it gets is a blocking
//!   socket and the TLS sessions over it, with which the runtime has nothing to do any more.
//! - ureq writes and reads HTTP/1.1 over it; its redirects, cookies, decoding, proxies, TLS and pool
//!   are not used. What it does not do is done underneath, where every byte goes through: targets
//!   and most header fields, informational responses, trailers.
//! - Whoever drops a future or a body shuts down the socket that the thread is using.
//!
//! # Logs
//!
//! ureq writes what it sends and receives to the log at level TRACE. A request's target and header
//! fields are kept from it, so that they are in no log. Responses, with their cookies and their
//! bodies, and request bodies of unknown length are in such a log: where they must not be, keep the
//! log's target `ureq_proto` at DEBUG.
//!
//! # Features of ureq
//!
//! A crate that is built into the same program may turn on features of ureq. What ureq then decodes
//! (`gzip`, `brotli`) arrives decoded and without the header fields that say otherwise. Its `charset`
//! feature does harm: text arrives as UTF-8 whatever its `content-type` says.

mod backend;
mod buffers;
mod chunks;
mod connection;
mod connector;
mod desk;
mod dial;
mod download;
mod error;
mod exchange;
mod head;
mod informational;
mod life;
mod outgoing;
mod pool;
mod sending;
mod socket;
mod spare;
mod stream;
mod tasks;
mod threads;
mod tls;
mod transport;
mod upload;
mod worker;

pub use pr_core;
pub use pr_core::{
    Backend, BackendError, BackendExt, Body, Capabilities, Capability, Certificate, Delivery,
    ErrorKind, NormalizedResponse, Proxy, RequestConfig, RequestDefaults, Roots, Session,
    StreamingResponse, TimeoutPhase, TransportConfig, Warning,
};

pub use self::backend::BlockingBackend;
