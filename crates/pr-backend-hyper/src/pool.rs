//! The HTTP/1.1 connections of one backend: which one carries an exchange, and when to dial.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Weak},
};

use futures::future::{Either, select};
use pr_connect::{Alpn, Budget, Connected, Connector, HandOver, IdlePool, Obtained, Reuse};
use pr_core::{
    BackendError, ConnectionKey, ExchangeRequest, ExchangeResponse, Progress, Stage,
    TransportConfig,
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until},
};

use crate::{
    connection::{Connection, Unsent},
    idle::{Idle, Settings},
    limits::Limits,
    message::{Message, prove_empty},
    tasks::Tasks,
};

/// The HTTP/1.1 connections of one backend: those that are idle, and those that carry an exchange.
///
/// This is what [`HyperBackend`](crate::HyperBackend) is made of, apart so that a backend that
/// prefers another version of HTTP can use it for the peers that speak only this one. What it does
/// with a request, and when it fails, is the [contract](pr_core::Backend#the-contract) of every
/// backend.
///
/// An exchange takes the idle connection that was used last, because the peer is least likely to
/// have given that one up, or dials, or where as many connections are open as may be (the connector's
/// [`Budget`]), waits for one that somebody is done with or for the place of another one. So there are
/// never more connections to an origin than there were exchanges at a time. A connection is idle again once its response has been read to the end,
/// and is closed if that never happens, after an HTTP/1.0 response, and after
/// [`idle_timeout`](TransportConfig::idle_timeout), at its
/// [`max_connection_age`](TransportConfig::max_connection_age), or when there are too many.
///
/// A peer may answer before it has read all of the request. If it answers with an error, or says
/// that it closes the connection, what is left of the request is not sent. Otherwise it is, and the
/// response's body does not end before (RFC 9110, section 7.5).
///
/// ```
/// use pr_backend_hyper::Http1Pool;
/// use pr_connect::Connector;
/// use pr_core::TransportConfig;
///
/// let config = TransportConfig::default();
/// let pool = Http1Pool::new(&config, Connector::new(&config)?);
/// # drop(pool);
/// # Ok::<(), pr_core::BackendError>(())
/// ```
pub struct Http1Pool {
    connector: Connector,
    shared: Arc<Shared>,
}

/// What the exchanges, which may outlive the call that began them, share with the pool.
///
/// hyper-util's `client::pool::cache` was looked at for this and left: it has no idle timeout, no
/// limit, and no way to ask for a connection that is fresh.
pub(crate) struct Shared {
    idle: Idle,
    budget: Budget,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) limits: Limits,
}

impl Http1Pool {
    /// A pool without connections.
    ///
    /// Of `config` it takes [`idle_timeout`](TransportConfig::idle_timeout),
    /// [`max_connection_age`](TransportConfig::max_connection_age),
    /// [`max_idle_per_origin`](TransportConfig::max_idle_per_origin) and
    /// [`max_idle`](TransportConfig::max_idle), the latter as the connector's [`Budget`] has it, and
    /// the limits on a response's head:
    /// [`max_head_size`](TransportConfig::max_head_size),
    /// [`max_header_fields`](TransportConfig::max_header_fields) and
    /// [`max_informational`](TransportConfig::max_informational).
    pub fn new(config: &TransportConfig, connector: Connector) -> Self {
        let budget = connector.budget().clone();
        let settings = Settings {
            timeout: config.idle_timeout,
            max_age: config.max_connection_age,
            max_per_key: config.max_idle_per_origin,
            max: budget.max_idle(),
        };
        let shared = Arc::new(Shared {
            idle: Idle::new(settings),
            budget,
            tasks: Arc::default(),
            limits: Limits::of(config),
        });
        let pool: Weak<Shared> = Arc::downgrade(&shared);
        shared.budget.register(pool);
        Self { connector, shared }
    }

