//! Every coding and every stack of them gives back what went in, however it is cut into pieces.

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::HeaderMap;
use pr_core::Frame;
use proptest::{collection::vec, prelude::*, sample::select};

use super::support::{Canned, Coding, block_on, cut, encoded};

/// Compressible in parts, and sometimes larger than what is decoded at a time.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let run = (any::<u8>(), 0_usize..40_000);
    let noise = vec(any::<u8>(), 0..2_000);
    (vec(run, 0..5), noise).prop_map(|(runs, noise)| {
        let mut content = noise.clone();
        for (byte, length) in runs {
            content.extend(std::iter::repeat_n(byte, length));
            content.extend(&noise);
        }
        content
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn stacks_round_trip_through_any_pieces(
        codings in vec(select(&Coding::ALL[..]), 1..=5),
        content in content(),
        lengths in vec(0_usize..300, 0..60),
    ) {
        let (names, body) = encoded(&codings, &content);
        let canned = Canned::pieces(cut(&body, &lengths)).coding(&names);
        block_on(async {
            let whole = canned.get().await.unwrap();
            prop_assert_eq!(whole.content(), &content);
            prop_assert_eq!(whole.body_bytes_received(), body.len() as u64);
            prop_assert_eq!(whole.body_bytes_decoded(), content.len() as u64);

            let mut streamed = canned.open().await;
            prop_assert_eq!(streamed.content_length(), None);
            let mut read = Vec::new();
            while let Some(piece) = streamed.next().await {
                let piece = piece.unwrap();
                prop_assert!(piece.len() <= 64 << 10, "{} bytes at a time", piece.len());
                read.extend_from_slice(&piece);
            }
            prop_assert!(read == content);
            prop_assert_eq!(streamed.body_bytes_received(), body.len() as u64);
            prop_assert_eq!(streamed.body_bytes_decoded(), content.len() as u64);
            Ok(())
        })?;
    }
}

#[test]
fn one_byte_at_a_time() {
    let content = b"one byte at a time, one byte at a time".repeat(20);
    for coding in Coding::ALL {
        let (names, body) = encoded(&[coding], &content);
        let pieces = cut(&body, &vec![1; body.len()]);
        let canned = Canned::pieces(pieces).coding(&names);
        let whole = block_on(canned.get()).unwrap();
        assert_eq!(whole.content(), &content, "{coding:?}");
    }
}

#[test]
fn content_that_fills_each_buffer_exactly() {
    for size in [8 << 10, 16 << 10, 64 << 10, (8 << 10) + (16 << 10), 1 << 20] {
        let content = vec![7; size];
        for coding in Coding::ALL {
            for codings in [vec![coding], vec![Coding::Gzip, coding]] {
                let (names, body) = encoded(&codings, &content);
                let canned = Canned::whole(body).coding(&names);
                let whole = block_on(canned.get()).unwrap();
                assert!(whole.content() == &content, "{size} bytes in {codings:?}");
                let pieces: Vec<_> = block_on(async { canned.open().await.collect().await });
                let largest = pieces.iter().flatten().map(Bytes::len).max();
                assert!(
                    largest <= Some(64 << 10),
                    "{largest:?} at a time, {codings:?}"
                );
            }
        }
    }
}

#[test]
fn empty_content_is_some_data_and_an_empty_body_is_none() {
    for coding in Coding::ALL {
        let (names, body) = encoded(&[coding], b"");
        assert!(!body.is_empty());
        for body in [Bytes::from(body), Bytes::new()] {
            let in_pieces = Canned::pieces(vec![body.clone()]).coding(&names);
            for canned in [in_pieces, Canned::whole(body).coding(&names)] {
                let whole = block_on(canned.get()).unwrap();
                assert_eq!(whole.content(), "", "{coding:?}");
            }
        }
    }
}

#[test]
fn every_member_and_every_frame_is_read() {
    let skippable = b"\x5a\x2a\x4d\x18\x03\x00\x00\x00abc";
    for coding in [Coding::Gzip, Coding::Zstd] {
        let mut body = coding.encode(b"one ");
        body.extend(coding.encode(b""));
        body.extend(coding.encode(b"two "));
        if coding == Coding::Zstd {
            body.extend(skippable);
        }
        body.extend(coding.encode(b"three"));
        for lengths in [vec![], vec![1; body.len()]] {
            let canned = Canned::pieces(cut(&body, &lengths)).coding(coding.name());
            let whole = block_on(canned.get()).unwrap();
            assert_eq!(whole.content(), "one two three", "{coding:?}");
        }
    }
}

#[test]
fn what_follows_the_end_is_read_and_ignored() {
    for coding in Coding::ALL {
        // The last two begin like another member of gzip and another frame of zstd, and are none.
        for junk in [
            &b"\0\0\0\0"[..],
            b"\r\n",
            b"junk",
            b"\x1f\x8c.",
            b"\x28\xb5\x2f.",
        ] {
            let mut body = coding.encode(b"content");
            body.extend(junk);
            let received = body.len() as u64;
            for lengths in [vec![], vec![1; body.len()]] {
                let canned = Canned::pieces(cut(&body, &lengths)).coding(coding.name());
                let whole = block_on(canned.get()).unwrap();
                assert_eq!(whole.content(), "content", "{coding:?} {junk:?}");
                assert_eq!(whole.body_bytes_received(), received, "{coding:?} {junk:?}");
            }
        }
    }
}

#[test]
fn a_gzip_header_with_everything_in_it() {
    let plain = Coding::Gzip.encode(b"content");
    let build = |flags: u8, extra: &[u8]| {
        let mut body = plain[..10].to_vec();
        body[3] = flags;
        body.extend(extra);
        if flags & 2 != 0 {
            let mut sum = flate2::Crc::new();
            sum.update(&body);
            body.extend(&sum.sum().to_le_bytes()[..2]);
        }
        body.extend(&plain[10..]);
        body
    };
    let table: &[(u8, &[u8])] = &[
        (0b0000_0001, b""),
        (0b0000_0010, b""),
        (0b0000_0100, b"\x03\x00abc"),
        (0b0000_0100, b"\x00\x00"),
        (0b0000_1000, b"name\0"),
        (0b0001_0000, b"\0"),
        (0b0001_1111, b"\x02\x00abname\0comment\0"),
    ];
    for (flags, extra) in table {
        let body = build(*flags, extra);
        for lengths in [vec![], vec![1; body.len()]] {
            let canned = Canned::pieces(cut(&body, &lengths)).coding("gzip");
            let whole = block_on(canned.get()).unwrap();
            assert_eq!(whole.content(), "content", "{flags:#b}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slow_but_alive_before_anything_can_be_decoded() {
    // The header alone takes longer than a stream may pause.
    let body = Bytes::from(Coding::Gzip.encode(b"content"));
    let canned = Canned::frames(None, move || {
        stream::iter(cut(&body, &vec![1; body.len()])).then(|byte| async {
            tokio::time::sleep(std::time::Duration::from_secs(20)).await;
            Ok(Frame::Data(byte))
        })
    })
    .coding("gzip");
    let whole = canned.open().await.into_whole().await.unwrap();
    assert_eq!(whole.content(), "content");
}

#[test]
fn trailers_come_through() {
    let body = Bytes::from(Coding::Gzip.encode(b"content"));
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "9".parse().unwrap())]);
    let canned = Canned::frames(None, move || {
        let frames = [Frame::Data(body.clone()), Frame::Trailers(trailers.clone())];
        stream::iter(frames.map(Ok))
    })
    .coding("gzip");
    block_on(async {
        assert_eq!(canned.get().await.unwrap().trailers()["x-sum"], "9");
        let mut streamed = canned.open().await;
        while let Some(piece) = streamed.next().await {
            piece.unwrap();
        }
        assert_eq!(streamed.trailers()["x-sum"], "9");
    });
}
