//! How ureq gets its connections: from our pool, or by our dialing.

use std::sync::Arc;

use pr_core::{BackendError, Scheme, Stage};
use ureq::{
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{ConnectionDetails, Connector, NextTimeout},
    },
};

use crate::{
    connection::Connection,
    desk::{Desk, Wanted},
    dial::Dialer,
    error,
    exchange::Exchange,
    pool::Pool,
    transport::Carrier,
};

/// The ways to a connection, which all threads of a backend share.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) pool: Arc<Pool>,
    pub(crate) dialer: Dialer,
}

/// Gives ureq the connection that a thread's exchange needs.
#[derive(Debug)]
pub(crate) struct RouteConnector {
    pub(crate) routes: Arc<Routes>,
    pub(crate) desk: Arc<Desk>,
}

impl Connector for RouteConnector {
    type Out = Carrier;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Carrier>, ureq::Error> {
        // Without an order there is no connection, which ureq turns into an error.
        let Some(Wanted {
            exchange,
            key,
            fresh,
        }) = self.desk.take_wanted()
        else {
            return Ok(None);
        };
        let pool = &self.routes.pool;
        let rested = if fresh { None } else { pool.take(&key) };
        let reused = rested.is_some();
        let connection = if let Some(rested) = rested {
            used_by(&exchange, rested)
        } else {
            exchange.reach(Stage::Connecting);
            let generation = pool.generation();
            self.routes.dialer.dial(&key, &exchange, generation)
        }
        .map_err(|error| ureq::Error::Other(Box::new(error)))?;
        // What ureq checks too, and calls a fault of ours.
        debug_assert_eq!(connection.is_tls(), key.scheme() == Scheme::Https);
        exchange.found_connection(connection.info(reused));
        Ok(Some(Carrier::new(
            connection, exchange, key, &self.desk, pool,
        )))
    }
}

fn used_by(exchange: &Exchange, connection: Connection) -> Result<Connection, BackendError> {
    match exchange.use_socket(connection.tcp()) {
        Ok(()) => Ok(connection),
        Err(why) => Err(error::stopped(why, exchange)),
    }
}

/// Resolves nothing: ureq would do it for every request, also for one that goes over a connection
/// that is there already. [`Dialer`] resolves when it dials.
#[derive(Debug)]
pub(crate) struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}
