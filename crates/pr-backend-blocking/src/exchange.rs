//! What the future of an exchange and the thread that carries it out share: how the one stops the
//! other, and what the thread has found out on its way.

use std::{
    fmt,
    net::Shutdown,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use futures::{executor::block_on, future::poll_fn, task::AtomicWaker};
use http::HeaderMap;
use pr_core::{ConnectionInfo, Delivery, DialTimings, Progress, Stage};

use crate::socket::{self, Shared};

/// One exchange, seen from both sides.
///
/// The thread says which socket it is using, and whoever stops the exchange shuts that socket
/// down, which ends a read or a write that the thread is blocked in. Once the thread has let go of
/// the socket, stopping touches nothing: the connection may carry another exchange by then.
pub(crate) struct Exchange {
    progress: Progress,
    hold: Mutex<Hold>,
    /// Wakes the thread where it waits for something else than a socket.
    waiter: AtomicWaker,
    connection: OnceLock<ConnectionInfo>,
    wrote: AtomicBool,
    peer_is_deaf: AtomicBool,
    must_not_wait: AtomicBool,
    peer_ended: AtomicBool,
    part: AtomicU8,
    trailers: Mutex<Option<Box<HeaderMap>>>,
    was_cut: AtomicBool,
}

/// Which part of the response is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Part {
    #[default]
    Head,
    /// A body in the chunked coding.
    Chunks,
    /// Any other body.
    Body,
}

/// What an exchange holds that has to be shut down when it is stopped.
enum Hold {
    Nothing,
    Socket(Shared),
    Stopped(Stop),
}

/// Why an exchange was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nobody waits for its response any more.
    Dropped,
    /// The backend has been closed.
    Closed,
}

impl Exchange {
    pub(crate) fn new(progress: Progress) -> Self {
        Self {
            progress,
            hold: Mutex::new(Hold::Nothing),
            waiter: AtomicWaker::new(),
            connection: OnceLock::new(),
            wrote: AtomicBool::new(false),
            peer_is_deaf: AtomicBool::new(false),
            must_not_wait: AtomicBool::new(false),
            peer_ended: AtomicBool::new(false),
            part: AtomicU8::new(Part::Head as u8),
            trailers: Mutex::default(),
            was_cut: AtomicBool::new(false),
        }
    }

    /// Says how far the exchange has come. A stopped one stays where it was: whoever stopped it may
    /// be about to tell the user what it was waiting for.
    pub(crate) fn reach(&self, stage: Stage) {
        let hold = self.hold();
        if !matches!(&*hold, Hold::Stopped(_)) {
            self.progress.reach(stage);
        }
    }

