//! Files: opened when they are sent, as long as they were then, and never held whole.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use async_trait::async_trait;
use futures::StreamExt;
use http::StatusCode;
use pollster::block_on;
use pr_core::{
    Backend, BackendError, BackendExt, Body, Capabilities, Capability, Delivery, ErrorKind,
    ExchangeRequest, ExchangeResponse, OutgoingBody, RequestConfig, Warnings,
};
use tempfile::TempDir;

use crate::support::Taker;

/// What the documentation says.
const PIECE: usize = 128 << 10;

fn upload(path: &Path) -> RequestConfig {
    RequestConfig::put("http://h.example/").data(Body::file(path))
}

fn file(content: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("content");
    fs::write(&path, content).unwrap();
    (folder, path)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

#[tokio::test]
async fn a_file_of_any_length_arrives_whole_with_its_length() {
    for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 17] {
        let content = pattern(length);
        let (_folder, path) = file(&content);
        let backend = Taker::new().shared();
        backend.request(upload(&path)).await.unwrap();
        let sent = &backend.sent()[0];
        assert_eq!(sent.length, Some(length as u64));
        assert!(sent.content == content, "{length} bytes");
        assert!(sent.largest_piece <= PIECE);
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused_before_a_byte_is_sent() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    for path in [&missing, folder.path(), Path::new("/dev/null")] {
        let backend = Taker::new().shared();
        let error = backend.request(upload(path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{error:?}");
        assert_eq!(error.delivery(), Delivery::NotSent);
        assert!(backend.sent().is_empty());
    }
}

#[tokio::test]
async fn a_redirect_sends_the_file_again_as_it_is_then() {
    let (_folder, path) = file(b"first");
    let rewritten = path.clone();
    let backend = Taker::new()
        .redirecting(1)
        .on_piece(move |_, _| fs::write(&rewritten, "second, and longer").unwrap())
        .shared();
    backend.request(upload(&path)).await.unwrap();
    let sent = backend.sent();
    assert_eq!(sent[0].content, b"first");
    assert_eq!(sent[1].content, b"second, and longer");
    assert_eq!(sent[1].length, Some(18));
}

#[tokio::test]
async fn a_file_that_becomes_shorter_ends_the_request() {
    let (_folder, path) = file(&pattern(3 * PIECE));
    let cut = path.clone();
    let backend = Taker::new()
        .on_piece(move |number, _| {
            if number == 0 {
                let file = OpenOptions::new().write(true).open(&cut).unwrap();
                file.set_len(PIECE as u64 + 5).unwrap();
            }
        })
        .shared();
    let error = backend.request(upload(&path)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Body);
    assert!(error.chain().contains("became shorter"), "{error:?}");
}

#[tokio::test]
async fn what_is_appended_meanwhile_is_left_out() {
    let content = pattern(2 * PIECE + 1);
    let (_folder, path) = file(&content);
    let log = path.clone();
    let backend = Taker::new()
        .on_piece(move |_, _| {
            let mut file = OpenOptions::new().append(true).open(&log).unwrap();
            file.write_all(b"one more line").unwrap();
        })
        .shared();
    backend.request(upload(&path)).await.unwrap();
    let sent = &backend.sent()[0];
    assert_eq!(sent.length, Some(content.len() as u64));
    assert!(sent.content == content);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_large_file_is_never_held_whole() {
    use std::sync::atomic::{AtomicU64, Ordering};

    const LENGTH: u64 = 256 << 20;

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("large");
    File::create(&path).unwrap().set_len(LENGTH).unwrap();
    let before = resident();
    let most = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&most);
    let backend = Taker::new()
        .forgetful()
        .on_piece(move |_, _| {
            seen.fetch_max(resident(), Ordering::Relaxed);
        })
        .shared();
    backend.request(upload(&path)).await.unwrap();
    assert_eq!(backend.sent()[0].total, LENGTH);
    // The other tests of this program run at the same time and hold little.
    let grown = most.load(Ordering::Relaxed).saturating_sub(before);
    assert!(grown < 128 << 20, "{grown} bytes more were resident");
}

/// The resident memory of this process, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

/// Reads bodies on a thread of its own that knows of no runtime.
#[derive(Debug, Default)]
struct Aside {
    sent: Mutex<Vec<u8>>,
    warnings: Warnings,
}

#[async_trait]
impl Backend for Aside {
    fn name(&self) -> &'static str {
        "aside"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::of(&[Capability::StreamingUpload])
    }

    fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    async fn exchange(&self, request: ExchangeRequest) -> Result<ExchangeResponse, BackendError> {
        let OutgoingBody::Stream { mut stream, .. } = request.body else {
            panic!("a file is a stream");
        };
        let read = move || {
            block_on(async {
                let mut content = Vec::new();
                while let Some(piece) = stream.next().await {
                    content.extend_from_slice(&piece.unwrap());
                }
                content
            })
        };
        *self.sent.lock().unwrap() = thread::spawn(read).join().unwrap();
        Ok(ExchangeResponse::new(StatusCode::OK))
    }

    async fn close(&self) {}
}

#[tokio::test]
async fn a_file_needs_no_runtime_to_be_read() {
    let content = pattern(2 * PIECE + 1);
    let (_folder, path) = file(&content);
    let backend = Arc::new(Aside::default());
    backend.request(upload(&path)).await.unwrap();
    assert!(*backend.sent.lock().unwrap() == content);
}

#[test]
fn nothing_is_read_before_it_is_sent() {
    let body = Body::file("/nowhere");
    assert_eq!(body.content_length(), None);
    assert!(body.is_reopenable() && !body.is_empty() && body.as_bytes().is_none());
    assert_eq!(format!("{body:?}"), "File");
    assert!(upload(Path::new("/nowhere")).check().is_ok());
}
