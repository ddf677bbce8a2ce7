//! A connection in the form in which ureq drives it, for the time of one exchange.

use std::{fmt, io, sync::Arc, time::Duration};

use pr_core::{BackendError, ConnectionKey, Delivery, Stage};
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use crate::{
    buffers::MessageBuffers,
    chunks,
    connection::{Connection, Unsent},
    connector::Routes,
    desk::{Desk, Order},
    error,
    exchange::{Exchange, Part},
    forward,
    informational::{self, Beginning, CONTINUE},
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
    /// How many informational responses have come.
    informational: usize,
    /// How many times something has been sent: first the head, then the content piece by piece.
    parts_sent: usize,
    desk: Arc<Desk>,
    routes: Arc<Routes>,
}

/// Content that certainly fits into the buffer of a socket, in bytes.
const LITTLE: usize = 4 << 10;

impl Carrier {
    pub(crate) fn new(order: Order, desk: &Arc<Desk>, routes: &Arc<Routes>) -> Self {
        Self {
            connection: Some(order.connection),
            buffers: desk.take_buffers(),
            exchange: order.exchange,
            key: order.key,
            may_rest: false,
            heard_while_expecting: false,
            informational: 0,
            parts_sent: 0,
            desk: Arc::clone(desk),
            routes: Arc::clone(routes),
        }
    }

    /// Waits for more of a head, and keeps informational responses from ureq.
    ///
    /// ureq passes over any number of them. Where it waits for "100 Continue", it takes another one
    /// for that, and one that has fields for the final response. So it gets only the one that it
    /// waits for, without fields.
    fn await_head(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if self.exchange.stage() == Stage::Sending {
            self.exchange.reach(Stage::AwaitingHead);
        }
        // Only the wait for "100 Continue" has a limit; see the agent's settings.
        let limit = (!timeout.after.is_not_happening())
            .then(|| (*timeout.after).max(Duration::from_millis(1)));
        // What came then and was not what it waited for, ureq has yet to read.
        let mut is_new = limit.is_none() && std::mem::take(&mut self.heard_while_expecting);
        loop {
            if is_new && !self.buffers.input().is_empty() {
                match informational::beginning(self.buffers.input()) {
                    Beginning::Other => return Ok(true),
                    Beginning::Unfinished => {}
                    Beginning::Informational {
                        status,
                        fields,
                        length,
                    } => {
                        self.count_informational(fields)?;
                        if status == 100 && limit.is_some() {
                            self.buffers.replace(length, CONTINUE);
                            return Ok(true);
                        }
                        self.buffers.input_consume(length);
                        continue;
                    }
                }
            }
            let most = self.routes.limits.head;
            let free = self.buffers.head_append_buf(most);
            if free.is_empty() {
                return Err(ureq::Error::LargeResponseHeader(most, most));
            }
            let connection = self.connection.as_mut().ok_or_else(gone)?;
            let count = match receive(connection, free, limit, &self.exchange) {
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(error) if limit.is_some() && is_delay(&error) => {
                    return Err(ureq::Error::Timeout(timeout.reason));
                }
                Err(error) => return Err(ours(error)),
            };
            self.buffers.input_appended(count);
            is_new = true;
            self.heard_while_expecting = limit.is_some();
        }
    }

    fn count_informational(&mut self, fields: usize) -> Result<(), ureq::Error> {
        let limits = self.routes.limits;
        self.informational += 1;
        if self.informational > limits.informational {
            return Err(refused(error::too_many_informational(limits.informational)));
        }
        if fields > limits.fields {
            return Err(refused(error::too_many_fields(limits.fields)));
        }
        Ok(())
    }
}

impl Transport for Carrier {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.buffers.turn_to(self.exchange.part());
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        if self.exchange.is_peer_deaf() {
            return Ok(());
        }
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        let mut output = &self.buffers.output()[..amount];
        let part = self.parts_sent;
        self.parts_sent = part.saturating_add(1);
        let forwarded;
        if part == 0 && connection.forwarding().is_some() {
            forwarded = forward::in_absolute_form(output, &self.key);
            output = &forwarded;
        }
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
        if self.exchange.part() == Part::Head {
            return self.await_head(timeout);
        }
        if let Some(chunks) = self.buffers.chunks()
            && chunks.are_trailers_too_long()
        {
            return Err(refused(chunks::too_long()));
        }
        let held = self.buffers.input().len();
        let free = self.buffers.input_append_buf();
        if free.is_empty() {
            return Err(ureq::Error::LargeResponseHeader(held, held));
        }
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        let count = receive(connection, free, None, &self.exchange).map_err(ours)?;
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

/// Reads what arrives, waiting for it up to `limit` if there is one.
fn receive(
    connection: &mut Connection,
    into: &mut [u8],
    limit: Option<Duration>,
    exchange: &Exchange,
) -> io::Result<usize> {
    let count = connection.receive(into, limit)?;
    if count == 0 {
        if exchange.stopped().is_some() {
            // Our own shutting down of the socket must not pass for a proper end.
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        exchange.set_peer_ended();
    }
    Ok(count)
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

/// An error that says all there is to be said.
fn refused(error: BackendError) -> ureq::Error {
    ureq::Error::Other(Box::new(error))
}

/// What a carrier without a connection says, which nobody has seen yet.
fn gone() -> ureq::Error {
    ureq::Error::ConnectionFailed
}

/// Says that nothing more has arrived yet. ureq's state is not changed by it.
fn would_block() -> ureq::Error {
    ureq::Error::Io(io::ErrorKind::WouldBlock.into())
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if let Some(chunks) = self.buffers.chunks().take() {
            self.exchange.found_trailers(chunks.into_trailers());
        }
        self.desk.give_back(std::mem::take(&mut self.buffers));
        let is_unharmed = self.exchange.release_socket();
        if let Some(connection) = self.connection.take()
            && self.may_rest
            && is_unharmed
        {
            self.routes.pool.put(&self.key, connection);
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
