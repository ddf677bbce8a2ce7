//! Peers that answer before they have read the request (RFC 9112, section 9.3; RFC 9113, section
//! 8.1): a success must not hide that only half of an upload was sent.

use std::time::Duration;

use futures::{StreamExt, stream};
use pr_core::{BackendError, BackendExt, Body, BoxError, NormalizedResponse, RequestConfig};

use super::subject::{PATIENCE, Subject};
use crate::{Latch, RequestRecord, Script, ScriptedServer, content};

const PIECE: usize = 64 * 1024;
const PIECES: usize = 16;
const LENGTH: usize = PIECE * PIECES;

/// How long a client that could see the answer has to see it. One that is slower is tried less
/// hard, but passes no worse.
const GRACE: Duration = Duration::from_millis(300);

/// A body of whose pieces only the first comes before the answer is there.
fn interrupted(length: Option<usize>, answered: &Latch) -> Body {
    let answered = answered.clone();
    Body::factory(length.map(|length| length as u64), move || {
        let answered = answered.clone();
        stream::iter(0..PIECES)
            .then(move |number| {
                let answered = answered.clone();
                async move {
                    if number == 1 {
                        if !answered.wait(PATIENCE).await {
                            return Err(BoxError::from("there is no early answer"));
                        }
                        tokio::time::sleep(GRACE).await;
                    }
                    Ok::<_, BoxError>(content::bytes(PIECE))
                }
            })
            .boxed()
    })
}

pub(super) async fn an_early_answer_does_not_hide_a_cut_upload(subject: Subject) {
    let mut cut = Vec::new();
    for length in [None, Some(LENGTH)] {
        let answered = Latch::new();
        let script = Script::new()
            .expect_head()
            .send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly")
            .open(&answered)
            .stall();
        let server = ScriptedServer::once(script);
        let backend = subject.backend();
        let request = RequestConfig::post(server.url("/")).data(interrupted(length, &answered));
        let outcome = backend.request(request).await;
        assert!(answered.is_open(), "{length:?}: {outcome:?}");
        if !is_success("plain TCP", outcome, "early") {
            continue;
        }
        let complete = |received: &[u8]| {
            let head = received.windows(4).position(|four| four == b"\r\n\r\n");
            let body = &received[head.map_or(received.len(), |end| end + 4)..];
            match length {
                Some(length) => body.len() == length,
                None => body.len() > LENGTH && body.ends_with(b"\r\n0\r\n\r\n"),
            }
        };
        let ended = server.wait_until(
            |all| all[0].client_closed || complete(&all[0].received),
            PATIENCE,
        );
        let goes_on = ended.await.is_none();
        let received = &server.connections()[0].received;
        if !complete(received) {
            let count = received.len();
            cut.push(format!(
                "length {length:?}: {count} bytes, connection open: {goes_on}"
            ));
        }
    }
    assert!(cut.is_empty(), "successes with cut uploads: {cut:#?}");
}

pub(super) async fn early_answers_hide_no_cut_upload_on_any_protocol(subject: Subject) {
    let mut cut = Vec::new();
    for link in subject.links() {
        for (number, length) in (1..).zip([None, Some(LENGTH)]) {
            let answered = Latch::new();
            let (opener, ledger) = (answered.clone(), link.server.ledger().clone());
            let opening = tokio::spawn(async move {
                let there = |seen: &crate::Counts| seen.requests_answered == number;
                let answered = ledger.wait_until(there, PATIENCE).await.is_ok();
                if answered {
                    opener.open();
                }
                answered
            });
            let body = interrupted(length, &answered);
            let request = RequestConfig::post(link.url("/early")).data(body);
            let outcome = link.request(request).await;
            let answered = opening.await.expect("waiting does not panic");
            assert!(answered, "{}: {outcome:?}", link.label);
            if !is_success(link.label, outcome, "early\n") {
                continue;
            }
            let ledger = link.server.ledger();
            let last = || ledger.requests().pop().expect("the request arrived");
            // A length says by itself where the body ends; chunks do with the last one.
            let whole = |upload: &RequestRecord| {
                upload.body_bytes == LENGTH as u64 && (length.is_some() || upload.body_complete)
            };
            let ended = |seen: &crate::Counts| whole(&last()) || seen.connections_open == 0;
            ledger.wait_until(ended, PATIENCE).await.ok();
            // What a connection brought before it was closed may not have been read yet.
            let read = |_: &crate::Counts| whole(&last());
            ledger.wait_until(read, Duration::from_secs(2)).await.ok();
            let upload = last();
            if !whole(&upload) {
                let (label, bytes, complete) =
                    (link.label, upload.body_bytes, upload.body_complete);
                cut.push(format!(
                    "{label}, length {length:?}: {bytes} bytes, complete: {complete}"
                ));
            }
        }
    }
    assert!(cut.is_empty(), "successes with cut uploads: {cut:#?}");
}

/// Whether there is a response, which must be the peer's. An error must not deny the request.
fn is_success(
    label: &str,
    outcome: Result<NormalizedResponse, BackendError>,
    expected: &str,
) -> bool {
    match outcome {
        Ok(response) => {
            assert_eq!(response.text(), expected, "{label}");
            true
        }
        Err(error) => {
            assert!(
                error.may_have_been_processed(),
                "{label}: {}",
                error.chain()
            );
            false
        }
    }
}
