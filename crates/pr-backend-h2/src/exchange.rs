//! One exchange on one stream: the request out, the response's head in.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::stream;
use h2::{RecvStream, SendStream, client::ResponseFuture};
use http::{Response, StatusCode, Version, header, response::Parts};
use pr_core::{
    BackendError, ConnectionInfo, Delivery, ExchangeRequest, ExchangeResponse, IncomingBody,
    Progress, Stage,
};
use tokio::sync::oneshot;

use crate::{
    body::{ResponseBody, RunningUpload},
    error,
    lease::{Place, StreamLease},
    limits::Limits,
    request::{self, Body, Content},
    tasks::{self, TaskGuard, Tasks},
    upload::{Chunk, Upload},
};

/// Up to which size a body in memory is handed to the connection at once, which then sends it as
/// the peer's windows open, without waking anybody. A larger one goes piece by piece, so that its
/// siblings' bodies get their turn.
const AT_ONCE: usize = 1 << 20;

/// A request on its stream, of its body as much as could be sent at once. Dropping it resets the
/// stream.
pub(crate) struct Sent {
    // Before the place, so that the stream is gone when its place is free.
    awaited: Awaited,
    place: Place,
    info: ConnectionInfo,
}

impl StreamLease {
    /// Sends the request.
    pub(crate) fn send(self, request: ExchangeRequest) -> Result<Sent, BackendError> {
        let Self {
            mut sender,
            info,
            mut place,
        } = self;
        let sent = request::split(request).and_then(|(head, body, progress)| {
            let ends = matches!(body.content, Content::None);
            let sent = sender.send_request(head, ends).map_err(error::not_sent);
            sent.map(|(head, stream)| (head, stream, body, progress))
        });
        // The handle keeps the connection open, which from here on is the stream's part.
        drop(sender);
        let (head, stream, body, progress) = sent.inspect_err(|_| place.ended())?;
        progress.connected(info);
        let awaited = Awaited {
            head,
            upload: upload(body, stream, &progress),
            progress,
            polled: false,
            informational: 0,
        };
        Ok(Sent {
            awaited,
            place,
            info,
        })
    }
}

impl Sent {
    /// Waits for the response's head, and takes along what of its body has come with it.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn keeps its arguments twice, and this future is allocated for each exchange"
    )]
    pub(crate) fn response(
        mut self,
        running: &Arc<Tasks>,
    ) -> impl Future<Output = Result<ExchangeResponse, BackendError>> + Send {
        async move {
            let received = poll_fn(|cx| self.poll_with_body(cx)).await;
            self.finish(received, running)
        }
    }

    /// The head, and what of the body is there when it is.
    fn poll_with_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Parts, RecvStream, Arrived), Failed>> {
        let received = ready!(self.awaited.poll(self.place.origin().limits(), cx));
        Poll::Ready(received.map(|response| {
            let (parts, mut body) = response.into_parts();
            let arrived = match body.poll_data(cx) {
                Poll::Ready(Some(first)) => Arrived::First(first),
                // Nothing, or nothing but trailers.
                Poll::Ready(None) => Arrived::End,
                Poll::Pending => Arrived::Nothing,
            };
            (parts, body, arrived)
        }))
    }

    fn finish(
        self,
        received: Result<(Parts, RecvStream, Arrived), Failed>,
        running: &Arc<Tasks>,
    ) -> Result<ExchangeResponse, BackendError> {
        let Self {
            awaited: Awaited { upload, .. },
            mut place,
            info,
        } = self;
        let (parts, body, arrived) = match received {
            Ok(received) => received,
            Err(Failed::Here(error)) => return Err(error),
            Err(Failed::Stream(error)) => return Err(before_head(error, &mut place, info.reused)),
        };
        if let Err(error) = place.origin().limits().check_head(&parts.headers) {
            // Before the place is free.
            drop((body, upload));
            return Err(error);
        }
        let body = match upload {
            None => whole_or_streaming(body, arrived, &parts, place),
            Some(upload) if upload.waits_for_leave() => {
                // The stream is reset when the response has been read (RFC 9113, section 8.1).
                drop(upload);
                let body = arrived.begin(ResponseBody::new(body, place));
                streaming(body.of_cut_request(), &parts)
            }
            Some(upload) => {
                // A peer that has refused does not want the rest (RFC 9113, section 8.1).
                let waits = parts.status.is_success();
                // The head is here, so whatever fails now, the request has been sent.
                let upload = spawn(upload, running)
                    .map_err(|error| error.with_delivery(Delivery::Unknown))?;
                let body = arrived.begin(ResponseBody::new(body, place));
                streaming(body.with_upload(upload, waits), &parts)
            }
        };
        let mut response = ExchangeResponse::new(parts.status);
        response.version = Version::HTTP_2;
        response.headers = parts.headers;
        response.body = body;
        response.connection = info;
        Ok(response)
    }
}

/// Sends what can be sent at once; what remains has to be polled.
fn upload(body: Body, mut stream: SendStream<Chunk>, progress: &Progress) -> Option<Box<Upload>> {
    progress.reach(Stage::Sending);
    let Body {
        content,
        waits_for_leave,
    } = body;
    let (source, length) = match content {
        Content::None => {
            progress.reach(Stage::AwaitingHead);
            return None;
        }
        Content::Whole(bytes) if bytes.len() <= AT_ONCE && !waits_for_leave => {
            // Fails only if the stream has ended already, of which the response will tell.
            drop(stream.send_data(Chunk::whole(bytes, progress.clone()), true));
            return None;
        }
        Content::Whole(bytes) => {
            let length = bytes.len() as u64;
            (Box::pin(stream::iter([Ok(bytes)])) as _, Some(length))
        }
        Content::Pieces(source, length) => (source, length),
    };
    let upload = Upload::new(stream, source, length);
    Some(Box::new(if waits_for_leave {
        upload.with_leave()
    } else {
        upload
    }))
}

