//! `Expect: 100-continue`: a request's body that waits for the peer's leave (RFC 9110, section
//! 10.1.1).

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::task::AtomicWaker;
use http::{HeaderMap, Request, StatusCode, header};
use tokio::time::{Sleep, sleep};

/// How long a peer may be silent before the body is sent all the same. Many have never heard of
/// the header, those that speak HTTP/1.0 above all.
const SILENCE: Duration = Duration::from_secs(1);

/// Whether a request's body has to wait.
pub(crate) fn is_expected(headers: &HeaderMap) -> bool {
    headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// A peer's leave to send a body, from the moment on in which it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Leave {
    state: AtomicU8,
    /// Of the body that waits.
    waker: AtomicWaker,
}

const AWAITED: u8 = 0;
const GIVEN: u8 = 1;
const REFUSED: u8 = 2;

impl Leave {
    /// Listens for the peer's `100 Continue` to this request.
    pub(crate) fn listen<B>(self: &Arc<Self>, request: &mut Request<B>) {
        let leave = Arc::clone(self);
        hyper::ext::on_informational(request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                leave.give();
            }
        });
    }

    /// The peer has answered. Whether it had not given leave before, and so never will: not a byte
    /// of the body has been sent then, or is going to be.
    pub(crate) fn refuse(&self) -> bool {
        self.decide(REFUSED)
    }

    fn give(&self) {
        if self.decide(GIVEN) {
            self.waker.wake();
        }
    }

    fn decide(&self, state: u8) -> bool {
        let decided =
            self.state
                .compare_exchange(AWAITED, state, Ordering::AcqRel, Ordering::Acquire);
        decided.is_ok()
    }

    fn is_given(&self) -> bool {
        self.state.load(Ordering::Acquire) == GIVEN
    }
}

/// A body's wait for leave.
pub(crate) struct Wait {
    leave: Arc<Leave>,
    /// Ends the wait. Begins when hyper first asks for the body, the head being written by then.
    silence: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    pub(crate) fn new(leave: Arc<Leave>) -> Self {
        Self {
            leave,
            silence: None,
        }
    }

    /// Ready when the body may be sent; never, if the peer has answered instead.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.leave.waker.register(cx.waker());
        if self.leave.is_given() {
            return Poll::Ready(());
        }
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(SILENCE)));
        ready!(silence.as_mut().poll(cx));
        self.leave.give();
        if self.leave.is_given() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
