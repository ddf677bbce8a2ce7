//! A connection in the form in which ureq drives it, for the time of one exchange.

use std::{fmt, io, sync::Arc, time::Duration};

use pr_core::{BackendError, ConnectionKey, Stage};
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use crate::{
    buffers::MessageBuffers,
    chunks::Chunks,
    connection::Connection,
    connector::Routes,
    desk::{Desk, Order, Parked},
    error,
    exchange::{Exchange, Part},
    informational::{self, Beginning, CONTINUE},
    outgoing::Withheld,
    socket::is_delay,
};

/// A connection that carries one exchange.
///
/// ureq drops it when the exchange is over. If ureq has asked before whether it is
/// [open](Transport::is_open), which it does of a connection that it would keep, the connection
/// goes to our own pool, by way of the thread's desk if nobody has looked at the response's head
/// yet; otherwise it is closed.
pub(crate) struct Carrier {
    // Present until the drop.
    pub(crate) connection: Option<Connection>,
    pub(crate) buffers: MessageBuffers,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) key: ConnectionKey,
    pub(crate) withheld: Withheld,
    may_rest: bool,
    /// Whether something has come that ureq has not seen: while it waited for "100 Continue", if it
    /// was anything else, or while it sent the body. ureq waits for more then although it has what
    /// it needs.
    pub(crate) has_unseen: bool,
    /// How many informational responses have come.
    informational: usize,
    /// How many times something has been sent: first the head, then the content piece by piece.
    pub(crate) parts_sent: usize,
    desk: Arc<Desk>,
    pub(crate) routes: Arc<Routes>,
}

impl Carrier {
    pub(crate) fn new(order: Order, desk: &Arc<Desk>, routes: &Arc<Routes>) -> Self {
        Self {
            connection: Some(order.connection),
            buffers: desk.take_buffers(),
            exchange: order.exchange,
            key: order.key,
            withheld: order.withheld,
            may_rest: false,
            has_unseen: false,
            informational: 0,
            parts_sent: 0,
            desk: Arc::clone(desk),
            routes: Arc::clone(routes),
        }
    }

    /// Fails if the chunks that have come break the rules.
    fn check_chunks(&mut self) -> Result<(), ureq::Error> {
        let chunks = self.buffers.chunks().as_mut();
        match chunks.and_then(Chunks::take_failure) {
            Some(failure) => Err(refused(failure)),
            None => Ok(()),
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
        let mut is_new = limit.is_none() && std::mem::take(&mut self.has_unseen);
        loop {
            if is_new && !self.buffers.input().is_empty() {
                match self.pass_informational(limit.is_some())? {
                    Passed::None => return Ok(true),
                    Passed::Unfinished => {}
                    Passed::One => continue,
                }
            }
            let most = self.routes.limits.head;
            let free = self.buffers.head_append_buf(most);
            if free.is_empty() {
                return Err(ureq::Error::LargeResponseHeader(most, most));
            }
            let connection = self.connection.as_mut().ok_or_else(gone)?;
            let count = match receive(connection, free, limit, &self.exchange) {
                // ureq would look at what it has, again and again, until the time is up.
                Ok(0) if limit.is_some() => {
                    return Err(ours(io::ErrorKind::UnexpectedEof.into()));
                }
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(error) if limit.is_some() && is_delay(&error) => {
                    return Err(ureq::Error::Timeout(timeout.reason));
                }
                Err(error) => return Err(ours(error)),
            };
            self.buffers.input_appended(count);
            is_new = true;
            self.has_unseen = limit.is_some();
        }
    }

    /// Keeps an informational response from ureq, unless it is the one that is `expected`.
    pub(crate) fn pass_informational(&mut self, expected: bool) -> Result<Passed, ureq::Error> {
        match informational::beginning(self.buffers.input()) {
            Beginning::Other => Ok(Passed::None),
            Beginning::Unfinished => Ok(Passed::Unfinished),
            Beginning::Informational {
                status,
                fields,
                length,
            } => {
                self.count_informational(fields)?;
                if status == 100 && expected {
                    self.buffers.replace(length, CONTINUE);
                    return Ok(Passed::None);
                }
                self.buffers.input_consume(length);
                Ok(Passed::One)
            }
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
        // Sending may have to listen, which goes by the buffers too.
        let output = self.buffers.take_output();
        let outcome = self.send(&output[..amount]);
        self.buffers.put_back(output);
        outcome
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.check_chunks()?;
        if self.exchange.must_not_wait() {
            return Err(would_block());
        }
        if self.exchange.part() == Part::Head {
            return self.await_head(timeout);
        }
        let held = self.buffers.input().len();
        loop {
            let free = self.buffers.input_append_buf();
            if free.is_empty() {
                // ureq leaves nothing in so large a buffer that it can read.
                return Err(ureq::Error::BodyStalled);
            }
            let connection = self.connection.as_mut().ok_or_else(gone)?;
            let count = receive(connection, free, None, &self.exchange).map_err(ours)?;
            if count == 0 {
                return Ok(false);
            }
            self.buffers.input_appended(count);
            // Where nothing is left of what has come, ureq would take that for the end.
            if self.buffers.input().len() > held {
                return Ok(true);
            }
            self.check_chunks()?;
        }
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

/// What became of an informational response.
pub(crate) enum Passed {
    /// There was none that ureq must not see.
    None,
    Unfinished,
    One,
}

/// The failure of a connection, in a form in which ureq hands it on. An
/// [`Error::Io`](ureq::Error::Io) would not do: in the middle of a body, ureq takes a reset for an
/// end, so that a response that ends with the connection could be cut short unnoticed.
pub(crate) fn ours(error: io::Error) -> ureq::Error {
    ureq::Error::Other(Box::new(error))
}

/// An error that says all there is to be said.
fn refused(error: BackendError) -> ureq::Error {
    ureq::Error::Other(Box::new(error))
}

/// What a carrier without a connection says, which nobody has seen yet.
pub(crate) fn gone() -> ureq::Error {
    ureq::Error::ConnectionFailed
}

/// Says that nothing more has arrived yet. ureq's state is not changed by it.
fn would_block() -> ureq::Error {
    ureq::Error::Io(io::ErrorKind::WouldBlock.into())
}

impl Drop for Carrier {
    fn drop(&mut self) {
        let trailers = self.buffers.chunks().take().and_then(Chunks::into_trailers);
        if let Some(trailers) = trailers {
            self.exchange.found_trailers(trailers);
        }
        self.desk.give_back(std::mem::take(&mut self.buffers));
        let is_unharmed = self.exchange.release_socket();
        let Some(connection) = self.connection.take() else {
            return;
        };
        if !self.may_rest || !is_unharmed {
            return;
        }
        if self.exchange.part() == Part::Head {
            // ureq is content with a response that may yet be refused.
            let key = self.key.clone();
            self.desk.park(Parked { connection, key });
        } else {
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
