//! One HTTP/1.1 connection: hyper's two halves of it, and one exchange over it.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::FutureExt;
use http::{HeaderValue, Request, Response, Uri, header, uri::PathAndQuery};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1::SendRequest},
};
use hyper_util::rt::TokioIo;
use pr_connect::{Connected, Forwarding};
use pr_core::{
    BackendError, ConnectionInfo, ConnectionKey, ErrorKind, ExchangeResponse, Progress, Scheme,
    Stage,
};
use tokio::{runtime::Handle, time::Instant};

use crate::{
    download, error,
    lease::{Lease, Terms},
    message::Message,
    pool::Shared,
    tasks::Task,
    upload::{Fate, RequestBody},
    wire::{Backlog, Wire},
};

/// A connection that carries one exchange at a time.
///
/// Dropping it ends it at once, whatever is on its way over it.
pub(crate) struct Connection {
    /// `None` if the connection has ended.
    sender: Option<SendRequest<RequestBody>>,
    /// Drives the connection. It ends by itself once `sender` is gone and nothing is on its way.
    task: Task,
    runtime: Handle,
    backlog: Backlog,
    /// What `host` says in the requests of this connection.
    host: HeaderValue,
    /// Whether they are for a proxy to forward.
    forwarding: Option<Forwarding>,
    info: ConnectionInfo,
    /// The pool's epoch when it was dialed: it is not kept in a later one.
    epoch: u64,
    opened: Instant,
    in_good_order: bool,
}

/// Why a request got no response over a connection.
pub(crate) enum Unsent {
    /// Not a byte of it was written, and here it is again.
    Recovered {
        message: Box<Message>,
        error: BackendError,
    },
    /// It was written in part at least.
    Lost(BackendError),
}

impl Unsent {
    pub(crate) fn into_error(self) -> BackendError {
        match self {
            Self::Recovered { error, .. } | Self::Lost(error) => error,
        }
    }
}

impl Connection {
    /// Begins HTTP/1.1 on a connection that has just been dialed, on the current runtime.
    pub(crate) async fn open(
        connected: Connected,
        key: &ConnectionKey,
        epoch: u64,
        pool: &Shared,
    ) -> Result<Self, BackendError> {
        let runtime =
            Handle::try_current().map_err(|error| BackendError::no_runtime().with_source(error))?;
        let host = host(key)?;
        let (wire, backlog) = Wire::new(connected.io, pool.limits.informational);
        let begun = pool.limits.settings().handshake(TokioIo::new(wire)).await;
        let (sender, connection) = begun.map_err(|error| {
            BackendError::new(
                ErrorKind::Connect,
                "HTTP/1.1 cannot be spoken on the connection",
            )
            .with_source(error)
        })?;
        let driving = connection.map(|ended| {
            // Whoever waits for a response has been told; this is about connections that were idle.
            if let Err(error) = ended {
                tracing::debug!(%error, "an HTTP/1.1 connection ended");
            }
        });
        let task = pool
            .tasks
            .spawn(&runtime, driving)
            .ok_or_else(BackendError::backend_closed)?;
        Ok(Self {
            sender: Some(sender),
            task,
            runtime,
            backlog,
            host,
            forwarding: connected.forwarding,
            info: connected.info,
            epoch,
            opened: Instant::now(),
            in_good_order: false,
        })
    }