/// A request whose response's head is awaited, while the rest of its body is sent.
struct Awaited {
    head: ResponseFuture,
    /// Boxed because few requests have one.
    upload: Option<Box<Upload>>,
    progress: Progress,
    polled: bool,
    /// How many 1xx responses have come.
    informational: usize,
}

enum Failed {
    /// On this side: the request's own body, or our patience.
    Here(BackendError),
    Stream(h2::Error),
}

impl Awaited {
    fn poll(
        &mut self,
        limits: Limits,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, Failed>> {
        // First, because a response ends the interest in how the upload goes.
        if self
            .poll_informational(limits, cx)
            .map_err(Failed::Here)?
            .is_ready()
            && let Poll::Ready(received) = Pin::new(&mut self.head).poll(cx)
        {
            return Poll::Ready(received.map_err(Failed::Stream));
        }
        if let Some(upload) = &mut self.upload
            && let Poll::Ready(outcome) = upload.poll(cx)
        {
            self.upload = None;
            if let Err(error) = outcome {
                return Poll::Ready(Err(Failed::Here(error)));
            }
            self.progress.reach(Stage::AwaitingHead);
        }
        Poll::Pending
    }

    /// Counts the 1xx responses that have come since the last time, and begins the upload if one of
    /// them gives leave to. Ready when a final response may be there.
    fn poll_informational(
        &mut self,
        limits: Limits,
        cx: &mut Context<'_>,
    ) -> Result<Poll<()>, BackendError> {
        // Nothing can have come before the request was sent, and asking costs a lock. A look at the
        // head alone would throw leave away that has come in the meantime.
        let waits = self.upload.as_deref().is_some_and(Upload::waits_for_leave);
        if !std::mem::replace(&mut self.polled, true) && !waits {
            return Ok(Poll::Ready(()));
        }
        loop {
            let response = match self.head.poll_informational(cx) {
                Poll::Ready(Some(Ok(response))) => response,
                // The head is there, or will tell of the same error.
                Poll::Ready(_) => return Ok(Poll::Ready(())),
                Poll::Pending => return Ok(Poll::Pending),
            };
            self.informational += 1;
            limits.check_informational(self.informational)?;
            if response.status() == StatusCode::CONTINUE
                && let Some(upload) = &mut self.upload
            {
                upload.begin();
            }
        }
    }
}

fn before_head(error: h2::Error, place: &mut Place, reused: bool) -> BackendError {
    place.ended();
    if error::wants_http1(&error) {
        place.origin().require_http1();
    }
    if place.origin().is_closed() {
        error::closed(error)
    } else {
        error::before_head(error, reused)
    }
}

/// What of a body has come with its head.
enum Arrived {
    Nothing,
    First(Result<Bytes, h2::Error>),
    End,
}

impl Arrived {
    /// The body, of which this has been read already.
    fn begin(self, body: ResponseBody) -> ResponseBody {
        match self {
            Self::First(first) => body.beginning_with(first),
            Self::Nothing | Self::End => body,
        }
    }
}

/// The body of a response. A small one has come together with the head, and then neither needs a
/// stream that somebody would have to poll nor keeps its place on the connection.
fn whole_or_streaming(
    body: RecvStream,
    arrived: Arrived,
    parts: &Parts,
    mut place: Place,
) -> IncomingBody {
    match arrived {
        Arrived::End if body.is_end_stream() => {
            place.ended();
            IncomingBody::empty()
        }
        Arrived::First(Ok(piece)) if body.is_end_stream() => {
            place.ended();
            IncomingBody::full(piece)
        }
        arrived => streaming(arrived.begin(ResponseBody::new(body, place)), parts),
    }
}

fn streaming(body: ResponseBody, parts: &Parts) -> IncomingBody {
    // `h2` has refused a length that is none, or that differs from another.
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    IncomingBody::streaming(body, length)
}

/// Lets an upload go on by itself, which it has to when the response begins before it has ended:
/// whoever waits for its end before reading would otherwise wait for ever.
fn spawn(upload: Box<Upload>, running: &Arc<Tasks>) -> Result<RunningUpload, BackendError> {
    let runtime = tasks::current_runtime()?;
    let guard = running.register(&runtime)?;
    let (report, outcome) = oneshot::channel();
    let task = runtime.spawn(go_on(upload, guard, report));
    Ok(RunningUpload {
        outcome,
        task: task.abort_handle(),
    })
}

async fn go_on(
    mut upload: Box<Upload>,
    guard: TaskGuard,
    report: oneshot::Sender<Result<(), BackendError>>,
) {
    let outcome = guard.unless_stopped(poll_fn(|cx| upload.poll(cx))).await;
    if let Some(outcome) = outcome {
        let failed = outcome.is_err();
        // Reported before the reset that follows from it. Nobody listens if the body was dropped.
        drop(report.send(outcome));
        if failed {
            upload.abandon();
        }
    }
}