    /// Says what it took to open the connection.
    pub(crate) fn dialed(&self, timings: DialTimings) {
        let hold = self.hold();
        if !matches!(&*hold, Hold::Stopped(_)) {
            self.progress.dialed(timings);
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        self.progress.stage()
    }

    /// Ends the exchange wherever it is. The first reason stands.
    pub(crate) fn stop(&self, why: Stop) {
        let mut hold = self.hold();
        match &*hold {
            Hold::Stopped(_) => return,
            // Under the lock, so that the thread cannot give the connection to another exchange
            // before. An error means that the socket is closed already.
            Hold::Socket(socket) => drop(socket::settings(socket).shutdown(Shutdown::Both)),
            Hold::Nothing => {}
        }
        *hold = Hold::Stopped(why);
        drop(hold);
        self.waiter.wake();
    }

    /// Why the exchange was stopped, if it was.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        match &*self.hold() {
            Hold::Stopped(why) => Some(*why),
            Hold::Socket(_) | Hold::Nothing => None,
        }
    }

    /// The thread uses this socket from now on.
    pub(crate) fn use_socket(&self, socket: &Shared) -> Result<(), Stop> {
        let mut hold = self.hold();
        if let Hold::Stopped(why) = &*hold {
            return Err(*why);
        }
        *hold = Hold::Socket(Arc::clone(socket));
        Ok(())
    }

    /// The thread has done with its socket, which may be used again if this says so.
    pub(crate) fn release_socket(&self) -> bool {
        let mut hold = self.hold();
        if matches!(&*hold, Hold::Stopped(_)) {
            return false;
        }
        *hold = Hold::Nothing;
        true
    }

    /// Waits until `poll` is ready or the exchange is stopped.
    pub(crate) async fn unless_stopped<T>(
        &self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T, Stop> {
        poll_fn(|cx| {
            self.waiter.register(cx.waker());
            match self.stopped() {
                Some(why) => Poll::Ready(Err(why)),
                None => poll(cx).map(Ok),
            }
        })
        .await
    }

    /// The same, blocking this thread.
    pub(crate) fn wait_for<T>(
        &self,
        poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T, Stop> {
        block_on(self.unless_stopped(poll))
    }

    /// Which connection carries the exchange; the default before there is one.
    pub(crate) fn connection(&self) -> ConnectionInfo {
        self.connection.get().copied().unwrap_or_default()
    }

    pub(crate) fn found_connection(&self, info: ConnectionInfo) {
        // An exchange has one connection; there is no second to be recorded.
        let _ = self.connection.set(info);
        let hold = self.hold();
        if !matches!(&*hold, Hold::Stopped(_)) {
            self.progress.connected(info);
        }
    }

    /// What can be said about the request's fate.
    pub(crate) fn delivery(&self) -> Delivery {
        if self.wrote.load(Ordering::Relaxed) {
            Delivery::Unknown
        } else {
            Delivery::NotSent
        }
    }

    /// A byte of the request has been written.
    pub(crate) fn has_written(&self) {
        self.wrote.store(true, Ordering::Relaxed);
    }

    /// Whether the peer takes no more of the request, though it may still answer.
    pub(crate) fn is_peer_deaf(&self) -> bool {
        self.peer_is_deaf.load(Ordering::Relaxed)
    }

    pub(crate) fn set_peer_deaf(&self) {
        self.peer_is_deaf.store(true, Ordering::Relaxed);
    }

    /// Whether reading may only take what has arrived already.
    pub(crate) fn must_not_wait(&self) -> bool {
        self.must_not_wait.load(Ordering::Relaxed)
    }

    pub(crate) fn set_must_not_wait(&self, on: bool) {
        self.must_not_wait.store(on, Ordering::Relaxed);
    }

    /// Whether the peer has ended the connection, in whatever way.
    pub(crate) fn has_peer_ended(&self) -> bool {
        self.peer_ended.load(Ordering::Relaxed)
    }

    pub(crate) fn set_peer_ended(&self) {
        self.peer_ended.store(true, Ordering::Relaxed);
    }

    /// Which part of the response is read.
    pub(crate) fn part(&self) -> Part {
        match self.part.load(Ordering::Relaxed) {
            0 => Part::Head,
            1 => Part::Chunks,
            _ => Part::Body,
        }
    }

    /// The head has been read.
    pub(crate) fn begin_body(&self, is_chunked: bool) {
        let part = if is_chunked { Part::Chunks } else { Part::Body };
        self.part.store(part as u8, Ordering::Relaxed);
    }

    /// What has followed the last chunk; `None` if nothing has, or before it.
    pub(crate) fn take_trailers(&self) -> Option<Box<HeaderMap>> {
        self.trailers().take()
    }

    pub(crate) fn found_trailers(&self, trailers: Box<HeaderMap>) {
        *self.trailers() = Some(trailers);
    }

    /// Whether the peer has answered as if it had the whole request, which it does not.
    pub(crate) fn was_cut(&self) -> bool {
        self.was_cut.load(Ordering::Relaxed)
    }

    pub(crate) fn set_cut(&self) {
        self.was_cut.store(true, Ordering::Relaxed);
    }

    fn trailers(&self) -> MutexGuard<'_, Option<Box<HeaderMap>>> {
        // A whole value is put in or taken out, so a poisoned one is as good as any.
        self.trailers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self) -> MutexGuard<'_, Hold> {
        // Nothing that runs under the lock can leave a half-made state.
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("stage", &self.progress.stage())
            .field("connection", &self.connection())
            .field("stopped", &self.stopped())
            .finish_non_exhaustive()
    }
}
