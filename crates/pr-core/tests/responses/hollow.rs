//! Bodies with much in them that decodes to nothing: members without content, alone and under other
//! codings, and whatever follows the end of the data.

use std::{
    io::Write,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future, stream};
use pr_core::{BackendExt, ErrorKind, Frame};

use super::support::{Canned, Coding, block_on, cut, encoded, get};

/// Empty members or frames, so many bytes of them.
fn members(coding: Coding, bytes: usize) -> Vec<u8> {
    let empty = coding.encode(b"");
    empty.repeat(bytes / empty.len())
}

/// The body followed by the same piece, so many times.
fn followed_by(body: Vec<u8>, piece: Vec<u8>, times: usize) -> Canned {
    let (body, piece) = (Bytes::from(body), Bytes::from(piece));
    Canned::frames(None, move || {
        let pieces = [vec![body.clone()], vec![piece.clone(); times]].concat();
        stream::iter(pieces).map(|piece| Ok(Frame::Data(piece)))
    })
}

/// Small on the wire, megabytes in between, and nothing at the end.
fn nested(coding: Coding, times: usize) -> Canned {
    let mut body = members(coding, 1200 << 10);
    let mut names = coding.name().to_owned();
    for _ in 0..times {
        body = Coding::Gzip.encode(&body);
        names += ", gzip";
    }
    Canned::whole(body).coding(&names)
}

#[test]
fn nothing_under_other_codings_is_a_limit() {
    for (coding, times) in [(Coding::Gzip, 3), (Coding::Zstd, 1)] {
        let kind = block_on(nested(coding, times).failure());
        assert_eq!(kind, ErrorKind::Limit, "{coding:?} {times}");
    }
}

#[test]
fn nothing_under_other_codings_lets_others_run() {
    // Tokio's own budget plays no part in this.
    block_on(tokio::task::unconstrained(async {
        let mut body = nested(Coding::Gzip, 2).open().await;
        let mut pauses = 0;
        let outcome = loop {
            let mut context = Context::from_waker(Waker::noop());
            match body.poll_next_unpin(&mut context) {
                Poll::Pending => pauses += 1,
                Poll::Ready(outcome) => break outcome,
            }
        };
        assert!(outcome.is_none_or(|piece| piece.is_err()));
        // The work is at least the 1 MiB that is allowed, in parts of about 256 KiB.
        assert!(pauses >= 4, "it paused {pauses} times");
    }));
}

#[test]
fn a_body_that_is_all_here_lets_others_run() {
    let (names, body) = encoded(&[Coding::Gzip], &vec![0; 8 << 20]);
    let canned = Canned::whole(body).coding(&names);
    let pauses = block_on(tokio::task::unconstrained(async {
        let mut whole = pin!(canned.get());
        let mut pauses = 0;
        future::poll_fn(|cx| {
            let polled = whole.as_mut().poll(cx);
            pauses += usize::from(polled.is_pending());
            polled
        })
        .await
        .unwrap();
        pauses
    }));
    assert!(pauses >= 16, "it paused {pauses} times");
}

#[test]
fn members_without_content_end_at_a_limit() {
    for coding in [Coding::Gzip, Coding::Zstd] {
        for start in [&b"hi"[..], b""] {
            let piece = members(coding, 16 << 10);
            let canned = followed_by(coding.encode(start), piece, 200).coding(coding.name());
            let error = block_on(canned.request(get().max_body_size(16)));
            assert_eq!(error.map(drop).unwrap_err().kind(), ErrorKind::Limit);
            assert!(canned.given() < 1100 << 10, "{} were read", canned.given());
        }
    }
}

#[test]
fn some_members_without_content_are_passed_over() {
    for coding in [Coding::Gzip, Coding::Zstd] {
        let empty = members(coding, 100 << 10);
        let body = [
            &empty[..],
            &coding.encode(b"a"),
            &empty,
            &coding.encode(b"b"),
        ]
        .concat();
        let lengths = vec![10_001; 20];
        for codings in [vec![], vec![Coding::Gzip, Coding::Brotli]] {
            let (names, body) = encoded(&codings, &body);
            let canned = Canned::pieces(cut(&body, &lengths)).coding(coding.name());
            let canned = if codings.is_empty() {
                canned
            } else {
                canned.coding(&names)
            };
            let whole = block_on(canned.get()).unwrap();
            assert_eq!(whole.content(), "ab", "{coding:?} {codings:?}");
            assert_eq!(whole.body_bytes_received(), body.len() as u64);
        }
    }
}

