//! One HTTP/2 connection: reads and writes its frames, and tells its origin what it learns.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use h2::client;
use pr_connect::Stream;
use tokio::time::{Sleep, sleep};

use crate::{origin::Origin, tasks::TaskGuard, upload::Chunk};

/// Drives one connection, from its preface until it is closed. Requests reach it through handles
/// of the `h2` crate; this is the task that moves their bytes.
///
/// A connection that has left its origin's set, because it expired or was replaced, has no handle
/// left once its streams have ended; `h2` then says GOAWAY and closes it.
pub(crate) struct Connection {
    h2: client::Connection<Stream, Chunk>,
    id: u64,
    origin: Arc<Origin>,
    guard: Arc<TaskGuard>,
    /// Fires when the connection may have been idle for long enough: one timer for each
    /// connection, none for a request.
    idle: Option<Pin<Box<Sleep>>>,
    idle_timeout: Duration,
}

/// What makes a connection expire.
pub(crate) struct IdleTimer {
    sleep: Pin<Box<Sleep>>,
    timeout: Duration,
}

impl IdleTimer {
    /// Starts it. Panics where the runtime has no time driver, so this comes before anybody relies
    /// on the connection.
    pub(crate) fn start(timeout: Duration) -> Self {
        let timeout = timeout.max(SHORTEST_IDLE_TIMEOUT);
        Self {
            sleep: Box::pin(sleep(timeout)),
            timeout,
        }
    }
}

/// An idle timeout of nothing at all would fire over and over on a connection that is busy.
const SHORTEST_IDLE_TIMEOUT: Duration = Duration::from_millis(1);

impl Connection {
    pub(crate) fn new(
        h2: client::Connection<Stream, Chunk>,
        id: u64,
        origin: Arc<Origin>,
        guard: Arc<TaskGuard>,
        idle: IdleTimer,
    ) -> Self {
        Self {
            h2,
            id,
            origin,
            guard,
            idle: Some(idle.sleep),
            idle_timeout: idle.timeout,
        }
    }

    fn poll_expiry(&mut self, cx: &mut Context<'_>) {
        let Some(idle) = &mut self.idle else { return };
        while idle.as_mut().poll(cx).is_ready() {
            let Some(at) = self.origin.expire(self.id, self.idle_timeout) else {
                self.idle = None;
                return;
            };
            idle.as_mut().reset(at);
        }
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
        self.origin.observe(self.id, stream_limit, cx);
        self.poll_expiry(cx);
        Poll::Pending
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Before `h2` tells the streams, so that whoever tries again does not meet this connection.
        self.origin.forget(self.id);
    }
}
