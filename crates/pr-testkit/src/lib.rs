//! Servers, certificates, an in-memory backend and a suite of conformance cases: what it takes to
//! test an HTTP client against peers that behave, and against peers that do not.
//!
//! Everything listens on 127.0.0.1 with a port that the operating system picks, so tests run in
//! parallel and need no network. Every server lives on a thread of its own with its own runtime: it
//! works in async tests, in blocking ones and in programs, and neither stalls with the client under
//! test nor is slowed by it.
//!
//! - [`Server`] behaves: HTTP/1.1, HTTP/2 and TLS, the [routes](#routes) that people know from
//!   httpbin, and a [`Ledger`] of what it saw.
//! - [`ScriptedServer`] does byte for byte what a [`Script`] tells it to.
//! - [`ProxyServer`] is an HTTP or SOCKS5 proxy, and tells what it was shown.
//! - [`DelayingProxy`] puts distance between a client and a server, or breaks their line in silence.
//! - [`TestCa`] issues certificates, good ones and each kind of bad one.
//! - [`closed_port`] refuses connections.
//! - [`MemoryBackend`] is a backend that needs no peer at all.
//! - [`conformance_suite!`] tests a backend, anybody's, against the contract.
//!
//! A panic in a server, a handler of the test included, and a script that is violated fail the test
//! that owns the server, at the latest when it drops it.
//!
//! ```
//! use std::time::Duration;
//! use pr_testkit::Server;
//!
//! # let runtime = tokio::runtime::Runtime::new()?;
//! # rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
//! # runtime.block_on(async {
//! let server = Server::start();
//!
//! let response = reqwest::get(server.url("/bytes/1000")).await?;
//! assert_eq!(response.bytes().await?, pr_testkit::content::bytes(1000));
//!
//! // A client that gives up is seen to do so, and nobody has to sleep until it is.
//! let impatient = reqwest::Client::new().get(server.url("/hang"));
//! impatient.timeout(Duration::from_millis(200)).send().await.unwrap_err();
//! let ledger = server.ledger();
//! ledger.wait_until(|seen| seen.requests_abandoned == 1, Duration::from_secs(10)).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Routes
//!
//! `HEAD` works on every route that takes `GET`. Where no method is named, a route takes all.
//!
//! | Path | Answer |
//! |---|---|
//! | `/get` `/post` `/put` `/patch` `/delete` | echoes the request as JSON; 405 for other methods |
//! | `/anything` `/anything/...` | the same, for every method |
//! | `/status/{code}` | that status, 200 to 999, without a body; a redirect status leads to `/redirect/1` |
//! | `/headers` `/user-agent` `/ip` | parts of the request as JSON |
//! | `/many-headers?count=100&size=10` | so many header fields, each with a value of that many bytes |
//! | `/response-headers?name=value&...` | each pair as a header field; repeated names are repeated fields |
//! | `/bytes/{n}` | the first n bytes of [`content`], with `Content-Length`; any n |
//! | `/stream-bytes/{n}?chunk_size=10240` | the same without a length, in chunks, as fast as the client reads |
//! | `/stream/{n}` | n JSON objects, one a line |
//! | `/delay/{seconds}` | an answer that time after the request came; fractions count |
//! | `/drip?duration=2&numbytes=10&delay=0&code=200` | the head after `delay` seconds, then bytes one by one over `duration` seconds |
//! | `/hang` | never an answer |
//! | `/redirect/{n}` `/relative-redirect/{n}` | n redirects (302) with a path in `Location`, then `/get`; `?absolute=true` for URLs |
//! | `/absolute-redirect/{n}` | n redirects with a URL in `Location` |
//! | `/redirect-to?url=...&status_code=302` | one redirect to anywhere, with any 3xx status |
//! | `/redirect-with-body?url=...&status_code=302&coding=gzip&bytes=n` | the same with a body of n zeros in that coding |
//! | `/cookies` | the cookies that the client sent |
//! | `/cookies/set?name=value&...` `/cookies/set/{name}/{value}` | sets cookies and redirects to `/cookies` |
//! | `/cookies/set-raw?line=...&line=...` | each line as a `Set-Cookie` field; `&count=n` times, with `{}` in it replaced by the number; with `&url=...` on a redirect |
//! | `/cookies/delete?name&...` | expires cookies and redirects to `/cookies` |
//! | `/gzip` `/deflate` `/brotli` `/zstd` | JSON in that content coding; `/deflate?raw=true` without the zlib wrapper |
//! | `/encoded?codings=gzip,br&bytes=1000` | that much of the [`content`] in up to eight codings (`gzip`, `deflate`, `raw-deflate`, `br`, `zstd`, `identity`), applied in that order; `&members=n` (gzip and zstd), `&cut=n` bytes off the end, `&corrupt=offset` inverts a byte, `&separate=true` gives each a field |
//! | `/bomb/{coding}/{n}` | n zeros in that coding, at flat memory and without a length; a GiB is a MiB of gzip |
//! | `/basic-auth/{user}/{password}` | 200 with these credentials, 401 otherwise |
//! | `/bearer` | 200 with a bearer token, 401 without |
//! | `/encoding/utf8` `/encoding/{charset}` | text in that character set |
//! | `/json` `/html` | a document |
//! | `/trailers` | a body and trailer fields; HTTP/1.1 clients have to send `TE: trailers` |
//! | `/upload` | reads a body of any size at constant memory; its length and [FNV-1a hash](content::fnv1a64) as JSON |
//! | `/early` | an answer before the body is read; reads on meanwhile |
//!
//! The echo is an object with `method`, `url`, `args` (a list of pairs, in order, repeated names
//! kept), `headers` (likewise), `data` (the body; `data_encoding` says whether as `utf-8` or
//! `base64`), `form` (a list of pairs), `json` (the parsed body, or null), `origin` and
//! `http_version`. The server cannot send informational responses (1xx); a [`ScriptedServer`] can.

mod bell;
mod certificates;
mod closed_port;
pub mod conformance;
pub mod content;
mod delaying_proxy;
mod failures;
mod latch;
mod ledger;
mod memory;
mod proxy;
mod routes;
mod scripted;
mod server;
#[cfg(unix)]
pub mod starved;
mod thread;
mod tls;

pub use certificates::{Identity, TestCa};
pub use closed_port::{ClosedPort, closed_port};
pub use delaying_proxy::DelayingProxy;
pub use latch::Latch;
pub use ledger::{ConnectionRecord, Counts, Ledger, RequestOutcome, RequestRecord, WaitError};
pub use memory::{Answer, MemoryBackend, MemoryCounts, MemoryRequest};
pub use proxy::{
    ProxyConnection, ProxyFault, ProxyRequest, ProxyServer, ProxyServerBuilder, ProxyTarget,
};
pub use scripted::{
    RequestHead, Script, ScriptedConnection, ScriptedServer, ScriptedServerBuilder,
};
pub use server::{Server, ServerBuilder};
