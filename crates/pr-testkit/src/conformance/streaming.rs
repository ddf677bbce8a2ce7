//! Bodies of any size at bounded memory, in both directions.
//!
//! Memory is not measured but what it depends on: how far the sending end gets while the receiving
//! end does not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use futures::{StreamExt, stream};
use pr_core::{BackendExt, Body, RequestConfig};

use super::subject::{PATIENCE, Subject};
use crate::content::{self, Check};
use crate::{Latch, Script, ScriptedServer};

const MIB: u64 = 1024 * 1024;

/// More than flow-control windows and the buffers of both ends' operating systems hold together
/// (on Linux up to 4 MiB to send and 6 MiB to receive), and well below what is sent.
const BOUND: u64 = 24 * MIB;

/// How long nothing has to move until it counts as held back.
const QUIET: Duration = Duration::from_millis(300);

pub(super) async fn large_bodies_stream_at_bounded_memory(subject: Subject) {
    for link in subject.links() {
        let url = link.url(&format!("/stream-bytes/{}?chunk_size=65521", 64 * MIB));
        let mut response = match link.backend.stream(url).await {
            Ok(response) => response,
            Err(error) => panic!("{}: {}", link.label, error.chain()),
        };
        let mut check = Check::new();
        let mut paused = false;
        while let Some(piece) = response.next().await {
            let piece = piece.unwrap_or_else(|error| panic!("{}: {}", link.label, error.chain()));
            check
                .feed(&piece)
                .unwrap_or_else(|error| panic!("{}: {error}", link.label));
            if !std::mem::replace(&mut paused, true) {
                let sent = link.server.ledger().bytes_sent_when_quiet(QUIET).await;
                assert!(sent > 0, "{}: the server was not asked", link.label);
                assert!(
                    sent < BOUND,
                    "{}: {sent} bytes left the server unread",
                    link.label
                );
            }
        }
        assert_eq!(check.length(), 64 * MIB, "{}", link.label);
    }
}

pub(super) async fn large_uploads_stream_at_bounded_memory(subject: Subject) {
    let server = ScriptedServer::once(Script::new().expect_head().stop_reading());
    let produced = Arc::new(AtomicU64::new(0));
    let counter = produced.clone();
    let body = Body::factory(None, move || {
        let counter = counter.clone();
        stream::iter(0..256 * 16)
            .map(move |_| {
                let piece = content::bytes(64 * 1024);
                counter.fetch_add(piece.len() as u64, SeqCst);
                Ok(piece)
            })
            .boxed()
    });
    let backend = subject.backend();
    let request = RequestConfig::post(server.url("/")).data(body);
    let sending = tokio::spawn(async move { backend.request(request).await });

    let mut before = 0;
    loop {
        tokio::time::sleep(QUIET).await;
        let now = produced.load(SeqCst);
        assert!(
            now < BOUND,
            "{now} bytes were produced for a peer that does not read"
        );
        if now > 0 && now == before {
            break;
        }
        before = now;
    }
    assert!(!sending.is_finished());
    sending.abort();
}

pub(super) async fn a_stream_yields_before_its_end(subject: Subject) {
    let go = Latch::new();
    let script = Script::new()
        .expect_head()
        .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst")
        .wait_for(&go)
        .send("-last")
        .close();
    let server = ScriptedServer::once(script);
    // Dropping the last handle of a backend ends what it has in flight.
    let backend = subject.backend();
    let response = backend.stream(server.url("/")).await;
    let mut response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
    let first = tokio::time::timeout(PATIENCE, response.next()).await;
    let first = first.expect("what has arrived is not held back");
    assert_eq!(&first.expect("a piece").expect("no error")[..], b"first");
    go.open();
    let rest = response.into_whole().await;
    let rest = rest.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(rest.text(), "-last");
}
