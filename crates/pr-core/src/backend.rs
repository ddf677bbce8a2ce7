//! The `Backend` trait: what a transport must do, and the conveniences that every transport gets.

use std::{fmt::Debug, pin::Pin};

use async_trait::async_trait;

use crate::{
    BackendError, Capabilities, ExchangeRequest, ExchangeResponse, NormalizedResponse,
    RequestConfig, StreamingResponse, Warnings,
    semantics::{self, Cookies},
};

/// A transport that can carry one HTTP exchange.
///
/// A backend sends **one request over one route** and gives back a response head and a body to be
/// read. It follows no redirect, keeps no cookie, decodes no content and retries nothing: all of
/// that is done above this trait, the same for all. To *use* a backend, see [`BackendExt`].
///
/// # The contract
///
/// **Request.** The [`ExchangeRequest`] has been validated. Its headers are final but for those
/// that frame the message on the wire, which the backend adds: `host` (or `:authority`),
/// `content-length` and `transfer-encoding`. If the headers hold a `host`, it takes the place of
/// the URI's authority. An empty body of a POST, PUT or PATCH says `content-length: 0`
/// (RFC 9110, section 8.6).
///
/// **Connections.** Two requests may share a connection only if their
/// [`ConnectionKey`](crate::ConnectionKey)s are equal. A request whose
/// [`fresh_connection`](ExchangeRequest::fresh_connection) is set must not ride on a connection
/// that has carried a request before.
///
/// [`proxy`](crate::ConnectionKey::proxy), [`unix_socket`](crate::ConnectionKey::unix_socket) and
/// [`tls`](crate::ConnectionKey::tls) of the key say which way a connection takes. The caller asks a
/// backend only for what its [`Capabilities`] name.
///
/// **Waiting for leave.** If the headers hold `expect: 100-continue` and the backend can
/// ([`Capability::ExpectContinue`](crate::Capability::ExpectContinue)), the body is held back until
/// the peer says `100 Continue` or has been silent for a second; a final response that comes
/// instead is the outcome, and the body is not sent (RFC 9110, section 10.1.1).
///
/// **Limits.** A response whose head exceeds
/// [`max_head_size`](crate::TransportConfig::max_head_size) or
/// [`max_header_fields`](crate::TransportConfig::max_header_fields), or that comes after more than
/// [`max_informational`](crate::TransportConfig::max_informational) 1xx responses, is an error of
/// kind [`Limit`](crate::ErrorKind::Limit), at the memory that the limit allows.
///
/// **Deadline.** The caller drops the future, or the body, when time is up. The backend need not
/// watch the clock; [`ExchangeRequest::deadline`] is there for those that can use it, for instance
/// to queue the most urgent first.
///
/// **Cancellation.** Dropping the future of [`exchange`](Self::exchange), or the body of its
/// response, at any moment, frees all that the exchange holds: the stream is reset or the
/// connection closed, no later request sees its bytes, no other exchange is disturbed. A backend
/// on threads, which a drop does not stop by itself, sees to it that the thread is free again
/// within 500 ms.
///
/// **Backpressure.** The body is read as it is polled. A backend holds at most a bounded number of
/// bytes that nobody has asked for yet, so that a consumer who stops reading stops the peer.
///
/// **Errors.** Everything that goes wrong is a [`BackendError`] of the kind that
/// [`ErrorKind`](crate::ErrorKind) describes, with its cause as `source()`. A backend sets the
/// [`Delivery`](crate::Delivery) as well as it knows; where it cannot tell, it leaves
/// [`Delivery::Unknown`](crate::Delivery::Unknown). Backend name and URL are filled in by the
/// caller. On a connection that had carried a request before, the error
/// [says so](BackendError::on_reused_connection).
///
/// The caller sends an exchange again, with `fresh_connection` set, if it failed with kind
/// [`Closed`](crate::ErrorKind::Closed) and the body can be reopened: up to three times while the
/// delivery is not `Unknown` (for instance a stream that a GOAWAY left out), and once if it is, the
/// connection had carried a request before and the method is idempotent. So a backend need not, and must not, send anything again of
/// which a byte was written. It may move a request of which nothing was to another connection.
///
/// A backend never panics on what a user or a peer sends.
///
/// **Progress.** The backend moves [`ExchangeRequest::progress`] along, so that a deadline's error
/// can say what the request was waiting for and whether it had been sent. Once the exchange has
/// been dropped, it is not moved any more. Of a connection that is opened for the exchange it tells
/// [how long that took](crate::Progress::dialed), and it tells [which connection](crate::Progress::connected)
/// the request is about to be sent on: an error then names it, and whoever watches sees it.
///
/// **Closing.** [`close`](Self::close) refuses new exchanges (kind
/// [`Closed`](crate::ErrorKind::Closed), not sent), ends those in flight, closes every connection
/// and returns when threads and tasks of the backend are done. Calling it twice is fine. Dropping
/// the last handle does the same without waiting.
///
/// # Example
///
/// A backend that answers everything itself:
///
/// ```
/// use async_trait::async_trait;
/// use pr_core::{
///     Backend, BackendError, BackendExt, Capabilities, Capability, ExchangeRequest,
///     ExchangeResponse, Warnings,
/// };
///
/// #[derive(Debug, Default)]
/// struct Teapot {
///     warnings: Warnings,
/// }
///
/// #[async_trait]
/// impl Backend for Teapot {
///     fn name(&self) -> &'static str {
///         "teapot"
///     }
///
///     fn capabilities(&self) -> Capabilities {
///         Capabilities::of(&[Capability::Http1, Capability::AsyncNative])
///     }
///
///     fn warnings(&self) -> &Warnings {
///         &self.warnings
///     }
///
///     async fn exchange(&self, request: ExchangeRequest) -> Result<ExchangeResponse, BackendError> {
///         let short_and_stout = format!("{} {}", request.method, request.uri.path());
///         Ok(ExchangeResponse::new(http::StatusCode::IM_A_TEAPOT).with_body(short_and_stout))
///     }
///
///     async fn close(&self) {}
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let response = Teapot::default().request("http://kitchen.example/brew").await?;
/// assert_eq!(response.status_code(), 418);
/// assert_eq!(response.text(), "GET /brew");
/// # Ok::<(), BackendError>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait Backend: Debug + Send + Sync + 'static {
    /// The short lower-case name by which users choose this backend and errors mention it.
    fn name(&self) -> &'static str;

    /// What this backend can do. It must not change during the backend's life.
    fn capabilities(&self) -> Capabilities;

    /// Where the callers of this backend leave, once each, what its users should know.
    fn warnings(&self) -> &Warnings;

    /// Sends one request and returns as soon as the response's head is there.
    ///
    /// 1xx responses are passed over; the head returned is the final one. See the
    /// [contract](Self#the-contract) for everything else.
    async fn exchange(&self, request: ExchangeRequest) -> Result<ExchangeResponse, BackendError>;

    /// Lets go of every connection: idle ones close now, those in use when their exchanges have
    /// ended. Exchanges that begin later dial anew, and find out anew what the peer speaks. Nothing
    /// in flight is disturbed.
    ///
    /// For when the network is not the same any more: another interface, another route, a name that
    /// points elsewhere. A backend without connections has nothing to do here.
    fn reset_connections(&self) {}

    /// Takes a task over that is going to call [`exchange`](Self::exchange) again and again, if this
    /// backend has threads of its own on which that costs less than elsewhere; gives it back if not.
    ///
    /// A backend on threads polls the task on the thread that has just finished an exchange for it,
    /// so that the task's next exchange begins there without a switch of threads. However many of
    /// its threads are blocked in exchanges, a task that was woken does not wait for them. The task
    /// is polled outside of any runtime: it brings its own timers, or a runtime's handle that it
    /// enters. Closing or dropping the backend drops the tasks that have not ended; one that holds a
    /// handle of the backend keeps it from being dropped. A task that panics is gone, and no other.
    fn spawn(&self, task: Task) -> Result<(), Task> {
        Err(task)
    }

    /// Ends everything this backend holds. See [the contract](Self#the-contract), *Closing*.
    async fn close(&self);
}

