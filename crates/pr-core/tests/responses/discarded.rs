//! Bodies that are read and counted, but not kept.

use futures::StreamExt;
use http::{Method, StatusCode};
use pr_core::{
    BackendExt, ErrorKind, MAX_BODY_SIZE, NormalizedResponse, RequestConfig, RequestDefaults,
    Session,
};
use std::sync::Arc;

use super::support::{Canned, Coding, block_on, cut, encoded, get};

fn discard() -> RequestConfig {
    get().discard_body(true)
}

/// The sizes, received and decoded, of a body of which nothing is there.
fn sizes(response: &NormalizedResponse) -> (u64, u64) {
    assert!(response.is_body_discarded());
    assert!(response.content().is_empty());
    assert_eq!(response.text(), "");
    (
        response.body_bytes_received(),
        response.body_bytes_decoded(),
    )
}

/// Whole, and streamed first.
fn both(canned: &Canned, request: &RequestConfig) -> [Result<NormalizedResponse, ErrorKind>; 2] {
    let whole = block_on(canned.request(request.clone()));
    let streamed = block_on(async { canned.stream(request.clone()).await?.into_whole().await });
    [whole, streamed].map(|outcome| outcome.map_err(|error| error.kind()))
}

#[test]
fn it_is_counted_and_not_kept() {
    let content = b"[1, 2, 3]".repeat(1000);
    let (coding, coded) = encoded(&[Coding::Gzip], &content);
    let (long, short) = (content.len() as u64, coded.len() as u64);
    for (what, canned, expected) in [
        ("whole", Canned::whole(content.clone()), (long, long)),
        (
            "pieces",
            Canned::pieces(cut(&content, &[1, 1000])),
            (long, long),
        ),
        (
            "coded",
            Canned::pieces(cut(&coded, &[5, 9])).coding(&coding),
            (short, long),
        ),
        ("empty", Canned::whole(""), (0, 0)),
    ] {
        for response in both(&canned, &discard()) {
            let response = response.unwrap();
            assert_eq!(sizes(&response), expected, "{what}");
            let error = response.json::<Vec<u8>>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{what}");
            assert!(error.message().contains("discard_body"), "{error}");
        }
        // The limit on a part of it goes another way.
        let limited = discard().read_timeout(std::time::Duration::from_secs(60));
        let response = block_on(canned.request(limited)).unwrap();
        assert_eq!(sizes(&response), expected, "{what}");
        // Nobody else pays for it.
        let kept = block_on(canned.get()).unwrap();
        assert!(!kept.is_body_discarded());
        assert_eq!(kept.body_bytes_decoded(), expected.1);
    }
}

#[test]
fn it_has_no_limit_but_one_that_was_set() {
    let piece = vec![0; 1 << 20];
    let count = usize::try_from(MAX_BODY_SIZE >> 20).unwrap() + 1;
    let canned = Canned::pieces(vec![piece.into(); count]);
    for kept in both(&canned, &get()) {
        assert_eq!(kept.map(drop), Err(ErrorKind::Limit));
    }
    for response in both(&canned, &discard()) {
        assert_eq!(sizes(&response.unwrap()).1, MAX_BODY_SIZE + (1 << 20));
    }
    for response in both(&canned, &discard().max_body_size(100)) {
        assert_eq!(response.map(drop), Err(ErrorKind::Limit));
    }
    let whole = Canned::whole(vec![0; 101]);
    for response in both(&whole, &discard().max_body_size(100)) {
        assert_eq!(response.map(drop), Err(ErrorKind::Limit));
    }
}

#[test]
fn damage_is_found_all_the_same() {
    let (coding, mut coded) = encoded(&[Coding::Gzip], b"content");
    let checksum = coded.len() - 8;
    coded[checksum] ^= 1;
    let canned = Canned::whole(coded).coding(&coding);
    for response in both(&canned, &discard()) {
        assert_eq!(response.map(drop), Err(ErrorKind::Decode));
    }
}

#[test]
fn the_status_is_as_it_is() {
    let canned = Canned::whole("gone").status(StatusCode::GONE);
    let response = block_on(canned.request(discard())).unwrap();
    assert_eq!(sizes(&response), (4, 4));
    assert!(response.error_for_status().unwrap_err().is_status());
    let head = discard().method(Method::HEAD);
    let response = block_on(Canned::whole("").request(head)).unwrap();
    assert_eq!(sizes(&response), (0, 0));
}

#[test]
fn who_reads_the_pieces_gets_them() {
    let canned = Canned::whole("content");
    let read = block_on(async {
        let mut response = canned.stream(discard()).await.unwrap();
        let piece = response.next().await.unwrap().unwrap();
        (piece, response.into_whole().await.unwrap())
    });
    assert_eq!(&read.0[..], b"content");
    assert_eq!(sizes(&read.1), (7, 7));
}

#[test]
fn it_can_be_a_default_which_a_request_overrules() {
    let mut defaults = RequestDefaults::default();
    defaults.discard_body = Some(true);
    let session = Session::new(Arc::new(Canned::whole("content"))).with_defaults(defaults);
    let response = block_on(session.request(get())).unwrap();
    assert_eq!(sizes(&response), (7, 7));
    let response = block_on(session.request(get().discard_body(false))).unwrap();
    assert_eq!(response.text(), "content");
}
