//! Data that is cut off or spoilt is an error of its own kind, and never a panic or a short body.

use bytes::Bytes;
use futures::{StreamExt, stream};
use pr_core::{BackendError, ErrorKind, Frame};
use proptest::{collection::vec, prelude::*, sample::select};

use super::support::{Canned, Coding, block_on, cut, encoded};

#[test]
fn cut_off_at_any_byte() {
    let content = b"some text that repeats, some text that ends".repeat(3);
    let mut stacks: Vec<Vec<Coding>> = Coding::ALL.map(|coding| vec![coding]).into();
    stacks.push(vec![Coding::Brotli, Coding::Gzip]);
    stacks.push(vec![Coding::Zlib, Coding::Zstd, Coding::Deflate]);
    for codings in stacks {
        let (names, body) = encoded(&codings, &content);
        for length in 1..body.len() {
            let canned = Canned::pieces(cut(&body[..length], &[length / 2])).coding(&names);
            let kind = block_on(canned.failure());
            assert_eq!(kind, ErrorKind::Decode, "{codings:?} after {length} bytes");
        }
    }
}

#[test]
fn cut_off_in_a_later_member() {
    for coding in [Coding::Gzip, Coding::Zstd] {
        let first = coding.encode(b"first");
        let second = coding.encode(b"second");
        let both = [&first[..], &second[..]].concat();
        for length in first.len() + 1..both.len() {
            let canned = Canned::whole(both[..length].to_vec()).coding(coding.name());
            let kind = block_on(canned.failure());
            assert_eq!(kind, ErrorKind::Decode, "{coding:?} after {length} bytes");
        }
    }
}

#[test]
fn a_wrong_checksum() {
    let content = b"content that is checked";
    // Where it is: in the last bytes, of gzip before the length.
    for (coding, from_the_end) in [
        (Coding::Gzip, 8),
        (Coding::Gzip, 1),
        (Coding::Zlib, 1),
        (Coding::Zstd, 1),
    ] {
        let mut body = coding.encode(content);
        let at = body.len() - from_the_end;
        body[at] ^= 1;
        let kind = block_on(Canned::whole(body).coding(coding.name()).failure());
        assert_eq!(kind, ErrorKind::Decode, "{coding:?}");
    }
}

#[test]
fn not_coded_at_all() {
    for coding in Coding::ALL {
        let canned = Canned::whole("<!doctype html>").coding(coding.name());
        let kind = block_on(canned.failure());
        assert_eq!(kind, ErrorKind::Decode, "{coding:?}");
    }
}

#[test]
fn a_bad_gzip_header() {
    let good = Coding::Gzip.encode(b"content");
    for (at, byte) in [(0, 0x1e), (1, 0), (2, 7), (3, 0x20), (3, 0x80)] {
        let mut body = good.clone();
        body[at] = byte;
        let kind = block_on(Canned::whole(body).coding("gzip").failure());
        assert_eq!(kind, ErrorKind::Decode, "{byte} at {at}");
    }
    // A checksum of the header that is not one.
    let mut body = good.clone();
    body[3] = 2;
    body.splice(10..10, [0, 0]);
    let kind = block_on(Canned::whole(body).coding("gzip").failure());
    assert_eq!(kind, ErrorKind::Decode);
}

#[test]
fn zstd_with_a_larger_window_than_http_allows() {
    let content = vec![1; 100];
    for (window_log, expected) in [(23, None), (24, Some(ErrorKind::Decode))] {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        std::io::Write::write_all(&mut encoder, &content).unwrap();
        let canned = Canned::whole(encoder.finish().unwrap()).coding("zstd");
        let outcome = block_on(canned.get());
        assert_eq!(
            outcome.err().map(|error| error.kind()),
            expected,
            "2^{window_log}"
        );
    }
}

#[test]
fn brotli_with_a_larger_window_than_its_rfc_has() {
    for (large_window, expected) in [(false, None), (true, Some(ErrorKind::Decode))] {
        let parameters = brotli::enc::BrotliEncoderParams {
            large_window,
            lgwin: if large_window { 25 } else { 24 },
            ..Default::default()
        };
        let mut body = Vec::new();
        brotli::BrotliCompress(&mut &[1; 100][..], &mut body, &parameters).unwrap();
        let outcome = block_on(Canned::whole(body).coding("br").get());
        let kind = outcome.err().map(|error| error.kind());
        assert_eq!(kind, expected, "large: {large_window}");
    }
}

#[test]
fn the_transports_own_error_stays_what_it_is() {
    let body = Coding::Gzip.encode(b"content");
    let start = Bytes::copy_from_slice(&body[..body.len() - 3]);
    let canned = Canned::frames(None, move || {
        let cut_off = BackendError::new(ErrorKind::Truncated, "the connection ended");
        stream::iter([Ok(Frame::Data(start.clone())), Err(cut_off)])
    })
    .coding("gzip");
    assert_eq!(block_on(canned.failure()), ErrorKind::Truncated);
}

#[test]
fn what_was_decoded_before_the_damage_is_given_out() {
    let mut body = Coding::Gzip.encode(&vec![5; 300_000]);
    let at = body.len() - 1;
    body[at] ^= 1;
    let canned = Canned::whole(body).coding("gzip");
    let (good, bad) = block_on(async {
        let pieces: Vec<_> = canned.open().await.collect().await;
        let good = pieces.iter().flatten().map(Bytes::len).sum::<usize>();
        (good, pieces.iter().filter(|piece| piece.is_err()).count())
    });
    assert_eq!((good, bad), (300_000, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_never_panic(
        codings in vec(select(&Coding::ALL[..]), 1..=3),
        body in vec(any::<u8>(), 0..600),
        lengths in vec(0_usize..50, 0..10),
    ) {
        let names: Vec<_> = codings.iter().map(|coding| coding.name()).collect();
        let canned = Canned::pieces(cut(&body, &lengths)).coding(&names.join(","));
        if let Err(error) = block_on(canned.get()) {
            prop_assert!(matches!(error.kind(), ErrorKind::Decode | ErrorKind::Limit), "{}", error);
        }
    }

    #[test]
    fn spoilt_bytes_never_panic(
        coding in select(&Coding::ALL[..]),
        content in vec(0_u8..4, 0..3_000),
        spoilt in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        lengths in vec(0_usize..50, 0..10),
    ) {
        let (names, mut body) = encoded(&[coding], &content);
        for (at, byte) in spoilt {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let canned = Canned::pieces(cut(&body, &lengths)).coding(&names);
        if let Err(error) = block_on(canned.get()) {
            prop_assert!(matches!(error.kind(), ErrorKind::Decode | ErrorKind::Limit), "{}", error);
        }
    }
}