#[test]
fn content_that_cannot_be_compressed_is_no_empty_data() {
    // More than may be taken while nothing comes, in case a codec holds much back.
    let mut state = 1_u32;
    let content: Vec<u8> = (0..3 << 20)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[1]
        })
        .collect();
    for coding in Coding::ALL {
        let body = match coding {
            Coding::Brotli => {
                let mut encoder = brotli::CompressorWriter::new(Vec::new(), 1 << 20, 9, 24);
                encoder.write_all(&content).unwrap();
                encoder.into_inner()
            }
            _ => coding.encode(&content),
        };
        assert!(body.len() >= content.len());
        let whole = block_on(Canned::whole(body).coding(coding.name()).get()).unwrap();
        assert!(whole.content() == &content, "{coding:?}");
    }
}

#[test]
fn what_follows_the_end_is_not_read_for_ever() {
    let mut stacks: Vec<Vec<Coding>> = Coding::ALL.map(|coding| vec![coding]).into();
    stacks.push(vec![Coding::Brotli, Coding::Gzip]);
    for codings in stacks {
        let (names, body) = encoded(&codings, b"hi");
        let canned = followed_by(body, vec![0; 1000], 2000).coding(&names);
        let few = get().max_body_size(16);

        let whole = block_on(canned.request(few.clone())).unwrap();
        assert_eq!(whole.content(), "hi", "{codings:?}");
        let given = canned.given();
        assert!((64 << 10..70_000).contains(&given), "{codings:?}: {given}");
        assert_eq!(whole.body_bytes_received(), given, "{codings:?}");

        block_on(async {
            let mut streamed = canned.stream(few).await.unwrap();
            assert_eq!(streamed.next().await.unwrap().unwrap(), "hi");
            assert!(streamed.next().await.is_none(), "{codings:?}");
            assert_eq!(streamed.body_bytes_received(), given, "{codings:?}");
        });
    }
}

#[test]
fn a_source_that_says_too_much_is_let_go() {
    let connection = Arc::new(());
    let held = Arc::clone(&connection);
    let body = Bytes::from(Coding::Gzip.encode(b"hi"));
    let canned = Canned::frames(None, move || {
        let held = Arc::clone(&held);
        let pieces = [body.clone(), Bytes::from(vec![0; 100_000])];
        // After that it says nothing more, but does not end.
        stream::iter(pieces)
            .chain(stream::pending())
            .map(move |piece| {
                let _ = &held;
                Ok(Frame::Data(piece))
            })
    })
    .coding("gzip");
    let before = Arc::strong_count(&connection);
    block_on(async {
        let mut streamed = canned.open().await;
        assert_eq!(streamed.next().await.unwrap().unwrap(), "hi");
        assert_eq!(Arc::strong_count(&connection), before + 1);
        let end = streamed.next().now_or_never();
        assert!(matches!(end, Some(None)), "{end:?}");
        assert_eq!(Arc::strong_count(&connection), before);
    });
}

#[test]
fn what_follows_the_end_between_two_codings_is_not_decoded_for_ever() {
    for coding in Coding::ALL {
        let mut inner = coding.encode(b"hi");
        inner.resize(2 << 20, 0);
        let body = Coding::Gzip.encode(&inner);
        let length = body.len() as u64;
        let canned = followed_by(body, vec![0; 1000], 2000)
            .coding(coding.name())
            .coding("gzip");
        let whole = block_on(canned.get()).unwrap();
        assert_eq!(whole.content(), "hi", "{coding:?}");
        assert_eq!(canned.given(), length, "{coding:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_the_end_keeps_no_stream_alive() {
    for (coding, piece) in [
        (Coding::Gzip, &b"\0"[..]),
        (Coding::Brotli, b"\0"),
        (Coding::Zlib, b"\0"),
        (Coding::Zstd, b"\0"),
        (Coding::Gzip, &Coding::Gzip.encode(b"")),
        (Coding::Zstd, &Coding::Zstd.encode(b"")),
    ] {
        // Cut so that no piece ends where a member does.
        let cut_off = piece.len() / 2;
        let rotated = [&piece[cut_off..], &piece[..cut_off]].concat();
        let body = [&coding.encode(b"hi"), &piece[..cut_off]].concat();
        let pieces = [vec![Bytes::from(body)], vec![Bytes::from(rotated); 100]].concat();
        let canned = Canned::frames(None, move || {
            stream::iter(pieces.clone()).then(|piece| async {
                tokio::time::sleep(Duration::from_secs(20)).await;
                Ok(Frame::Data(piece))
            })
        })
        .coding(coding.name());
        let mut streamed = canned.open().await;
        assert_eq!(streamed.next().await.unwrap().unwrap(), "hi");
        let error = streamed.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{coding:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn pieces_with_nothing_in_them_keep_no_stream_alive() {
    // They come so fast that the task is never done when it has to let others run.
    let canned = Canned::frames(None, || {
        stream::repeat_with(|| Ok(Frame::Data(Bytes::new()))).take(1_000_000)
    })
    .coding("gzip");
    let mut streamed = canned.open().await;
    let reading = tokio::spawn(async move { streamed.next().await });
    // It has begun to wait, and does so longer than a stream may pause.
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(31)).await;
    let error = reading.await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}
