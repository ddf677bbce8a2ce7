//! A reader as a stream of pieces, for one-shot bodies.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use futures::{Stream, stream};
use tokio::io::{AsyncRead, ReadBuf};

use crate::BoxError;

/// The most that one piece holds.
const PIECE: usize = 64 << 10;

/// The rest of a buffer is used for the next piece unless it is smaller than this.
const LEAST: usize = 8 << 10;

/// What the reader yields, up to its end or first error.
pub(super) fn pieces(
    reader: impl AsyncRead + Send + 'static,
) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static {
    let start = Some((Box::pin(reader), BytesMut::new()));
    stream::unfold(start, |state| async move {
        let (mut reader, mut buffer) = state?;
        if buffer.len() < LEAST {
            buffer = BytesMut::zeroed(PIECE);
        }
        let outcome = poll_fn(|cx| {
            let mut free = ReadBuf::new(&mut buffer);
            reader
                .as_mut()
                .poll_read(cx, &mut free)
                .map_ok(|()| free.filled().len())
        });
        match outcome.await {
            Ok(0) => None,
            Ok(count) => {
                let piece = buffer.split_to(count).freeze();
                Some((Ok(piece), Some((reader, buffer))))
            }
            Err(error) => Some((Err(error.into()), None)),
        }
    })
}
