//! All origins of a backend, and the choice between HTTP/2 and HTTP/1.1.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use pr_backend_hyper::Http1Pool;
use pr_connect::Connector;
use pr_core::{
    BackendError, ConnectionKey, ExchangeRequest, ExchangeResponse, ProtocolChoice, Scheme,
    TransportConfig,
};
use tokio::time::timeout;

use crate::{
    dial::Dialer,
    origin::{Lease, Origin},
    tasks::Tasks,
};

/// The connections of one backend, by origin.
#[derive(Debug)]
pub(crate) struct Pool {
    origins: RwLock<Origins>,
    dialer: Arc<Dialer>,
    tasks: Arc<Tasks>,
    http1: Http1Pool,
    max_connections: usize,
    prior_knowledge: bool,
}

#[derive(Debug)]
struct Origins {
    closed: bool,
    by_key: HashMap<ConnectionKey, Arc<Origin>>,
    /// At how many origins those are forgotten of which nothing is in use.
    sweep_at: usize,
}

/// How many origins are remembered without looking whether they are in use.
const REMEMBERED_ORIGINS: usize = 1_024;

/// How long closing waits for tasks on a runtime that stands still, as a current-thread one does
/// while nobody runs it. Such a task ends when its runtime next runs or is dropped.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);

impl Pool {
    pub(crate) fn new(config: &TransportConfig) -> Result<Self, BackendError> {
        config.validate()?;
        let connector = Connector::new(config)?;
        let tasks = Arc::<Tasks>::default();
        let dialer = Dialer {
            connector: connector.clone(),
            tasks: tasks.clone(),
            idle_timeout: config.idle_timeout,
        };
        let origins = Origins {
            closed: false,
            by_key: HashMap::new(),
            sweep_at: REMEMBERED_ORIGINS,
        };
        Ok(Self {
            origins: RwLock::new(origins),
            dialer: Arc::new(dialer),
            tasks,
            http1: Http1Pool::new(config, connector),
            max_connections: config.http2_connections_per_origin,
            prior_knowledge: config.http2_prior_knowledge,
        })
    }

    pub(crate) async fn exchange(
        &self,
        request: ExchangeRequest,
    ) -> Result<ExchangeResponse, BackendError> {
        if !self.may_speak_http2(&request.key) {
            return self.exchange_http1(request).await;
        }
        let origin = self.origin(&request.key)?;
        loop {
            let fresh = request.fresh_connection;
            match origin.lease(&self.dialer, fresh, &request.progress).await? {
                Lease::Stream(mut stream) => {
                    if stream.is_usable() {
                        return stream.exchange(request, &self.tasks).await;
                    }
                }
                Lease::Http1(None) => return self.exchange_http1(request).await,
                Lease::Http1(Some(connected)) => {
                    return Box::pin(self.http1.exchange_on(*connected, request)).await;
                }
            }
        }
    }

    /// Ends everything and does not wait for it.
    pub(crate) fn shut_down(&self) {
        let origins = {
            let mut origins = self.origins.write().unwrap_or_else(PoisonError::into_inner);
            origins.closed = true;
            std::mem::take(&mut origins.by_key)
        };
        for origin in origins.values() {
            origin.close();
        }
        self.tasks.stop_all();
    }

    /// Ends everything and waits until the tasks have ended.
    pub(crate) async fn close(&self) {
        self.shut_down();
        self.http1.close().await;
        if timeout(LONGEST_CLOSE, self.tasks.all_ended())
            .await
            .is_err()
        {
            tracing::warn!("connections on a runtime that does not run are left to end with it");
        }
    }

    /// How many origins are known.
    pub(crate) fn origins(&self) -> usize {
        self.origins
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_key
            .len()
    }

    async fn exchange_http1(
        &self,
        request: ExchangeRequest,
    ) -> Result<ExchangeResponse, BackendError> {
        // Boxed, because its state is large and would weigh on every HTTP/2 exchange.
        Box::pin(self.http1.exchange(request)).await
    }

    fn may_speak_http2(&self, key: &ConnectionKey) -> bool {
        key.protocol() == ProtocolChoice::Negotiate
            && (key.scheme() == Scheme::Https || self.prior_knowledge)
    }

    fn origin(&self, key: &ConnectionKey) -> Result<Arc<Origin>, BackendError> {
        {
            let origins = self.origins.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(origin) = origins.by_key.get(key) {
                return Ok(origin.clone());
            }
        }
        let mut origins = self.origins.write().unwrap_or_else(PoisonError::into_inner);
        if origins.closed {
            return Err(BackendError::backend_closed());
        }
        if let Some(origin) = origins.by_key.get(key) {
            return Ok(origin.clone());
        }
        if origins.by_key.len() >= origins.sweep_at {
            origins.sweep();
        }
        let origin = Arc::new(Origin::new(key.clone(), self.max_connections));
        origins.by_key.insert(key.clone(), origin.clone());
        Ok(origin)
    }
}

impl Origins {
    /// Forgets the origins that no exchange and no connection holds on to, so that memory grows
    /// with what is in use and not with how many hosts were ever asked.
    fn sweep(&mut self) {
        self.by_key
            .retain(|_, origin| Arc::strong_count(origin) > 1);
        self.sweep_at = REMEMBERED_ORIGINS.max(2 * self.by_key.len());
    }
}
