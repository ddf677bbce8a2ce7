//! A request's body on its way to the peer, and whether all of it got away.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{StreamExt, task::AtomicWaker};
use http_body::{Frame, SizeHint};
use pr_core::{BackendError, BoxError, ByteStream, ErrorKind, Progress, Stage};

use crate::expect::{Leave, Wait};

/// A request's body as hyper takes it.
pub(crate) enum RequestBody {
    Empty,
    /// In one piece, until that has been taken.
    Whole(Option<Bytes>),
    Stream(Box<Upload>),
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = UploadFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFailed>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(upload) => upload.poll_next(cx).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_none(),
            Self::Stream(upload) => upload.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let length = match self {
            Self::Empty => Some(0),
            Self::Whole(bytes) => Some(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream(upload) => upload.left,
        };
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A body that is sent while it is produced.
pub(crate) struct Upload {
    stream: ByteStream,
    /// How many bytes are still to come, if that was said.
    left: Option<u64>,
    ended: bool,
    fate: Arc<Fate>,
    /// The peer's leave, if the body has to wait for it.
    wait: Option<Wait>,
    progress: Progress,
}

impl Upload {
    pub(crate) fn new(stream: ByteStream, length: Option<u64>, progress: Progress) -> Self {
        Self {
            stream,
            left: length,
            ended: false,
            fate: Arc::default(),
            wait: None,
            progress,
        }
    }

    /// The same body, which is not sent without leave.
    pub(crate) fn with_leave(mut self, leave: Arc<Leave>) -> Self {
        self.wait = Some(Wait::new(Arc::clone(&leave)));
        self.fate = Arc::new(Fate {
            leave: Some(leave),
            ..Fate::default()
        });
        self
    }

    /// What becomes of it, to be read after hyper has taken it.
    pub(crate) fn fate(&self) -> Arc<Fate> {
        Arc::clone(&self.fate)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, UploadFailed>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(wait) = &mut self.wait {
            ready!(wait.poll(cx));
            self.wait = None;
        }
        let Some(piece) = ready!(poll_piece(&mut self.stream, cx)) else {
            return Poll::Ready(match self.left {
                None | Some(0) => {
                    self.complete();
                    None
                }
                Some(left) => Some(Err(self.fail(too_short(left)))),
            });
        };
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => return Poll::Ready(Some(Err(self.fail(failed(error))))),
        };
        if let Some(left) = &mut self.left {
            let Some(after) = left.checked_sub(piece.len() as u64) else {
                return Poll::Ready(Some(Err(self.fail(too_long()))));
            };
            *left = after;
            if after == 0 {
                // The last piece completes the request, so what comes after it is looked at
                // first. If that is not known yet, the length that was given is believed.
                match poll_piece(&mut self.stream, cx) {
                    Poll::Ready(Some(Ok(_))) => {
                        return Poll::Ready(Some(Err(self.fail(too_long()))));
                    }
                    Poll::Ready(Some(Err(error))) => {
                        return Poll::Ready(Some(Err(self.fail(failed(error)))));
                    }
                    Poll::Ready(None) | Poll::Pending => self.complete(),
                }
            }
        }
        Poll::Ready(Some(Ok(piece)))
    }

    fn complete(&mut self) {
        self.ended = true;
        self.fate.set(State::Complete);
        // The peer may have answered before.
        if self.progress.stage() == Stage::Sending {
            self.progress.reach(Stage::AwaitingHead);
        }
    }

    fn fail(&mut self, error: BackendError) -> UploadFailed {
        self.ended = true;
        self.fate.set(State::Failed(Some(error)));
        UploadFailed
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.ended {
            self.fate.set(State::Abandoned);
        }
    }
}

/// What becomes of an upload.
#[derive(Default)]
pub(crate) struct Fate {
    state: Mutex<State>,
    /// Of the one who waits for the end of the upload.
    waker: AtomicWaker,
    /// The peer's leave, if the upload has to wait for it.
    leave: Option<Arc<Leave>>,
}

#[derive(Default)]
enum State {
    #[default]
    Unfinished,
    Complete,
    /// The connection had no use for the rest.
    Abandoned,
    /// With the reason, until somebody takes it.
    Failed(Option<BackendError>),
}

impl Fate {
    pub(crate) fn is_complete(&self) -> bool {
        matches!(*self.lock(), State::Complete)
    }

    /// The peer has answered. Whether the upload was waiting for leave, and is never going to begin.
    pub(crate) fn forestall(&self) -> bool {
        self.leave.as_ref().is_some_and(|leave| leave.refuse())
    }

    /// Why the exchange had to fail, if it is the upload's fault.
    pub(crate) fn take_failure(&self) -> Option<BackendError> {
        match &mut *self.lock() {
            State::Failed(reason) => reason.take(),
            State::Unfinished | State::Complete | State::Abandoned => None,
        }
    }

    /// Waits for the end of the upload; `false` if it did not get away whole.
    pub(crate) fn poll_complete(&self, cx: &mut Context<'_>) -> Poll<bool> {
        self.waker.register(cx.waker());
        match *self.lock() {
            State::Unfinished => Poll::Pending,
            State::Complete => Poll::Ready(true),
            State::Abandoned | State::Failed(_) => Poll::Ready(false),
        }
    }

    fn set(&self, state: State) {
        *self.lock() = state;
        self.waker.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What hyper is told about a failed upload; the reason is in its [`Fate`].
#[derive(Debug)]
pub(crate) struct UploadFailed;

impl fmt::Display for UploadFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's body failed")
    }
}

impl std::error::Error for UploadFailed {}

/// Makes sure that a body whose length was given as 0 has that length.
pub(crate) async fn expect_nothing(stream: ByteStream) -> Result<(), BackendError> {
    let mut pieces = stream.filter(|piece| {
        let counts = !matches!(piece, Ok(bytes) if bytes.is_empty());
        std::future::ready(counts)
    });
    let found = match pieces.next().await {
        None => return Ok(()),
        Some(Ok(_)) => too_long(),
        Some(Err(error)) => failed(error),
    };
    Err(found.with_delivery(pr_core::Delivery::NotSent))
}

/// The next piece that is not empty.
fn poll_piece(
    stream: &mut ByteStream,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, BoxError>>> {
    loop {
        match ready!(stream.as_mut().poll_next_unpin(cx)) {
            Some(Ok(piece)) if piece.is_empty() => {}
            piece => return Poll::Ready(piece),
        }
    }
}

fn failed(error: BoxError) -> BackendError {
    BackendError::new(
        ErrorKind::Body,
        "the request's body failed while it was read",
    )
    .with_source(error)
}

fn too_short(missing: u64) -> BackendError {
    BackendError::new(
        ErrorKind::Body,
        format!("the request's body ended {missing} bytes before the length that was given"),
    )
}

fn too_long() -> BackendError {
    BackendError::new(
        ErrorKind::Body,
        "the request's body is longer than the length that was given",
    )
}
