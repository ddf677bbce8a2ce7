//! One HTTP/2 connection: reads and writes its frames, and tells its origin what it learns.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use h2::client;

use crate::{
    clock::Clock,
    keep_alive::{Finding, KeepAlive},
    origin::Origin,
    pulse::{Pulse, Wire},
    tasks::TaskGuard,
    upload::Chunk,
};

/// Drives one connection, from its preface until it is closed. Requests reach it through handles
/// of the `h2` crate; this is the task that moves their bytes.
///
/// A connection that has left its origin's set, because it expired or was replaced, has no handle
/// left once its streams have ended; `h2` then says GOAWAY and closes it.
pub(crate) struct Connection {
    h2: client::Connection<Wire, Chunk>,
    id: u64,
    origin: Arc<Origin>,
    guard: Arc<TaskGuard>,
    clock: Clock,
    pulse: Arc<Pulse>,
    keep_alive: Option<KeepAlive>,
}

impl Connection {
    pub(crate) fn new(
        mut h2: client::Connection<Wire, Chunk>,
        id: u64,
        origin: Arc<Origin>,
        guard: Arc<TaskGuard>,
        clock: Clock,
        pulse: Arc<Pulse>,
    ) -> Self {
        let keep_alive = clock.lifetimes().keep_alive.and_then(|times| {
            let ping_pong = h2.ping_pong()?;
            Some(KeepAlive::new(times, ping_pong, pulse.clone()))
        });
        let mut connection = Self {
            h2,
            id,
            origin,
            guard,
            clock,
            pulse,
            keep_alive,
        };
        connection.set_clock();
        connection
    }

    /// Does what the clock says. Ready when the connection is to end.
    fn poll_clock(&mut self, is_busy: bool, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(keep_alive) = &mut self.keep_alive
            && keep_alive.poll(is_busy, cx)
        {
            self.set_clock();
        }
        while let Poll::Ready(now) = self.clock.poll(cx) {
            let is_due = |at: Option<_>| at.is_some_and(|at| at <= now);
            if is_due(self.clock.idle) {
                let timeout = self.clock.lifetimes().idle_timeout;
                self.clock.idle = self.origin.expire(self.id, timeout);
            }
            if is_due(self.clock.age) {
                tracing::debug!(connection = self.id, "the connection has come of age");
                self.clock.age = None;
                self.origin.forget(self.id);
            }
            if let Some(keep_alive) = &mut self.keep_alive
                && is_due(keep_alive.due())
            {
                match keep_alive.tick(is_busy) {
                    Finding::Nothing => {}
                    Finding::Doubtful => {
                        tracing::debug!(connection = self.id, "the peer does not answer a PING");
                        self.origin.forget(self.id);
                    }
                    Finding::Dead => return Poll::Ready(()),
                }
            }
            self.set_clock();
        }
        Poll::Pending
    }

    fn set_clock(&mut self) {
        let ping = self.keep_alive.as_ref().and_then(KeepAlive::due);
        self.clock.set(ping);
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let stopped = self.guard.poll_stopped(cx).is_ready();
        let polled = Pin::new(&mut self.h2).poll(cx);
        if let Poll::Ready(ended) = polled {
            tracing::debug!(connection = self.id, ?ended, "the connection has ended");
            return Poll::Ready(());
        }
        if stopped {
            // If no stream is open, the farewell is written by now. Whatever is open is cut off.
            return Poll::Ready(());
        }
        let stream_limit = self.h2.max_concurrent_send_streams();
        let is_busy = self.origin.observe(self.id, stream_limit, cx);
        if self.poll_clock(is_busy, cx).is_ready() {
            tracing::debug!(connection = self.id, "the peer has gone");
            self.origin.forget(self.id);
            self.pulse.give_up();
            // The streams are told why. If not now, because nothing is there to be read or
            // written, they are when the connection is dropped.
            drop(Pin::new(&mut self.h2).poll(cx));
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Before `h2` tells the streams, so that whoever tries again does not meet this connection.
        self.origin.forget(self.id);
    }
}
