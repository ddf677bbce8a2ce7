//! A connection in the form in which ureq drives it, for the time of one exchange.

use std::{fmt, io, sync::Arc, time::Duration};

use pr_core::{ConnectionKey, Delivery, Stage};
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use crate::{
    buffers::{MAX_HEAD, MessageBuffers},
    connection::{Connection, Unsent},
    desk::Desk,
    exchange::Exchange,
    pool::Pool,
    socket::is_delay,
};

/// A connection that carries one exchange.
///
/// ureq drops it when the exchange is over. If ureq has asked before whether it is
/// [open](Transport::is_open), which it does of a connection that it would keep, the connection
/// goes to our own pool; otherwise it is closed.
pub(crate) struct Carrier {
    // Present until the drop.
    connection: Option<Connection>,
    buffers: MessageBuffers,
    exchange: Arc<Exchange>,
    key: ConnectionKey,
    may_rest: bool,
    /// Whether something came while ureq waited for "100 Continue". If it was anything else, ureq
    /// waits for more although it has what it needs.
    heard_while_expecting: bool,
    /// How many times something has been sent: first the head, then the content piece by piece.
    parts_sent: usize,
    desk: Arc<Desk>,
    pool: Arc<Pool>,
}

/// Content that certainly fits into the buffer of a socket, in bytes.
const LITTLE: usize = 4 << 10;

impl Carrier {
    pub(crate) fn new(
        connection: Connection,
        exchange: Arc<Exchange>,
        key: ConnectionKey,
        desk: &Arc<Desk>,
        pool: &Arc<Pool>,
    ) -> Self {
        Self {
            connection: Some(connection),
            buffers: desk.take_buffers(),
            exchange,
            key,
            may_rest: false,
            heard_while_expecting: false,
            parts_sent: 0,
            desk: Arc::clone(desk),
            pool: Arc::clone(pool),
        }
    }
}

impl Transport for Carrier {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        if self.exchange.is_peer_deaf() {
            return Ok(());
        }
        let connection = self
            .connection
            .as_mut()
            .ok_or(ureq::Error::ConnectionFailed)?;
        let output = &self.buffers.output()[..amount];
        let part = self.parts_sent;
        self.parts_sent = part.saturating_add(1);
        self.exchange.reach(Stage::Sending);
        // The head comes first. A little content after it fits into the socket's buffer.
        let outcome = if part == 0 || part == 1 && amount <= LITTLE {
            connection.send(output)
        } else if part > 1 && is_refused(connection) {
            self.exchange.set_peer_deaf();
            Ok(())
        } else {
            connection.send_while(output, |connection| !is_refused(connection))
        };
        let Err(Unsent { cause, in_part }) = outcome else {
            self.exchange.has_written();
            return Ok(());
        };
        if in_part {
            self.exchange.has_written();
        }
        let is_ours = self.exchange.stopped().is_some();
        if is_ours || self.exchange.delivery() == Delivery::NotSent {
            return Err(ours(cause));
        }
        // A peer that has read enough may answer, and close the connection, before it has it all.
        // ureq does not look for an answer when a write has failed, so it is told that all is well;
        // if there is none, reading will fail.
        self.exchange.set_peer_deaf();
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if self.exchange.must_not_wait() {
            return Err(would_block());
        }
        let connection = self
            .connection
            .as_mut()
            .ok_or(ureq::Error::ConnectionFailed)?;
        if self.exchange.stage() == Stage::Sending {
            self.exchange.reach(Stage::AwaitingHead);
        }
        // Only the wait for "100 Continue" has a limit; see the agent's settings.
        let limit = (!timeout.after.is_not_happening())
            .then(|| (*timeout.after).max(Duration::from_millis(1)));
        if limit.is_none()
            && std::mem::take(&mut self.heard_while_expecting)
            && !self.buffers.input().is_empty()
        {
            return Ok(true);
        }
        let held = self.buffers.input().len();
        let mut free = self.buffers.input_append_buf();
        if self.exchange.stage() < Stage::ReadingBody {
            let most = free.len().min(MAX_HEAD.saturating_sub(held));
            free = &mut free[..most];
        }
        if free.is_empty() {
            return Err(ureq::Error::LargeResponseHeader(held, held));
        }
        let count = match connection.receive(free, limit) {
            Ok(count) => count,
            Err(error) if limit.is_some() && is_delay(&error) => {
                return Err(ureq::Error::Timeout(timeout.reason));
            }
            Err(error) => return Err(ours(error)),
        };
        if count == 0 && self.exchange.stopped().is_some() {
            // Our own shutting down of the socket must not pass for a proper end.
            return Err(ours(io::ErrorKind::ConnectionAborted.into()));
        }
        if count == 0 {
            self.exchange.set_peer_ended();
        }
        self.heard_while_expecting = limit.is_some();
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        // Whether it is still there is looked at when it is needed again.
        self.may_rest = self.connection.is_some() && !self.exchange.is_peer_deaf();
        self.may_rest
    }

    fn is_tls(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_tls)
    }
}

/// Whether the peer has answered with an error, which is a reason to cease sending (RFC 9112,
/// section 9.5). Any other answer may come from a peer that still listens. A connection that is
/// broken counts: it has nothing more to wait for either.
fn is_refused(connection: &mut Connection) -> bool {
    connection.overhear().map_or(true, |heard| {
        heard.status().is_some_and(|status| status >= 400)
    })
}

/// The failure of a connection, in a form in which ureq hands it on. An
/// [`Error::Io`](ureq::Error::Io) would not do: in the middle of a body, ureq takes a reset for an
/// end, so that a response that ends with the connection could be cut short unnoticed.
fn ours(error: io::Error) -> ureq::Error {
    ureq::Error::Other(Box::new(error))
}

/// Says that nothing more has arrived yet. ureq's state is not changed by it.
fn would_block() -> ureq::Error {
    ureq::Error::Io(io::ErrorKind::WouldBlock.into())
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.desk.give_back(std::mem::take(&mut self.buffers));
        let is_unharmed = self.exchange.release_socket();
        if let Some(connection) = self.connection.take()
            && self.may_rest
            && is_unharmed
        {
            self.pool.put(&self.key, connection);
        }
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
