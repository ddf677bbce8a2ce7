//! Content codings: what is taken off, what is refused, and what a bomb may cost.

use http::Method;
use pr_core::{BackendExt, ErrorKind, RequestConfig};

use super::subject::{Link, Subject, error_of};
use crate::content;

/// The body of the route with these parameters.
async fn encoded(link: &Link, query: &str) -> Vec<u8> {
    let response = link.answer(link.url(&format!("/encoded?{query}"))).await;
    response.content().to_vec()
}

async fn kind_of(link: &Link, path: &str) -> ErrorKind {
    let outcome = link.request(link.url(path)).await;
    error_of(&format!("{}: {path}", link.label), outcome).kind()
}

pub(super) async fn contents_are_decoded(subject: Subject) {
    for link in subject.links() {
        let label = link.label;
        for path in ["/gzip", "/deflate", "/deflate?raw=true", "/brotli", "/zstd"] {
            let response = link.answer(link.url(path)).await;
            let json: Result<serde_json::Value, _> = response.json();
            assert!(json.is_ok_and(|json| json.is_object()), "{label}: {path}");
            // The head stays as it came, and the size on the way is told.
            assert!(response.headers().contains_key("content-encoding"));
            assert_ne!(
                response.body_bytes_received(),
                response.content().len() as u64,
                "{label}: {path}"
            );
        }
        for codings in [
            "gzip,br",
            "br,zstd,gzip",
            "deflate,raw-deflate,gzip,br,zstd",
            "identity,gzip",
        ] {
            let body = encoded(&link, &format!("codings={codings}&bytes=70000")).await;
            assert_eq!(body, content::bytes(70_000), "{label}: {codings}");
        }
        let members = encoded(&link, "codings=gzip&members=3&bytes=9000").await;
        assert_eq!(members, content::bytes(9_000), "{label}: several members");
        let separate = encoded(&link, "codings=gzip,br&separate=true&bytes=900").await;
        assert_eq!(separate, content::bytes(900), "{label}: a field for each");
    }
}

pub(super) async fn contents_are_left_alone_where_asked_and_where_there_are_none(subject: Subject) {
    for link in subject.links() {
        let label = link.label;
        let request = RequestConfig::get(link.url("/gzip")).decode(false);
        let raw = link.answer(request).await;
        assert!(raw.content().starts_with(&[0x1f, 0x8b]), "{label}");
        let head = RequestConfig::new(Method::HEAD, link.url("/gzip"));
        assert!(link.answer(head).await.content().is_empty(), "{label}");
    }
}

pub(super) async fn broken_contents_are_decode_errors(subject: Subject) {
    for link in subject.links() {
        for coding in ["gzip", "deflate", "raw-deflate", "br", "zstd"] {
            let path = format!("/encoded?codings={coding}&bytes=5000&cut=3");
            assert_eq!(kind_of(&link, &path).await, ErrorKind::Decode, "{path}");
        }
        let path = "/encoded?codings=gzip&bytes=5000&corrupt=0";
        assert_eq!(kind_of(&link, path).await, ErrorKind::Decode, "{path}");
    }
}

pub(super) async fn more_than_five_codings_are_a_limit_error(subject: Subject) {
    for link in subject.links() {
        let five = "codings=gzip,gzip,gzip,gzip,gzip&bytes=100";
        assert_eq!(encoded(&link, five).await, content::bytes(100));
        let path = "/encoded?codings=gzip,gzip,gzip,gzip,gzip,gzip&bytes=100";
        assert_eq!(kind_of(&link, path).await, ErrorKind::Limit, "{path}");
    }
}

/// The size of the bombs: what a peer can make a client unpack for about a MiB.
const BOMB: u64 = 1 << 30;

pub(super) async fn bombs_are_limit_errors(subject: Subject) {
    for link in subject.links() {
        let label = link.label;
        for coding in ["gzip", "br", "zstd"] {
            let path = format!("/bomb/{coding}/{BOMB}");
            let outcome = link.request(link.url(&path)).await;
            let error = error_of(&format!("{label}: {path}"), outcome);
            assert_eq!(error.kind(), ErrorKind::Limit, "{label}: {path}");
            assert!(error.message().contains("max_body_size"), "{error}");

            // Less is a limit too, and a stream has one only on demand.
            let request = RequestConfig::get(link.url(&path)).max_body_size(1_000);
            let response = link.backend.stream(request).await;
            let mut body = response.unwrap_or_else(|error| panic!("{label}: {}", error.chain()));
            let mut read = 0;
            let error = loop {
                match futures::StreamExt::next(&mut body).await {
                    Some(Ok(piece)) => read += piece.len(),
                    Some(Err(error)) => break error,
                    None => panic!("{label}: {path} ended"),
                }
            };
            assert_eq!(error.kind(), ErrorKind::Limit, "{label}: {path}");
            assert!(read <= 1_000, "{label}: {read} bytes were handed over");
        }
    }
}

pub(super) async fn a_bomb_on_a_redirect_is_not_unpacked(subject: Subject) {
    for link in subject.links() {
        let path = format!("/redirect-with-body?url=/get&coding=gzip&bytes={BOMB}");
        let response = link.answer(link.url(&path)).await;
        assert_eq!(response.url().path(), "/get", "{}", link.label);
    }
}

pub(super) async fn large_bodies_are_limit_errors(subject: Subject) {
    for link in subject.links() {
        let label = link.label;
        for path in ["/bytes/5001", "/stream-bytes/5001"] {
            let limited = |most| RequestConfig::get(link.url(path)).max_body_size(most);
            let error = error_of(label, link.request(limited(5_000)).await);
            assert_eq!(error.kind(), ErrorKind::Limit, "{label}: {path}");
            let whole = link.answer(limited(5_001)).await;
            assert_eq!(whole.body_bytes_received(), 5_001, "{label}: {path}");
        }
        // What HEAD answers is the length of a body that does not come.
        let head = RequestConfig::new(Method::HEAD, link.url("/bytes/5001")).max_body_size(5_000);
        assert!(link.answer(head).await.content().is_empty(), "{label}");
    }
}

pub(super) async fn a_download_is_a_file_when_it_is_whole(subject: Subject) {
    let folder = tempfile::tempdir().expect("a test can make a folder");
    let path = folder.path().join("download");
    for link in subject.links() {
        let label = link.label;
        std::fs::write(&path, "before").expect("a test can write a file");
        let broken = link.url("/encoded?codings=gzip&bytes=5000&cut=3");
        let outcome = link.backend.stream(broken).await;
        let mut response = outcome.unwrap_or_else(|error| panic!("{label}: {}", error.chain()));
        assert!(response.copy_to_file(&path).await.is_err(), "{label}");
        let held = std::fs::read(&path).expect("the file is still there");
        assert_eq!(held, b"before", "{label}");

        let outcome = link.backend.stream(link.url("/bytes/300000")).await;
        let mut response = outcome.unwrap_or_else(|error| panic!("{label}: {}", error.chain()));
        let copied = response.copy_to_file(&path).await;
        let copied = copied.unwrap_or_else(|error| panic!("{label}: {}", error.chain()));
        assert_eq!(copied, 300_000, "{label}");
        let held = std::fs::read(&path).expect("the file is there");
        assert_eq!(held, content::bytes(300_000), "{label}");
        let files = std::fs::read_dir(&folder).expect("the folder is there");
        assert_eq!(files.count(), 1, "{label}: nothing else is left behind");
    }
}
