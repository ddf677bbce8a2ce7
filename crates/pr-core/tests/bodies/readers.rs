//! Readers: sent once, as they yield, with the length that was stated.

use std::{io, pin::Pin, task};

use pr_core::{BackendExt, Body, ErrorKind, RequestConfig};
use tokio::io::{AsyncRead, ReadBuf};

use crate::support::Taker;

fn upload(body: Body) -> RequestConfig {
    RequestConfig::put("http://h.example/").data(body)
}

#[tokio::test]
async fn a_reader_arrives_whole() {
    let content: Vec<u8> = (0..=250).cycle().take(300_000).collect();
    for stated in [None, Some(300_000)] {
        let reader = io::Cursor::new(content.clone());
        let backend = Taker::new().shared();
        let body = Body::reader(reader, stated);
        assert_eq!(body.content_length(), stated);
        backend.request(upload(body)).await.unwrap();
        let sent = &backend.sent()[0];
        assert_eq!(sent.length, stated);
        assert!(sent.content == content);
        assert!(sent.largest_piece <= 64 << 10);
    }
}

#[tokio::test]
async fn a_reader_is_not_sent_twice() {
    let backend = Taker::new().shared();
    let request = upload(Body::reader(&b"once"[..], None));
    backend.request(request.clone()).await.unwrap();
    let error = backend.request(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
}

/// Yields one byte at a time, and then fails.
struct Dribble(usize);

impl AsyncRead for Dribble {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> task::Poll<io::Result<()>> {
        if self.0 == 0 {
            return task::Poll::Ready(Err(io::Error::other("the tap ran dry")));
        }
        if self.0.is_multiple_of(2) {
            cx.waker().wake_by_ref();
            self.0 -= 1;
            return task::Poll::Pending;
        }
        into.put_slice(b"x");
        self.0 -= 1;
        task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_reader_that_fails_ends_the_request() {
    let backend = Taker::new().shared();
    let error = backend
        .request(upload(Body::reader(Dribble(200_000), None)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Body);
    assert!(error.chain().contains("the tap ran dry"), "{error:?}");
}
