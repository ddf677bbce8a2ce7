//! A body as `AsyncRead`.

use bytes::Bytes;
use futures::{StreamExt, stream};
use pr_core::{BackendError, BodyReader, ErrorKind, Frame};
use proptest::{collection::vec, prelude::*};
use tokio::io::{AsyncBufReadExt, AsyncReadExt};

use super::support::{Canned, Coding, block_on, cut};

proptest! {
    #[test]
    fn gives_what_the_stream_gives(
        content in vec(any::<u8>(), 0..3_000),
        lengths in vec(0_usize..300, 0..20),
        room in 1_usize..200,
    ) {
        let canned = Canned::pieces(cut(&content, &lengths));
        let read = block_on(async {
            let mut reader = canned.open().await.into_reader();
            let (mut read, mut buffer) = (Vec::new(), vec![0; room]);
            loop {
                match reader.read(&mut buffer).await.unwrap() {
                    0 => break read,
                    some => read.extend_from_slice(&buffer[..some]),
                }
            }
        });
        prop_assert_eq!(read, content);
    }
}

#[test]
fn lines_of_a_decoded_body() {
    let canned = Canned::whole(Coding::Brotli.encode(b"one\ntwo\nthree")).coding("br");
    let lines = block_on(async {
        let mut lines = canned.open().await.into_reader().lines();
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            all.push(line);
        }
        assert_eq!(lines.get_ref().get_ref().body_bytes_decoded(), 13);
        all
    });
    assert_eq!(lines, ["one", "two", "three"]);
}

#[test]
fn an_error_is_never_taken_for_the_end() {
    let canned = Canned::frames(None, || {
        let cut_off = BackendError::new(ErrorKind::Truncated, "the connection ended");
        stream::iter([Ok(Frame::Data(Bytes::from_static(b"start"))), Err(cut_off)])
    });
    block_on(async {
        let mut reader: BodyReader = canned.open().await.into_reader();
        let mut read = Vec::new();
        let error = reader.read_to_end(&mut read).await.unwrap_err();
        assert_eq!(read, b"start");
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        let cause: BackendError = error.downcast().unwrap();
        assert_eq!(cause.kind(), ErrorKind::Truncated);
        assert_eq!(cause.backend_name(), Some("canned"));
        assert!(
            reader.read(&mut [0; 8]).await.is_err(),
            "it ends well after an error"
        );
    });
}

#[test]
fn dropping_the_reader_drops_the_body() {
    let (held, released) = futures::channel::oneshot::channel::<()>();
    let held = std::sync::Mutex::new(Some(held));
    let canned = Canned::frames(None, move || {
        let held = held.lock().unwrap().take();
        stream::repeat_with(|| Ok(Frame::Data(Bytes::from_static(b"more")))).inspect(move |_| {
            let _ = &held;
        })
    });
    block_on(async {
        let mut reader = canned.open().await.into_reader();
        reader.read_u8().await.unwrap();
        drop(reader);
        assert!(released.await.is_err(), "the body's stream is gone");
    });
}