    /// Sends a request and waits for the head of its response. The connection is kept in the
    /// response's body, and with it comes back to the pool.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn keeps its arguments twice, and this future is allocated for each exchange"
    )]
    pub(crate) fn send(
        mut self,
        message: Box<Message>,
        pool: &Arc<Shared>,
    ) -> impl Future<Output = Result<ExchangeResponse, Unsent>> + Send {
        async move {
            let Some(mut sender) = self.sender.take() else {
                let error = error::gone();
                return Err(Unsent::Recovered { message, error });
            };
            let Message {
                key,
                mut request,
                upload,
                progress,
            } = *message;
            self.address(&mut request);
            progress.connected(self.info);
            // A body that is here goes out with the head, or at once after it.
            progress.reach(if upload.is_none() {
                Stage::AwaitingHead
            } else {
                Stage::Sending
            });
            self.backlog.expect_head();
            let response = sender.try_send_request(request);
            // If the connection's task ends in the very moment in which the request is put into its
            // channel, the channel keeps it for as long as it has a sender, and it would neither be
            // sent nor come back.
            self.sender = Some(sender).filter(|sender| !sender.is_closed());
            let received = response.await;
            self.finish(received, key, upload, progress, pool)
        }
    }

    fn finish(
        self,
        received: Result<Response<Incoming>, TrySendError<Request<RequestBody>>>,
        key: ConnectionKey,
        upload: Option<Arc<Fate>>,
        progress: Progress,
        pool: &Arc<Shared>,
    ) -> Result<ExchangeResponse, Unsent> {
        let mut failure = match received {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let (pool, mut terms) = (Arc::clone(pool), Terms::of(&head));
                if upload.as_ref().is_some_and(|upload| upload.forestall()) {
                    terms = terms.without_body();
                }
                let lease = Lease {
                    connection: self,
                    key,
                    pool,
                    upload,
                    terms,
                };
                return download::receive(head, body, lease).map_err(Unsent::Lost);
            }
            Err(failure) => failure,
        };
        let reused = self.info.reused;
        if let Some(request) = failure.take_message() {
            let error = error::unsent(failure.into_error(), pool).on_reused_connection(reused);
            let message = Box::new(Message {
                key,
                request,
                upload,
                progress,
            });
            return Err(Unsent::Recovered { message, error });
        }
        let error = error::before_head(failure.into_error(), upload.as_deref(), pool);
        Err(Unsent::Lost(error.on_reused_connection(reused)))
    }

    /// Says where a request goes. One that has been addressed before stays the same.
    fn address(&self, request: &mut Request<RequestBody>) {
        let host = || self.host.clone();
        request
            .headers_mut()
            .entry(header::HOST)
            .or_insert_with(host);
        match &self.forwarding {
            // The target stays in absolute form.
            Some(forwarding) => forwarding.authorize(request.headers_mut()),
            None => *request.uri_mut() = origin_form(request.uri()),
        }
    }

    /// Waits until a request can be sent; `false` if the connection has been closed.
    pub(crate) async fn ready(&mut self) -> bool {
        match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.as_ref().is_none_or(SendRequest::is_closed)
    }

    /// Whether bytes of a request still wait for the peer to take them.
    pub(crate) fn has_backlog(&self) -> bool {
        self.backlog.exists()
    }

    /// Waits until none does; `false` if the connection ended before.
    pub(crate) fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<bool> {
        self.backlog.poll_cleared(cx)
    }

    /// The runtime that the connection belongs to.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn info(&self) -> ConnectionInfo {
        self.info
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When it was opened.
    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    /// Says that an exchange is over.
    pub(crate) fn note_use(&mut self) {
        self.info.reused = true;
    }

    /// Breaks the connection, which its task notices when it runs next.
    #[cfg(test)]
    pub(crate) fn lose(&self) {
        self.task.abort();
    }

    /// Closes a connection that nothing is on its way over, with TLS's `close_notify`.
    pub(crate) fn close(mut self) {
        self.in_good_order = true;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Whatever hyper would still do with the connection, without its task the socket is closed.
        if !self.in_good_order {
            self.task.abort();
        }
    }
}

/// Path and query alone (RFC 9112, section 3.2.1).
fn origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned();
    path.unwrap_or_else(|| PathAndQuery::from_static("/"))
        .into()
}

/// The key's host, and its port unless that is the scheme's own (RFC 9110, section 7.2).
fn host(key: &ConnectionKey) -> Result<HeaderValue, BackendError> {
    let default_port = match key.scheme() {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    let host = if key.port() == default_port {
        HeaderValue::try_from(key.host())
    } else {
        HeaderValue::try_from(format!("{}:{}", key.host(), key.port()))
    };
    host.map_err(|error| {
        BackendError::new(ErrorKind::Input, "the URL's host cannot be sent").with_source(error)
    })
}
