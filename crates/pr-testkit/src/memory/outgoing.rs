//! Reading a request's body as a transport would: its stream may fail, or not be of the length
//! that was stated, and then the exchange has to end with an error.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use pr_core::{BackendError, BoxError, ByteStream, ErrorKind, OutgoingBody};

/// Where the error of a body's stream is left for the exchange to find.
pub(super) type Failure = Arc<Mutex<Option<BackendError>>>;

/// The body's bytes.
pub(super) async fn collect(body: OutgoingBody) -> Result<Bytes, BackendError> {
    match body {
        OutgoingBody::Empty => Ok(Bytes::new()),
        OutgoingBody::Full(bytes) => Ok(bytes),
        OutgoingBody::Stream { stream, length } => {
            let pieces = checked(stream, length);
            let append = |mut whole: BytesMut, piece: Bytes| async move {
                whole.extend_from_slice(&piece);
                Ok(whole)
            };
            Ok(pieces.try_fold(BytesMut::new(), append).await?.freeze())
        }
    }
}

/// The same body, whose error ends up in the second value.
pub(super) fn watched(body: OutgoingBody) -> (OutgoingBody, Failure) {
    let failure = Failure::default();
    let body = match body {
        OutgoingBody::Stream { stream, length } => {
            let failure = failure.clone();
            let pieces = checked(stream, length).map_err(move |error| {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                BoxError::from("the body's stream failed")
            });
            let stream = pieces.boxed();
            OutgoingBody::Stream { stream, length }
        }
        whole => whole,
    };
    (body, failure)
}

fn checked(
    stream: ByteStream,
    length: Option<u64>,
) -> impl futures::Stream<Item = Result<Bytes, BackendError>> {
    stream::unfold(Some((stream, 0)), move |state| async move {
        let (mut stream, mut read) = state?;
        let wrong_length = || {
            let what = "the body's stream is not of the length that was stated";
            Some((Err(BackendError::new(ErrorKind::Body, what)), None))
        };
        match stream.next().await {
            Some(Ok(piece)) => {
                read += piece.len() as u64;
                if length.is_some_and(|length| read > length) {
                    return wrong_length();
                }
                Some((Ok(piece), Some((stream, read))))
            }
            Some(Err(error)) => {
                let failed = BackendError::new(ErrorKind::Body, "the body's stream failed");
                Some((Err(failed.with_source(error)), None))
            }
            None if length.is_some_and(|length| read < length) => wrong_length(),
            None => None,
        }
    })
}
