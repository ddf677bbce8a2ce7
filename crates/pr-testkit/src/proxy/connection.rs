//! One connection of a client to a proxy, from its acceptance to its end.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::record::Records;
use super::routes::Routes;
use super::tap::Tap;
use super::{ProxyConnection, ProxyFault, ProxyRequest, connect, socks};
use crate::failures::Failures;

/// What all connections of a proxy share.
pub(super) struct Shared {
    pub(super) kind: Kind,
    pub(super) acceptor: Option<TlsAcceptor>,
    pub(super) credentials: Option<String>,
    pub(super) routes: Routes,
    pub(super) fault: Mutex<Option<ProxyFault>>,
    pub(super) records: Arc<Records>,
    pub(super) failures: Failures,
}

/// Which protocol clients speak with a proxy.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Kind {
    #[default]
    Http,
    Socks,
}

impl Shared {
    pub(super) fn fault(&self) -> Option<ProxyFault> {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.clone()
    }

    pub(super) fn set_fault(&self, fault: Option<ProxyFault>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Whether these credentials will do.
    pub(super) fn admits(&self, credentials: Option<&str>) -> bool {
        let wanted = self.credentials.as_deref();
        wanted.is_none() || wanted == credentials
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("kind", &self.kind)
            .field("tls", &self.acceptor.is_some())
            .finish_non_exhaustive()
    }
}

/// A client's connection as the protocols see it.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) shared: Arc<Shared>,
    index: usize,
}

impl Client {
    /// Notes what was asked for, as something not done, and returns what it is known by.
    pub(super) fn asked(&self, request: ProxyRequest) -> usize {
        let mut number = 0;
        self.shared.records.change(self.index, |one| {
            one.credentials.extend(request.credentials.clone());
            one.requests.push(request);
            number = one.requests.len() - 1;
        });
        number
    }

    /// Notes credentials that were not good enough to be asked anything.
    pub(super) fn rejected(&self, credentials: String) {
        let note = |one: &mut ProxyConnection| one.credentials.push(credentials);
        self.shared.records.change(self.index, note);
    }

    /// Notes that a request was done as asked.
    pub(super) fn accepted(&self, number: usize) {
        self.shared.records.change(self.index, |one| {
            one.requests[number].accepted = true;
        });
    }
}

/// A stream of bytes in both directions.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// Accepts connections for ever, each on a task of its own.
pub(super) async fn accept_all(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                let failure = format!("accepting a connection failed: {error}");
                return shared.failures.record(failure);
            }
        };
        let client = Client {
            index: shared.records.add(),
            shared: shared.clone(),
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let index = client.index;
            let served = Box::pin(serve(stream, client));
            shared
                .failures
                .clone()
                .watch("a proxied connection", served)
                .await;
            shared.records.change(index, |one| one.open = false);
        });
    }
}

async fn serve(stream: TcpStream, client: Client) {
    // Fails only if the client is gone already, which the first read will show.
    stream.set_nodelay(true).ok();
    match client.shared.acceptor.clone() {
        None => speak(stream, client).await,
        Some(acceptor) => {
            // A client that does not come to terms has been recorded as a connection, and that is
            // all there is to it.
            if let Ok(stream) = acceptor.accept(stream).await {
                let name = stream.get_ref().1.server_name().map(str::to_owned);
                let note = |one: &mut ProxyConnection| one.server_name = name;
                client.shared.records.change(client.index, note);
                speak(stream, client).await;
            }
        }
    }
}

async fn speak(stream: impl Io, client: Client) {
    let tap = Tap::new(stream, client.index, client.shared.records.clone());
    match client.shared.kind {
        Kind::Http => connect::speak(tap, &client).await,
        Kind::Socks => socks::speak(tap, &client).await,
    }
}

/// Reads until the client closes, so that what was sent before is not lost to a reset.
pub(super) async fn read_to_end(io: &mut impl Io) {
    let mut buffer = [0; 4096];
    while io.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}
