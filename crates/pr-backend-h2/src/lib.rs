//! The HTTP/2 backend of `parallel-requests`: many requests at a time over one or two connections.
//!
//! This crate is useful alone. Make an [`H2Backend`], then call
//! [`request`](BackendExt::request) or [`stream`](BackendExt::stream) with anything that becomes a
//! [`RequestConfig`]; redirects, deadlines, text, JSON and the error kinds are those of every other
//! backend, because they are written once, in [`pr_core`].
//!
//! ```
//! use futures::future::try_join_all;
//! use pr_backend_h2::{BackendError, BackendExt, H2Backend, TransportConfig};
//!
//! async fn sizes(backend: &H2Backend, urls: &[String]) -> Result<Vec<usize>, BackendError> {
//!     // As many requests as you like: those to one origin share its connections.
//!     let requests = urls.iter().map(|url| async move {
//!         Ok(backend.request(url.as_str()).await?.error_for_status()?.content().len())
//!     });
//!     try_join_all(requests).await
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let server = pr_testkit::Server::builder().http2_only().start();
//! # let urls = [server.url("/bytes/1000"), server.url("/bytes/2000")];
//! // For https, `H2Backend::new()` is enough. A plain server has to be known to speak HTTP/2.
//! let config = TransportConfig::default().http2_prior_knowledge(true);
//! let backend = H2Backend::with_config(config)?;
//! assert_eq!(sizes(&backend, &urls).await?, [1000, 2000]);
//! # assert_eq!(server.ledger().counts().connections_accepted, 1);
//! # Ok::<(), BackendError>(())
//! # }).unwrap();
//! ```
//!
//! # Which version a request travels in
//!
//! | Request | Version |
//! |---|---|
//! | `https://` | HTTP/2 if the peer agrees to it by ALPN (RFC 7301), HTTP/1.1 if not, or if it is not [offered](pr_core::TlsConfig::alpn) |
//! | `http://` | HTTP/1.1, or HTTP/2 at once with [`http2_prior_knowledge`](TransportConfig::http2_prior_knowledge) |
//! | `http://` through a proxy that forwards | HTTP/1.1 |
//! | either, with `http2(false)` | HTTP/1.1 |
//!
//! A Unix socket in place of TCP makes no difference to that. What is sent over HTTP/1.1 is in the
//! care of [`pr_backend_hyper`], whose documentation says what holds for it.
//!
//! The first request to an `https` origin makes a connection, and everybody else who wants that
//! origin meanwhile waits for the same handshake. An origin here is all that one
//! [`ConnectionKey`](pr_core::ConnectionKey) stands for: reached through one proxy or Unix socket,
//! with one set of TLS settings. If the handshake fails, all who waited for it fail with the same
//! error. If the peer turns out to speak HTTP/1.1 only, that is remembered, and its requests
//! travel over as many connections as there are requests at a time.
//!
//! # Connections and streams
//!
//! An origin has one HTTP/2 connection until as many streams are open on it as the peer allows
//! (`SETTINGS_MAX_CONCURRENT_STREAMS`), or more than 32, then another one, up to
//! [`http2_connections_per_origin`](TransportConfig::http2_connections_per_origin), 2 by default.
//! With that many requests in flight, client and server spend much of their time waiting for each
//! other's next batch of frames, and a second connection fills the gaps.
//! The next request goes where the fewest streams are open. If all connections are full, requests
//! wait their turn, and each stream that ends lets the one begin that has waited longest. A request
//! that is dropped leaves the queue, or resets its stream, and disturbs no other.
//!
//! A connection leaves the set, and ends when its streams have, if its peer says GOAWAY, if it has
//! been idle for [`idle_timeout`](TransportConfig::idle_timeout), at its
//! [`max_connection_age`](TransportConfig::max_connection_age), if several hundred of its
//! streams were cut short from this side, before the peer takes offence, and on
//! [`reset_connections`](Backend::reset_connections). A request that the peer has
//! provably not processed, because it refused the stream or named a lower one in its GOAWAY, fails
//! with [`Delivery::NotProcessed`](pr_core::Delivery::NotProcessed), and
//! [`BackendExt`] sends it again by itself, up to three times, whatever its method. Such a resend wants a
//! connection that is new; requests that ask for one at the same time may share it.
//!
//! # Peers that fall silent
//!
//! A peer that is switched off, or whose address a router has forgotten, does not say so. A PING
//! (RFC 9113, section 6.7) asks whether it is there: after
//! [`http2_keep_alive_interval`](TransportConfig::http2_keep_alive_interval) without a byte while
//! responses are awaited, along with the first request after as much idle time, and at once when a
//! request is given up, by its deadline for instance, and nothing at all has come since it was
//! sent. A connection whose PING is not answered soon takes no new requests, and after
//! [`http2_keep_alive_timeout`](TransportConfig::http2_keep_alive_timeout) it ends: its requests
//! fail with kind [`Closed`](ErrorKind::Closed), and as they may have been processed,
//! [`BackendExt`] sends only the idempotent ones again. Any byte that arrives counts as an answer.
//! Nothing is asked of an idle connection.
//!
//! # Memory
//!
//! Nothing of a response is read ahead beyond what flow control lets the peer send: 4 MiB for each
//! response that nobody reads, which is 40 MB/s for one download at 100 ms of round trip, and what a
//! TCP connection of its own would get on a usual system. The connection's window covers that for
//! every stream that may be open on it, at most 511, so that an unread response never stalls another
//! one. A request body that is a stream is taken piece by piece as the peer has room for it.
//!
//! # Limits
//!
//! A response's head may have [`max_head_size`](TransportConfig::max_head_size) bytes, of which each
//! field takes 32 beside its name and value (RFC 9113, section 6.5.2), and
//! [`max_header_fields`](TransportConfig::max_header_fields) fields; a trailer section has the same
//! limits for itself. What exceeds them, or comes after more than
//! [`max_informational`](TransportConfig::max_informational) 1xx responses, is an error of kind
//! [`Limit`](ErrorKind::Limit), and its stream is reset; the other streams of the connection go on.
//! A head is measured when it has been read, so that up to 16 times the limit is read. One that is
//! larger still is an error of kind [`Protocol`](ErrorKind::Protocol), because `h2` does not tell it
//! from a malformed one, and one of 64 times the limit, or in very many frames, ends the connection.
//! What exceeds 16 times the limit of a trailer section is left out of it.
//!
//! # Waiting for leave
//!
//! The body of a request with `expect: 100-continue` (RFC 9110, section 10.1.1) is sent when the
//! peer says `100 Continue`, or has not said it for a second. If the peer answers instead, the body is
//! not sent, and when the response has been read, the stream is reset (RFC 9113, section 8.1).
//!
//! # Runtimes
//!
//! Requests need a Tokio runtime, of either flavor, with its I/O and time drivers enabled. Each
//! connection is a task on the runtime of the request that caused it to be dialed, and carries
//! requests of that runtime only: a runtime that stands still or ends takes along what is its own
//! and disturbs no other. Dropping the backend, anywhere, ends all of its connections;
//! [`close`](Backend::close) also waits until they have.

mod backend;
mod body;
mod clock;
mod connection;
mod dial;
mod error;
mod exchange;
mod keep_alive;
mod lease;
mod limits;
mod members;
mod origin;
mod origins;
mod pool;
mod pulse;
mod queue;
mod request;
mod settings;
mod state;
mod tasks;
mod upload;
mod waiting;

pub use pr_core;
pub use pr_core::{
    Backend, BackendError, BackendExt, Body, ErrorKind, NormalizedResponse, RequestConfig,
    RequestDefaults, Roots, Session, StreamingResponse, TransportConfig,
};

pub use self::backend::H2Backend;
