//! The connections of a backend, and the choice between HTTP/2 and HTTP/1.1.

use std::sync::{Arc, Weak};

use futures::future::BoxFuture;
use pr_backend_hyper::Http1Pool;
use pr_connect::{Connected, Connector};
use pr_core::{
    BackendError, ConnectionKey, ExchangeRequest, ExchangeResponse, ProtocolChoice, Scheme,
    TransportConfig,
};

use crate::{
    clock::Lifetimes,
    dial::Dialer,
    keep_alive::KeepAliveTimes,
    lease::Lease,
    limits::Limits,
    origins::Origins,
    tasks::{self, Tasks},
};

/// The connections of one backend.
#[derive(Debug)]
pub(crate) struct Pool {
    dialer: Arc<Dialer>,
    tasks: Arc<Tasks>,
    http1: Http1Pool,
    prior_knowledge: bool,
}

impl Pool {
    pub(crate) fn new(config: &TransportConfig) -> Result<Self, BackendError> {
        let connector = Connector::new(config)?;
        let tasks = Arc::<Tasks>::default();
        let max_connections = config.http2_connections_per_origin;
        let budget = connector.budget().clone();
        let max_idle = budget.max_idle();
        let origins = Origins::new(max_connections, Limits::of(config), budget.clone());
        let origins = Arc::new(origins);
        let pool: Weak<Origins> = Arc::downgrade(&origins);
        budget.register(pool);
        let limit = config.http2_keep_alive_timeout;
        let lifetimes = Lifetimes {
            idle_timeout: config.idle_timeout,
            max_age: config.max_connection_age,
            keep_alive: config
                .http2_keep_alive_interval
                .map(|interval| KeepAliveTimes { interval, limit }),
        };
        let dialer = Dialer {
            connector: connector.clone(),
            tasks: tasks.clone(),
            lifetimes,
            max_idle,
            origins,
        };
        Ok(Self {
            dialer: Arc::new(dialer),
            tasks,
            http1: Http1Pool::new(config, connector),
            prior_knowledge: config.http2_prior_knowledge,
        })
    }

    /// Carries out one exchange.
    ///
    /// The future is allocated for each, so what is large and rare in it is boxed once more.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn keeps its arguments twice, and this future is allocated for each exchange"
    )]
    pub(crate) fn exchange(
        &self,
        request: ExchangeRequest,
    ) -> impl Future<Output = Result<ExchangeResponse, BackendError>> + Send {
        async move {
            if !self.may_speak_http2(&request.key) {
                return self.exchange_http1(request).await;
            }
            let runtime = tasks::current_runtime()?.id();
            let origin = self.dialer.origins.get(runtime, &request.key)?;
            let fresh = request.fresh_connection;
            let sent = loop {
                match origin.lease(&self.dialer, fresh, &request.progress).await? {
                    Lease::Stream(mut stream) => {
                        if stream.is_usable() {
                            break stream.send(request)?;
                        }
                    }
                    Lease::Http1(connected) => {
                        return self.fall_back(connected, request).await;
                    }
                }
            };
            sent.response(&self.tasks).await
        }
    }

    /// Lets go of every connection, and of what was learnt about peers, their addresses included.
    pub(crate) fn reset(&self) {
        // First, because it forgets the addresses, and whoever waits for a connection dials at once.
        self.http1.reset_connections();
        self.dialer.origins.reset();
    }

    /// Ends everything and does not wait for it.
    pub(crate) fn shut_down(&self) {
        self.dialer.origins.close();
        self.tasks.stop_all();
    }

    /// Ends everything and waits until the tasks have ended.
    pub(crate) async fn close(&self) {
        self.shut_down();
        self.http1.close().await;
        self.tasks.ended().await;
    }

    fn exchange_http1(
        &self,
        request: ExchangeRequest,
    ) -> BoxFuture<'_, Result<ExchangeResponse, BackendError>> {
        Box::pin(self.http1.exchange(request))
    }

    /// The peer speaks HTTP/1.1 only, as a dial has found out, perhaps just now.
    fn fall_back(
        &self,
        connected: Option<Box<Connected>>,
        request: ExchangeRequest,
    ) -> BoxFuture<'_, Result<ExchangeResponse, BackendError>> {
        match connected {
            Some(connected) => Box::pin(self.http1.exchange_on(*connected, request)),
            None => self.exchange_http1(request),
        }
    }

    fn may_speak_http2(&self, key: &ConnectionKey) -> bool {
        key.protocol() == ProtocolChoice::Negotiate
            && (key.scheme() == Scheme::Https || self.prior_knowledge)
    }
}
