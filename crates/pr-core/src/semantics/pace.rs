//! The time limits of a request's parts: to take it, to answer it, to go on answering.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::{
    BackendError, BoxError, ByteStream, OutgoingBody, Progress, Stage, TimeoutPhase,
    request::{DEFAULT_TIMEOUT, Options, is_endless},
};

/// The limits of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    first_byte: Option<Duration>,
    write: Option<Duration>,
    pub(super) read: Option<Duration>,
}

impl Pace {
    /// The limits that the user set, and those that stand in for a limit on the whole; `None` if
    /// there are none of either.
    pub(super) fn of(options: Option<&Options>, timeout: Option<Duration>) -> Option<Self> {
        let is_endless = timeout.is_some_and(is_endless);
        if options.is_none() && !is_endless {
            return None;
        }
        let default = is_endless.then_some(DEFAULT_TIMEOUT);
        let write = options.and_then(|set| set.write_timeout).or(default);
        // A peer that is asked for leave may be silent for a second.
        let asks_leave = options.is_some_and(|set| set.expect_continue);
        let silence = if asks_leave { LEAVE } else { Duration::ZERO };
        let pace = Self {
            first_byte: options.and_then(|set| set.first_byte_timeout).or(default),
            write: write.map(|limit| limit.saturating_add(silence)),
            read: options.and_then(|set| set.read_timeout).or(default),
        };
        let is_set = pace.first_byte.is_some() || pace.write.is_some() || pace.read.is_some();
        is_set.then_some(pace)
    }

    /// Waits for an exchange's head for as long as it keeps the limits.
    ///
    /// The stage may change without this future being polled. So whatever the stage, it looks again
    /// after the shortest limit: a stage that began later than that cannot be overdue by then.
    pub(super) async fn keep<T>(
        &self,
        exchange: impl Future<Output = Result<T, BackendError>>,
        progress: &Progress,
    ) -> Result<T, BackendError> {
        let mut exchange = pin!(exchange);
        let Some(shortest) = [self.first_byte, self.write].into_iter().flatten().min() else {
            return exchange.await;
        };
        loop {
            let next_look = self
                .due(progress)
                .or_else(|| Instant::now().checked_add(shortest));
            // A limit too long to be represented is no limit.
            let Some(next_look) = next_look else {
                return exchange.await;
            };
            match timeout_at(next_look, exchange.as_mut()).await {
                Ok(outcome) => return outcome,
                Err(_) => self.check(progress)?,
            }
        }
    }

    /// The limit of the stage that the exchange is at.
    fn limit(&self, stage: Stage) -> Option<(Duration, TimeoutPhase, &'static str)> {
        match stage {
            Stage::Sending => {
                let what = "without the peer taking any of the request";
                Some((self.write?, TimeoutPhase::Write, what))
            }
            Stage::AwaitingHead => {
                let what = "without the first byte of the response";
                Some((self.first_byte?, TimeoutPhase::Head, what))
            }
            _ => None,
        }
    }

    /// When the exchange will be overdue, if nothing moves until then.
    fn due(&self, progress: &Progress) -> Option<Instant> {
        let (limit, ..) = self.limit(progress.stage())?;
        progress.moved()?.checked_add(limit)
    }

    fn check(&self, progress: &Progress) -> Result<(), BackendError> {
        let Some((limit, phase, what)) = self.limit(progress.stage()) else {
            return Ok(());
        };
        if self.due(progress).is_none_or(|due| due > Instant::now()) {
            return Ok(());
        }
        let message = format!("{limit:?} passed {what}");
        Err(BackendError::timeout(phase, message))
    }
}

/// How long a peer that is asked for leave is waited for.
const LEAVE: Duration = Duration::from_secs(1);

/// The most of a body that counts as one movement. So much fits into the buffers on the way, and a
/// peer that takes less in the limit's time has stopped.
const PIECE: usize = 64 << 10;

/// The body, with each piece of it that is taken counting as movement.
pub(super) fn watched(body: OutgoingBody, progress: &Progress) -> OutgoingBody {
    let (stream, length): (ByteStream, _) = match body {
        OutgoingBody::Stream { stream, length } => (stream, length),
        OutgoingBody::Full(bytes) if bytes.len() > PIECE => {
            let length = bytes.len() as u64;
            (Box::pin(stream::iter([Ok(bytes)])), Some(length))
        }
        body => return body,
    };
    OutgoingBody::Stream {
        stream: Box::pin(Watched {
            stream,
            rest: Bytes::new(),
            progress: progress.clone(),
        }),
        length,
    }
}

struct Watched {
    stream: ByteStream,
    /// What is left of a piece that is larger than one is to be.
    rest: Bytes,
    progress: Progress,
}

impl Stream for Watched {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.rest.is_empty() {
            let polled = self.stream.poll_next_unpin(cx);
            // While a piece is being produced, it is not the peer that is waited for.
            self.progress.mark_movement(polled.is_ready());
            match polled {
                Poll::Ready(Some(Ok(piece))) => self.rest = piece,
                other => return other,
            }
        } else {
            self.progress.mark_movement(true);
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(self.rest.split_to(piece))))
    }
}
