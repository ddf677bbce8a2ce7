//! A response's body, read from its stream no faster than it is asked for.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::Stream;
use h2::RecvStream;
use pr_core::{BackendError, ErrorKind, Frame};
use tokio::{sync::oneshot, task::AbortHandle};

use crate::{error, lease::Place};

/// The frames of one response. Dropped before its end, it resets the stream.
pub(crate) struct ResponseBody {
    // Before the place, so that the stream is gone when its place is free.
    stream: RecvStream,
    /// Bytes that came along with the head.
    first: Option<Result<Bytes, h2::Error>>,
    upload: Option<RunningUpload>,
    /// A request that succeeded has been sent to its end, even if the response ends before.
    waits_for_upload: bool,
    /// The request has no end, so that the stream is still open when the response has ended.
    request_is_cut: bool,
    place: Place,
    section: Section,
}

enum Section {
    Content,
    Trailers,
    Upload,
}

/// The rest of a request's body, on its way in a task of its own, which ends with this.
pub(crate) struct RunningUpload {
    pub(crate) outcome: oneshot::Receiver<Result<(), BackendError>>,
    pub(crate) task: AbortHandle,
}

impl ResponseBody {
    pub(crate) fn new(stream: RecvStream, place: Place) -> Self {
        Self {
            stream,
            first: None,
            upload: None,
            waits_for_upload: false,
            request_is_cut: false,
            place,
            section: Section::Content,
        }
    }

    /// The same body, of which this has been read already.
    pub(crate) fn beginning_with(mut self, first: Result<Bytes, h2::Error>) -> Self {
        self.first = Some(first);
        self
    }

    /// The same body, of a response that began before the request had ended. `waits` says whether
    /// the body ends only when the request has ended too.
    pub(crate) fn with_upload(mut self, upload: RunningUpload, waits: bool) -> Self {
        self.upload = Some(upload);
        self.waits_for_upload = waits;
        self
    }

    /// The same body, of a response that came in place of the leave to send the request's.
    pub(crate) fn of_cut_request(mut self) -> Self {
        self.request_is_cut = true;
        self
    }

    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BackendError>>> {
        let next = match self.first.take() {
            Some(first) => Some(first),
            None => ready!(self.stream.poll_data(cx)),
        };
        Poll::Ready(match next {
            Some(Ok(piece)) => {
                // Only what has been asked for makes room for more. This cannot fail: just so many
                // bytes have arrived. If it did, the peer would stop sending and the read time out.
                drop(self.stream.flow_control().release_capacity(piece.len()));
                Some(Ok(piece))
            }
            Some(Err(error)) => Some(Err(self.failed(error))),
            None => None,
        })
    }

    /// The upload's end, where the response has to wait for it.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        let Some(upload) = &mut self.upload else {
            return Poll::Ready(Ok(()));
        };
        if !self.waits_for_upload {
            return Poll::Ready(Ok(()));
        }
        let outcome = ready!(Pin::new(&mut upload.outcome).poll(cx));
        self.upload = None;
        Poll::Ready(outcome.unwrap_or_else(|_| {
            Err(BackendError::new(
                ErrorKind::Closed,
                "the runtime ended that was sending the request's body",
            ))
        }))
    }

    fn failed(&mut self, error: h2::Error) -> BackendError {
        // A request body that failed is why the stream was reset, and not the other way round.
        if let Some(upload) = &mut self.upload
            && let Ok(Err(failed)) = upload.outcome.try_recv()
        {
            return failed;
        }
        self.place.ended();
        if self.place.origin().is_closed() {
            error::closed(error)
        } else {
            error::in_body(error)
        }
    }
}

impl Stream for ResponseBody {
    type Item = Result<Frame, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match this.section {
                Section::Content => match ready!(this.poll_content(cx)) {
                    Some(piece) => return Poll::Ready(Some(piece.map(Frame::Data))),
                    None => this.section = Section::Trailers,
                },
                Section::Trailers => {
                    let trailers = ready!(this.stream.poll_trailers(cx));
                    this.section = Section::Upload;
                    match trailers {
                        Ok(None) => {}
                        Ok(Some(fields)) => {
                            let checked = this.place.origin().limits().check_trailers(&fields);
                            return Poll::Ready(Some(checked.map(|()| Frame::Trailers(fields))));
                        }
                        Err(error) => return Poll::Ready(Some(Err(this.failed(error)))),
                    }
                }
                Section::Upload => {
                    let uploaded = ready!(this.poll_upload(cx));
                    if this.upload.is_none() && !this.request_is_cut {
                        this.place.ended();
                    }
                    return Poll::Ready(uploaded.err().map(Err));
                }
            }
        }
    }
}

impl Drop for RunningUpload {
    fn drop(&mut self) {
        self.task.abort();
    }
}
