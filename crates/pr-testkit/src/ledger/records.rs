//! Copies of what the ledger knows of one connection and of one request.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};

/// What the server knows of one connection.
///
/// ```
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
/// # runtime.block_on(async {
/// let server = pr_testkit::Server::start();
/// reqwest::get(server.url("/get")).await?;
/// let connection = &server.ledger().connections()[0];
/// assert!(!connection.tls);
/// assert_eq!(connection.version, Some(http::Version::HTTP_11));
/// assert_eq!(connection.requests, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionRecord {
    /// Counts connections from 0 in the order of acceptance.
    pub id: u64,
    /// Whether TLS was spoken and its handshake succeeded.
    pub tls: bool,
    /// `TLS 1.2` or `TLS 1.3`.
    pub tls_version: Option<&'static str>,
    /// The protocol that ALPN (RFC 7301) settled on, as `h2` or `http/1.1`.
    pub alpn: Option<String>,
    /// The protocols that the client offered in ALPN, in its order; empty without ALPN. Known even
    /// if the handshake failed.
    pub alpn_offered: Vec<String>,
    /// The server name that the client asked for in TLS (SNI, RFC 6066 section 3). Known even if
    /// the handshake failed.
    pub server_name: Option<String>,
    /// The certificate that the client showed, in DER: compare it with
    /// [`Identity::certificate_der`](crate::Identity::certificate_der). `None` if it showed none,
    /// or was not [asked](crate::ServerBuilder::request_client_certificate).
    pub client_certificate: Option<Bytes>,
    /// The version of the first request; `None` before it.
    pub version: Option<Version>,
    /// Requests on this connection: streams, in HTTP/2.
    pub requests: u64,
    /// Whether the connection is still open.
    pub open: bool,
}

/// What the server knows of one request.
///
/// ```
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
/// # runtime.block_on(async {
/// let server = pr_testkit::Server::start();
/// let client = reqwest::Client::new();
/// client.post(server.url("/post?x=1")).header("x-one", "1").body("hello").send().await?;
///
/// let request = &server.ledger().requests()[0];
/// assert_eq!(request.method, http::Method::POST);
/// assert_eq!((request.path(), request.query()), ("/post", Some("x=1")));
/// assert_eq!(request.header("x-one"), Some("1"));
/// assert_eq!((request.body_bytes, &request.body[..]), (5, &b"hello"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestRecord {
    /// The [`ConnectionRecord::id`] of the connection that it came on.
    pub connection: u64,
    /// The method.
    pub method: Method,
    /// The path and query as they were sent.
    pub target: String,
    /// The `Host` field in HTTP/1.1, `:authority` in HTTP/2.
    pub authority: Option<String>,
    /// The version that it was sent in.
    pub version: Version,
    /// All header fields. Iteration yields names in the order of their first appearance, and the
    /// values of a repeated name in theirs.
    pub headers: HeaderMap,
    /// Bytes of the body read so far: decoded from chunked coding or frames, and not decompressed.
    pub body_bytes: u64,
    /// The beginning of the body, up to the limit that the server was built with (64 KiB).
    pub body: Bytes,
    /// Whether the body's end has arrived. A route that does not read the body never knows.
    pub body_complete: bool,
    /// Bytes of the response body handed to the connection so far.
    pub response_bytes: u64,
    /// How it ended, if it has.
    pub outcome: RequestOutcome,
}

impl RequestRecord {
    /// The path, as it was sent.
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&self.target, |(path, _)| path)
    }

    /// What follows the question mark, if there is one.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The first value of a header; `None` if it is absent or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All values of a header, in order; those that are not ASCII as lossy text.
    pub fn header_values(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).iter();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect()
    }
}

/// How a request ended.
///
/// ```
/// use pr_testkit::RequestOutcome;
///
/// let outcome = RequestOutcome::Answered(http::StatusCode::OK);
/// assert_ne!(outcome, RequestOutcome::Abandoned);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// It has not ended.
    InFlight,
    /// The whole response was handed to the connection, with this status.
    Answered(StatusCode),
    /// The client went away, or reset the stream, before the whole response was handed over.
    Abandoned,
}