/// Work that a backend may take over, by [`Backend::spawn`].
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a user calls on any backend, boxed or not: whole requests, with all of HTTP's semantics.
///
/// Implemented for every [`Backend`], `dyn Backend` included; it cannot be implemented otherwise.
///
/// Both methods need a Tokio runtime with its time driver enabled, because deadlines do. Dropping
/// the returned future cancels the request.
///
/// ```
/// use pr_core::{Backend, BackendError, BackendExt, RequestConfig};
///
/// async fn search(backend: &dyn Backend, query: &str) -> Result<serde_json::Value, BackendError> {
///     backend
///         .request(RequestConfig::get("https://example.org/search").param("q", query))
///         .await?
///         .error_for_status()?
///         .json()
/// }
/// ```
pub trait BackendExt: Backend {
    /// Sends a request and reads the whole response.
    ///
    /// Every status is a success, 4xx and 5xx too; see
    /// [`NormalizedResponse::error_for_status`].
    fn request(
        &self,
        request: impl Into<RequestConfig>,
    ) -> impl Future<Output = Result<NormalizedResponse, BackendError>> + Send {
        let send = |fields: &mut _| semantics::buffered(self, fields, Cookies::default());
        request.into().send_by(send)
    }

    /// Sends a request and returns when the response's head is there; the body is yours to read.
    ///
    /// Nobody reads from the connection while you do not, so memory stays bounded whatever the
    /// body's size. Dropping the response frees its connection or stream.
    fn stream(
        &self,
        request: impl Into<RequestConfig>,
    ) -> impl Future<Output = Result<StreamingResponse, BackendError>> + Send {
        let send = |fields: &mut _| semantics::streaming(self, fields, Cookies::default());
        request.into().send_by(send)
    }
}

impl<B: Backend + ?Sized> BackendExt for B {}
