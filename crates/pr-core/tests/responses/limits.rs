//! Bodies that are larger than they may be, before or after decoding.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Method, StatusCode};
use pr_core::{BackendExt, ErrorKind, Frame, MAX_BODY_SIZE, RequestConfig};

use super::support::{Canned, Coding, block_on, get};

/// Zeros, far more than the default limit: 1 GiB where coded data can be put in a row, else 96 MiB,
/// because encoding takes longer than all of the rest.
fn bomb(coding: Coding) -> Vec<u8> {
    match coding {
        Coding::Brotli => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 1 << 20, 0, 22);
            let block = vec![0; 1 << 20];
            (0..96).for_each(|_| encoder.write_all(&block).unwrap());
            encoder.into_inner()
        }
        _ => coding.encode(&vec![0; 1 << 20]).repeat(1024),
    }
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
        // The bomb within a bomb is small on the wire, so that the limit is all that stops it.
        let once = bomb(coding);
        let twice = Coding::Gzip.encode(&once);
        for (names, body) in [
            (coding.name().to_owned(), once),
            (format!("{}, gzip", coding.name()), twice),
        ] {
            let canned = Canned::whole(body).coding(&names);
            let begun = Instant::now();
            let error = block_on(canned.get()).map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limit, "{names}: {error}");
            let limit = format!("max_body_size, which is {MAX_BODY_SIZE} bytes");
            assert!(error.message().contains(&limit), "{error}");
            // All of it would take several times as long as a debug build takes for the limit.
            assert!(begun.elapsed() < Duration::from_secs(20), "{names}");

            let few = block_on(canned.request(get().max_body_size(1000))).map(drop);
            assert_eq!(few.unwrap_err().kind(), ErrorKind::Limit, "{names}");
        }
    }
}

#[test]
fn a_bomb_does_not_outlast_the_timeout() {
    let canned = Canned::whole(bomb(Coding::Gzip)).coding("gzip");
    let request = get()
        .max_body_size(u64::MAX)
        .timeout(Duration::from_millis(20));
    let begun = Instant::now();
    let error = block_on(canned.request(request)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn the_limit_is_exact_and_counts_what_is_decoded() {
    let content = vec![9; 100_000];
    let coded = Coding::Gzip.encode(&content);
    assert!(coded.len() < 1000);
    let tables = [
        Canned::whole(content.clone()),
        Canned::pieces(vec![Bytes::from(content); 1]),
        Canned::pieces(vec![Bytes::from(vec![9; 1000]); 100]),
        Canned::whole(coded).coding("gzip"),
    ];
    for (row, canned) in tables.iter().enumerate() {
        for (limit, fits) in [
            (99_999, false),
            (100_000, true),
            (u64::MAX, true),
            (0, false),
        ] {
            let request = get().max_body_size(limit);
            let whole = block_on(canned.request(request.clone())).map(drop);
            let kind = whole.err().map(|error| error.kind());
            assert_eq!(kind.is_none(), fits, "row {row}, limit {limit}");
            assert!(fits || kind == Some(ErrorKind::Limit), "{kind:?}");

            // A stream is limited when it was asked for, and then so is its remainder.
            let streamed = block_on(async {
                let mut pieces = canned.stream(request.clone()).await.unwrap();
                while let Some(piece) = pieces.next().await {
                    piece?;
                }
                Ok::<_, pr_core::BackendError>(pieces.body_bytes_decoded())
            });
            assert_eq!(streamed.is_ok(), fits, "row {row}, limit {limit}");
            let collected = block_on(async { canned.stream(request).await?.into_whole().await });
            assert_eq!(collected.is_ok(), fits, "row {row}, limit {limit}");
        }
    }
}

#[test]
fn an_announced_length_is_refused_before_anything_is_read() {
    let announced = |length| {
        Canned::frames(Some(length), || {
            stream::repeat_with(|| Ok(Frame::Data(Bytes::from_static(b"more"))))
        })
    };
    let canned = announced(MAX_BODY_SIZE + 1);
    let error = block_on(canned.get()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(canned.given(), 0);

    // A stream has no limit of itself.
    let mut streamed = block_on(canned.open());
    assert!(block_on(streamed.next()).unwrap().is_ok());

    let canned = announced(11);
    let mut streamed = block_on(canned.stream(get().max_body_size(10))).unwrap();
    let error = block_on(streamed.next()).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(streamed.content_length(), Some(11));
    assert!(block_on(streamed.next()).is_none());
    assert_eq!(canned.given(), 0);
}

#[test]
fn a_body_without_end_is_read_no_further_than_the_limit() {
    let canned = Canned::frames(None, || {
        stream::repeat_with(|| Ok(Frame::Data(Bytes::from_static(&[0; 1000]))))
    });
    let error = block_on(canned.request(get().max_body_size(10_500)))
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(canned.given(), 11_000);
}

#[test]
fn the_length_that_answers_head_is_of_no_body() {
    let canned = Canned::frames(Some(u64::MAX), stream::empty);
    let head = RequestConfig::new(Method::HEAD, "http://test.example/").max_body_size(1);
    assert!(block_on(canned.request(head)).is_ok());
}

#[test]
fn the_body_of_a_redirect_is_not_decoded() {
    let once = bomb(Coding::Zstd);
    let length = once.len() as u64;
    let canned = Canned::frames(None, move || {
        stream::iter([Ok(Frame::Data(once.clone().into()))])
    })
    .coding("zstd")
    .header("location", "/again")
    .status(StatusCode::FOUND);
    let begun = Instant::now();
    let error = block_on(canned.get()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect, "not a limit: {error}");
    assert!(
        canned.given() >= length,
        "the bodies were discarded, not read"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}
