//! One connection: TLS if asked for, then HTTP/1.1 or HTTP/2 until either side ends it.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::io::MeteredStream;
use super::{Handlers, RequestBody, ResponseBody};
use crate::failures::Failures;
use crate::ledger::{ConnectionEntry, Ledger};
use crate::routes::{self, Received};

/// Clients under test may abort as many streams as they like; hyper's defaults would take them for
/// an attack (CVE-2023-44487) and end the connection.
const TOLERATED_RESETS: usize = 1_000_000;

/// Large enough for tests of large header fields.
const MAX_HEADER_BYTES: u32 = 1024 * 1024;

/// What all connections of a server share.
pub(super) struct Shared {
    pub(super) ledger: Ledger,
    pub(super) failures: Failures,
    pub(super) handlers: Handlers,
    pub(super) scheme: &'static str,
    pub(super) acceptor: Option<TlsAcceptor>,
    pub(super) protocols: Protocols,
    pub(super) max_concurrent_streams: Option<u32>,
    pub(super) disconnected: watch::Receiver<Disconnect>,
}

/// Which versions of HTTP a server speaks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Protocols {
    Both,
    Http1,
    Http2,
}

impl Protocols {
    pub(super) fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            Self::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::Http1 => vec![b"http/1.1".to_vec()],
            Self::Http2 => vec![b"h2".to_vec()],
        }
    }
}

/// How often clients were told to go; a connection that sees a figure rise obeys.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Disconnect {
    pub(super) at_once: u64,
    pub(super) gracefully: u64,
}

/// Accepts connections for ever, each on a task of its own.
pub(super) async fn accept_all(listener: TcpListener, shared: Arc<Shared>) {
    let mut reported = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = shared.clone();
                let failures = shared.failures.clone();
                tokio::spawn(failures.watch("a connection", serve(stream, shared)));
            }
            Err(error) => {
                // Out of descriptors, most likely: that fails the test, but the connections that
                // are open go on, and some of them will make room.
                if !std::mem::replace(&mut reported, true) {
                    shared
                        .failures
                        .record(format!("accepting a connection failed: {error}"));
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let connection = shared.ledger.open_connection();
    let mut disconnected = shared.disconnected.clone();
    let before = *disconnected.borrow_and_update();
    let served = async {
        // Fails only if the client is gone already, which the first read will show.
        stream.set_nodelay(true).ok();
        let stream = MeteredStream::new(stream, shared.ledger.clone());
        match &shared.acceptor {
            None => speak_http(stream, connection.entry(), &shared).await,
            Some(acceptor) => match secure(stream, acceptor, connection.entry()).await {
                Err(_) => shared.ledger.tls_handshake_failed(),
                Ok(stream) => {
                    connection.entry().secured(stream.get_ref().1);
                    speak_http(stream, connection.entry(), &shared).await;
                }
            },
        }
    };
    tokio::select! {
        () = served => {}
        _ = disconnected.wait_for(|order| order.at_once > before.at_once) => {}
    }
}

/// Shakes hands, and notes what the client asks for, whether it likes the answer or not.
async fn secure(
    stream: MeteredStream,
    acceptor: &TlsAcceptor,
    entry: &ConnectionEntry,
) -> std::io::Result<TlsStream<MeteredStream>> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    entry.greeted(&start.client_hello());
    start.into_stream(acceptor.config().clone()).await
}

async fn speak_http<S>(stream: S, entry: &Arc<ConnectionEntry>, shared: &Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let executor = WatchedExecutor(shared.failures.clone());
    let mut builder = auto::Builder::new(executor);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_pending_accept_reset_streams(TOLERATED_RESETS)
        .max_local_error_reset_streams(TOLERATED_RESETS);
    if let Some(streams) = shared.max_concurrent_streams {
        builder.http2().max_concurrent_streams(streams);
    }
    let builder = match shared.protocols {
        Protocols::Both => builder,
        Protocols::Http1 => builder.http1_only(),
        Protocols::Http2 => builder.http2_only(),
    };
    // Before anything is spawned: of a thousand streams that are read at once, the last waits until
    // all others have got a task.
    let service =
        service_fn(|request| answer(request, Instant::now(), entry.clone(), shared.clone()));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));

    let mut disconnected = shared.disconnected.clone();
    let before = disconnected.borrow_and_update().gracefully;
    let drained = disconnected.wait_for(|order| order.gracefully > before);
    // A connection that breaks is the client's doing and stands in the ledger; it is no failure.
    tokio::select! {
        _ = connection.as_mut() => return,
        order = drained => if order.is_err() { return },
    }
    connection.as_mut().graceful_shutdown();
    connection.await.ok();
}

/// Answers one request and lets the ledger know how that ended.
async fn answer(
    request: Request<Incoming>,
    arrived: Instant,
    entry: Arc<ConnectionEntry>,
    shared: Arc<Shared>,
) -> Result<Response<ResponseBody>, Infallible> {
    let exchange = shared.ledger.begin(&entry, &request);
    let (head, incoming) = request.into_parts();
    let received = Received {
        head,
        body: RequestBody::new(incoming, exchange.body_meter()),
        scheme: shared.scheme,
        arrived,
    };
    // Boxed, because it is large, and a stream's task is moved several times before it runs.
    let routed = Box::pin(routes::answer(received, &shared.handlers));
    let failures = shared.failures.clone();
    let mut response = failures
        .watch("a handler", routed)
        .await
        .unwrap_or_else(|| {
            let mut response = Response::new(ResponseBody::whole("the handler panicked"));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        });
    let status = response.status();
    response.body_mut().track(exchange, status);
    Ok(response)
}

/// Spawns hyper's tasks (one a stream, in HTTP/2) so that a panic in one fails the test.
#[derive(Clone)]
struct WatchedExecutor(Failures);

impl<F> Executor<F> for WatchedExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        tokio::spawn(self.0.clone().watch("a stream", task));
    }
}
