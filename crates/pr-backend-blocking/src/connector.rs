//! How an exchange gets its connection, from our pool or by dialing, and how ureq gets it then.

use std::sync::Arc;

use pr_connect::Reuse;
use pr_core::{BackendError, ConnectionKey, Stage};
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
    desk::Desk,
    dial::{Dialer, Obtained},
    error,
    exchange::Exchange,
    head::Limits,
    pool::Pool,
    transport::Carrier,
};

/// The ways to a connection, which all threads of a backend share.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) pool: Arc<Pool>,
    pub(crate) dialer: Dialer,
    pub(crate) limits: Limits,
}

impl Routes {
    /// A connection for this exchange; if `fresh`, one that has carried nothing yet.
    pub(crate) fn connect(
        &self,
        key: &ConnectionKey,
        fresh: bool,
        exchange: &Exchange,
    ) -> Result<Connection, BackendError> {
        let rested = if fresh { None } else { self.pool.take(key) };
        let (connection, reused) = match rested {
            Some(rested) => (rested, true),
            None => self.obtain(key, fresh, exchange)?,
        };
        let used = exchange.use_socket(connection.socket());
        used.map_err(|why| error::stopped(why, exchange))?;
        exchange.found_connection(connection.info(reused));
        Ok(connection)
    }

    /// A new connection, or where those are too many, one with which somebody else is done; and
    /// whether it has been used.
    fn obtain(
        &self,
        key: &ConnectionKey,
        fresh: bool,
        exchange: &Exchange,
    ) -> Result<(Connection, bool), BackendError> {
        let reuse = if fresh { Reuse::Never } else { Reuse::Anywhere };
        loop {
            exchange.reach(Stage::Connecting);
            let generation = self.pool.generation();
            match self.dialer.dial(key, reuse, exchange, generation)? {
                Obtained::Dialed(connection) => return Ok((connection, false)),
                Obtained::HandedOver(mut connection) => {
                    if self.pool.may_carry(&connection) && connection.is_usable() {
                        return Ok((connection, true));
                    }
                }
            }
        }
    }
}

/// Gives ureq the connection that lies on a thread's desk.
#[derive(Debug)]
pub(crate) struct DeskConnector {
    pub(crate) routes: Arc<Routes>,
    pub(crate) desk: Arc<Desk>,
}

impl Connector for DeskConnector {
    type Out = Carrier;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Carrier>, ureq::Error> {
        // Without an order there is no connection, which ureq turns into an error.
        let order = self.desk.take_order();
        Ok(order.map(|order| Carrier::new(order, &self.desk, &self.routes)))
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
