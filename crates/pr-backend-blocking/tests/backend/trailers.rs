//! What follows the last chunk of a body.

use futures::StreamExt;
use pr_backend_blocking::{BackendExt, BlockingBackend, ErrorKind};
use pr_core::Frame;
use pr_testkit::{Latch, Script, ScriptedServer};

use crate::support::{PATIENCE, backend, get, trusting};

const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// Names and values.
type Fields = &'static [(&'static str, &'static str)];

/// What the contents and the trailers are of a response with these bytes after its head, sent piece
/// by piece of this length.
async fn answered(
    backend: &BlockingBackend,
    body: &str,
    step: usize,
) -> Result<(String, Vec<(String, String)>), ErrorKind> {
    let mut script = Script::new().expect_head().send(HEAD);
    for piece in body.as_bytes().chunks(step) {
        script = script.send(piece.to_vec());
        if step < 1000 {
            script = script.pause(std::time::Duration::from_millis(1));
        }
    }
    let server = ScriptedServer::once(script.close());
    let response = backend.request(server.url("/")).await;
    let response = response.map_err(|error| error.kind())?;
    let fields = response.trailers().iter();
    let fields = fields.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Ok((response.text().into_owned(), fields.collect()))
}

#[tokio::test]
async fn they_arrive_however_the_body_comes() {
    let cases: [(&str, &str, Fields); 8] = [
        ("2\r\nok\r\n0\r\n\r\n", "ok", &[]),
        ("0\r\nsum: 7\r\n\r\n", "", &[("sum", "7")]),
        (
            "2\r\nok\r\n0\r\nSum: 7\r\nb: \r\nsum:8 \r\n\r\n",
            "ok",
            &[("sum", "7"), ("sum", "8"), ("b", "")],
        ),
        // Sizes in all their forms, and content that looks like what it is not.
        (
            "b;x=0\r\n0\r\na: b\r\n\r\n\r\n00\r\nsum: 7\r\n\r\n",
            "0\r\na: b\r\n\r\n",
            &[("sum", "7")],
        ),
        ("2 \r\nok\r\n0;abc\r\nsum: 7\r\n\r\n", "ok", &[("sum", "7")]),
        (
            "2 \t;x\r\nok\r\n0 \r\nsum: 7\r\n\r\n",
            "ok",
            &[("sum", "7")],
        ),
        // Longer than ureq takes.
        (
            "2;signature=0123456789abcdef\r\nok\r\n0;signature=\"0123456789abcdef\"\r\nsum: 7\r\n\r\n",
            "ok",
            &[("sum", "7")],
        ),
        (
            "000000000000000000000000000B\r\n0123456789a\r\n0000000000000000000000000\r\n\r\n",
            "0123456789a",
            &[],
        ),
    ];
    let backend = backend();
    for (body, content, fields) in cases {
        for step in [1, 7, 1000] {
            let outcome = answered(&backend, body, step).await;
            let (text, trailers) =
                outcome.unwrap_or_else(|kind| panic!("{body:?} by {step}: {kind}"));
            assert_eq!(text, content, "{body:?} by {step}");
            let trailers: Vec<_> = trailers.iter().map(|(a, b)| (&**a, &**b)).collect();
            assert_eq!(trailers, fields, "{body:?} by {step}");
        }
    }
}