    /// Sends a request over an idle connection of its key, or over a new one.
    ///
    /// If an idle connection turns out to be closed before a byte of the request has been written,
    /// the next one is tried, with the body as it was.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn keeps its arguments twice, and this future is allocated for each exchange"
    )]
    pub fn exchange(
        &self,
        mut request: ExchangeRequest,
    ) -> impl Future<Output = Result<ExchangeResponse, BackendError>> + Send {
        async move {
            let fresh = request.fresh_connection;
            prove_empty(&mut request.body).await?;
            let mut message = Box::new(Message::new(request));
            if !fresh {
                while let Some(connection) = self.shared.take_idle(&message.key).await {
                    match connection.send(message, &self.shared).await {
                        Ok(response) => return Ok(response),
                        Err(Unsent::Recovered {
                            message: recovered, ..
                        }) => message = recovered,
                        Err(Unsent::Lost(error)) => return Err(error),
                    }
                }
            }
            // Boxed, because it is large and rare.
            Box::pin(self.dial_and_send(message, fresh)).await
        }
    }

    async fn dial_and_send(
        &self,
        mut message: Box<Message>,
        fresh: bool,
    ) -> Result<ExchangeResponse, BackendError> {
        loop {
            message.progress.reach(Stage::Connecting);
            let epoch = self.shared.idle.epoch();
            let mut handed_over = match self.obtain(&message.key, &message.progress, fresh).await? {
                Obtained::Dialed(connected) => {
                    message.progress.dialed(connected.timings);
                    return self.send_first(*connected, epoch, message).await;
                }
                Obtained::HandedOver(connection) => connection,
            };
            if !self.shared.idle.may_carry(&handed_over) {
                handed_over.close();
            } else if handed_over.ready().await {
                match handed_over.send(message, &self.shared).await {
                    Ok(response) => return Ok(response),
                    Err(Unsent::Recovered {
                        message: recovered, ..
                    }) => message = recovered,
                    Err(Unsent::Lost(error)) => return Err(error),
                }
            }
        }
    }

    /// Sends a request over a connection that somebody else has dialed for the request's key. The
    /// connection joins the pool afterwards.
    ///
    /// It must speak HTTP/1.1 and must not have carried a request. What it took to open it is for
    /// whoever has opened it to say.
    pub async fn exchange_on(
        &self,
        connected: Connected,
        mut request: ExchangeRequest,
    ) -> Result<ExchangeResponse, BackendError> {
        let epoch = self.shared.idle.epoch();
        prove_empty(&mut request.body).await?;
        let message = Box::new(Message::new(request));
        self.send_first(connected, epoch, message).await
    }

    /// Lets go of every connection: idle ones are closed now, those in use when their exchanges have
    /// ended. Exchanges that begin later dial anew, and resolve names anew.
    pub fn reset_connections(&self) {
        self.connector.forget_names();
        self.shared.idle.clear();
    }

    /// Refuses new exchanges, ends those in flight with kind
    /// [`Closed`](pr_core::ErrorKind::Closed), closes every connection, and returns when the tasks
    /// behind them have ended.
    ///
    /// The tasks on a current-thread runtime other than the caller's are told to end but not waited
    /// for, because they can end only while somebody drives that runtime.
    pub async fn close(&self) {
        self.shut_down();
        self.shared.tasks.ended().await;
    }

    fn shut_down(&self) {
        self.shared.tasks.shut_down();
        self.shared.idle.clear();
    }

    /// A new connection, or where those are too many, one with which somebody else is done.
    async fn obtain(
        &self,
        key: &ConnectionKey,
        progress: &Progress,
        fresh: bool,
    ) -> Result<Obtained<Connection>, BackendError> {
        // Listening begins before looking, so that a call to close between the two is not missed.
        let closing = pin!(self.shared.tasks.closing());
        if self.shared.tasks.is_shut_down() {
            return Err(BackendError::backend_closed());
        }
        let runtime = Handle::try_current()
            .map_err(|error| BackendError::no_runtime().with_source(error))?
            .id();
        let reuse = if fresh {
            Reuse::Never
        } else {
            Reuse::On(runtime)
        };
        let tell = |stage| progress.reach(stage);
        let connecting = self
            .connector
            .connect_or_reuse(key, Alpn::Http1, reuse, &tell);
        match select(closing, pin!(connecting)).await {
            Either::Left(((), _)) => Err(BackendError::backend_closed()),
            Either::Right((obtained, _)) => obtained,
        }
    }

    async fn send_first(
        &self,
        connected: Connected,
        epoch: u64,
        message: Box<Message>,
    ) -> Result<ExchangeResponse, BackendError> {
        let connection = Connection::open(connected, &message.key, epoch, &self.shared).await?;
        connection
            .send(message, &self.shared)
            .await
            .map_err(Unsent::into_error)
    }
}