#[tokio::test]
async fn they_come_last_and_once_in_a_body_that_is_streamed() {
    let latch = Latch::new();
    let large = "x".repeat(300_000);
    let script = Script::new()
        .expect_head()
        .send(format!("{HEAD}{:x}\r\n{large}\r\n", large.len()))
        .wait_for(&latch)
        .send("2\r\nok\r\n0\r\nsum: 7\r\n\r\n")
        .repeat();
    let server = ScriptedServer::once(script);
    let backend = backend();
    let mut body = get(&backend, server.url("/")).await.unwrap().body;
    let mut length = 0;
    let mut trailers = None;
    while let Some(frame) = body.next().await {
        assert!(trailers.is_none());
        match frame.unwrap() {
            Frame::Data(piece) => {
                length += piece.len();
                if length >= large.len() {
                    latch.open();
                }
            }
            Frame::Trailers(fields) => trailers = Some(fields),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(length, large.len() + 2);
    assert_eq!(trailers.unwrap()["sum"], "7");
    // Those of one response are not those of the next.
    drop(get(&backend, server.url("/")).await.unwrap());
    assert_eq!(server.connections().len(), 1);
}

#[tokio::test]
async fn too_many_or_too_long_are_an_error_of_kind_limit() {
    let fields = |count: usize| format!("2\r\nok\r\n0\r\n{}\r\n", "a: b\r\n".repeat(count));
    let long = |length: usize| format!("2\r\nok\r\n0\r\na: {}\r\n\r\n", "x".repeat(length));
    let config = trusting().max_header_fields(10);
    let backend = BlockingBackend::with_config(config).unwrap();
    for step in [500, 100_000] {
        assert_eq!(
            answered(&backend, &fields(10), step).await.unwrap().1.len(),
            10
        );
        let fits = answered(&backend, &long(16_000), step).await.unwrap();
        assert_eq!(fits.1[0].1.len(), 16_000);
        for body in [fields(11), long(20_000), long(100_000)] {
            let outcome = answered(&backend, &body, step).await;
            assert_eq!(outcome.unwrap_err(), ErrorKind::Limit);
        }
    }
    // A section that never ends.
    let lines = "a: b\r\n".repeat(100_000);
    let script = Script::new()
        .expect_head()
        .send(format!("{HEAD}0\r\n{lines}"));
    let server = ScriptedServer::once(script.stall());
    let error = backend.request(server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}

#[tokio::test]
async fn what_is_no_field_is_an_error_of_kind_protocol() {
    for line in [
        "a: b\rc: d",
        "a\r: b",
        "a: b\r\n\rc",
        "no colon",
        "na me: x",
        "a: b\0c",
        ": x",
        "a: b\r\n folded",
    ] {
        let body = format!("2\r\nok\r\n0\r\n{line}\r\n\r\n");
        let outcome = answered(&backend(), &body, 1000).await;
        assert_eq!(outcome.unwrap_err(), ErrorKind::Protocol, "{line:?}");
    }
}

/// Waits for a response that is not whole, the connection staying open.
async fn fault(body: &str, step: usize) -> ErrorKind {
    let mut script = Script::new().expect_head().send(HEAD);
    for piece in body.as_bytes().chunks(step) {
        script = script.send(piece.to_vec());
        if step < 1000 {
            script = script.pause(std::time::Duration::from_millis(1));
        }
    }
    let server = ScriptedServer::once(script.stall());
    let backend = backend();
    let outcome = tokio::time::timeout(PATIENCE, backend.request(server.url("/"))).await;
    let outcome = outcome.unwrap_or_else(|_| panic!("{body:?} by {step} hangs"));
    outcome.expect_err(body).kind()
}

#[tokio::test]
async fn a_chunk_that_is_not_written_as_one_is_an_error_of_kind_protocol() {
    for body in [
        "+2\r\nok\r\n0\r\n\r\n",
        "-0\r\n\r\n",
        "\u{a0}2\r\nok\r\n0\r\n\r\n",
        "2\u{2003}\r\nok\r\n0\r\n\r\n",
        " 2\r\nok\r\n0\r\n\r\n",
        "\n2\r\nok\r\n0\r\n\r\n",
        "2\nok\r\n0\r\n\r\n",
        "2\rok\r\n0\r\n\r\n",
        "2 2\r\nok\r\n0\r\n\r\n",
        "2;a\nb\r\nok\r\n0\r\n\r\n",
        "2;a\rb\r\nok\r\n0\r\n\r\n",
        ";x\r\nok\r\n0\r\n\r\n",
        "0x2\r\nok\r\n0\r\n\r\n",
        "2\r\nok0\r\n\r\n",
        "2\r\nok\n0\r\n\r\n",
        "2\r\nok\r0\r\n\r\n",
        "10000000000000000\r\nok\r\n0\r\n\r\n",
        "0\r\na: b\rc\r\n\r\n",
        "0\r\na: b\r\n\rc",
    ] {
        for step in [1, 1000] {
            let kind = fault(body, step).await;
            assert_eq!(kind, ErrorKind::Protocol, "{body:?} by {step}");
        }
    }
}

#[tokio::test]
async fn extensions_are_an_error_of_kind_limit_when_they_are_more_than_16_kib_in_all() {
    let one = |length: usize| format!("2;{}\r\nok\r\n0\r\n\r\n", "x".repeat(length));
    let many = |count: usize| format!("{}0\r\n\r\n", "2;abc\r\nok\r\n".repeat(count));
    let backend = backend();
    for (body, content) in [(one(16_000), 2), (many(4_000), 8_000)] {
        let (text, _) = answered(&backend, &body, 100_000).await.unwrap();
        assert_eq!(text.len(), content);
    }
    for body in [
        one(17_000),
        many(4_200),
        format!("2;{}", "x".repeat(1 << 20)),
    ] {
        assert_eq!(fault(&body, 100_000).await, ErrorKind::Limit);
    }
}