impl Shared {
    /// An idle connection that is ready for a request.
    async fn take_idle(&self, key: &ConnectionKey) -> Option<Connection> {
        let runtime = Handle::try_current().ok()?.id();
        loop {
            let mut connection = self.idle.take(key, runtime)?;
            // A connection comes back as soon as its response has been read; it is ready as soon
            // as its task has noticed, or turns out to be closed.
            if connection.ready().await {
                return Some(connection);
            }
        }
    }

    /// Takes a connection back whose exchange is over.
    pub(crate) fn give_back(self: &Arc<Self>, key: ConnectionKey, connection: Connection) {
        if self.tasks.is_shut_down() {
            return;
        }
        let connection = if self.budget.is_wanted() {
            let runtime = connection.runtime().id();
            match self.budget.hand_over(&key, Some(runtime), connection) {
                HandOver::Taken => return,
                HandOver::Close(connection) => return connection.close(),
                HandOver::Keep(connection) => connection,
            }
        } else {
            connection
        };
        self.idle.put(key, connection, |runtime| {
            self.tasks
                .spawn(runtime, Box::pin(reap(Arc::downgrade(self))))
        });
        // Whoever has come to wait in between has not seen this one.
        if self.budget.is_wanted() {
            self.budget.relieve();
        }
    }
}

impl IdlePool for Shared {
    fn oldest_idle(&self, of: Option<&ConnectionKey>) -> Option<std::time::Instant> {
        self.idle.oldest(of)
    }

    fn close_oldest_idle(&self, of: Option<&ConnectionKey>) -> bool {
        self.idle.close_oldest(of)
    }
}

/// Closes idle connections when their time is over, one task for all of them. It ends when none is
/// left, and holds nothing that would keep the pool alive.
async fn reap(pool: Weak<Shared>) {
    loop {
        let next: Option<Instant> = pool.upgrade().and_then(|pool| pool.idle.prune());
        let Some(next) = next else { return };
        sleep_until(next).await;
    }
}

impl Drop for Http1Pool {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl fmt::Debug for Http1Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Pool")
            .field("connector", &self.connector)
            .field("idle", &self.shared.idle)
            .field("closed", &self.shared.tasks.is_shut_down())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use pr_core::{ErrorKind, ProtocolChoice};
    use pr_testkit::Server;
    use url::Url;

    use super::*;

    fn request(method: Method, url: &Url) -> ExchangeRequest {
        let key = ConnectionKey::new(url, None, true, ProtocolChoice::Negotiate).unwrap();
        ExchangeRequest::new(method, url.as_str().parse().unwrap(), key)
    }

    /// The moment in which a connection is lost but its task has not noticed: on one thread, the
    /// task cannot end before the request has been handed to it.
    #[tokio::test]
    async fn a_request_that_was_not_begun_takes_another_connection() {
        let server = Server::start();
        let url = Url::parse(&server.url("/post")).unwrap();
        let config = TransportConfig::default();
        let pool = Http1Pool::new(&config, Connector::new(&config).unwrap());
        let mut ids = Vec::new();
        for _ in 0..2 {
            let first = request(Method::POST, &url);
            ids.push(pool.exchange(first).await.unwrap().connection.id);

            let key = request(Method::POST, &url).key;
            let lost = pool.shared.take_idle(&key).await.unwrap();
            lost.lose();
            pool.shared.give_back(key, lost);
        }
        assert_ne!(ids[0], ids[1]);
        assert_eq!(server.ledger().requests().len(), 2);

        // The same on a connection that was never used is told, not tried again.
        let second = request(Method::POST, &url);
        let connected = pool
            .connector
            .connect(&second.key, Alpn::Http1)
            .await
            .unwrap();
        let epoch = pool.shared.idle.epoch();
        let connection = Connection::open(connected, &second.key, epoch, &pool.shared)
            .await
            .unwrap();
        connection.lose();
        let message = Box::new(Message::new(second));
        let outcome = connection.send(message, &pool.shared).await;
        let error = outcome.map_err(Unsent::into_error).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(!error.may_have_been_processed());
        assert!(!error.was_on_reused_connection());
    }
}
