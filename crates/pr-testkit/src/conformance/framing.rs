//! The framing of HTTP/1.1 responses at its edges, the same on every backend: what may stand before a
//! head, what ends the trust in a connection, and how the size of a chunk is written.

use futures::{StreamExt, stream};
use pr_core::{BackendExt, Body, ErrorKind, RequestConfig};

use super::subject::{PATIENCE, Subject, error_of};
use crate::{Script, ScriptedServer, content};

/// Empty lines in front of a head are passed over, and do not turn a response into an informational
/// one, or its body into a response.
pub(super) async fn empty_lines_before_a_response_change_nothing(subject: Subject) {
    let other = "HTTP/1.1 418 Teapot\r\ncontent-length: 4\r\n\r\nevil";
    let length = other.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{other}");
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    for blank in ["\r\n", "\r\n\r\n", "\n"] {
        for before in [String::new(), format!("{blank}{hints}")] {
            let script = Script::new()
                .expect_head()
                .send(format!("{before}{blank}{answer}"))
                .stall();
            let server = ScriptedServer::once(script);
            let response = subject.backend().request(server.url("/")).await;
            let response = response.unwrap_or_else(|error| panic!("{blank:?}: {error}"));
            assert_eq!(response.status_code(), 200, "{before:?} {blank:?}");
            assert_eq!(response.text(), other, "{before:?} {blank:?}");
        }
    }
}

pub(super) async fn a_connection_with_a_broken_response_carries_nothing_more(subject: Subject) {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for wrong in [
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ntransfer-encoding: identity\r\n\r\n".to_owned(),
        format!("{CHUNKED}2\r\nok\r\n0\r\nno colon\r\n\r\n"),
    ] {
        let server = ScriptedServer::builder()
            .connection(Script::new().expect_head().send(wrong.clone()).expect_end())
            .connection(
                Script::new()
                    .expect_head()
                    .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .stall(),
            )
            .start();
        let backend = subject.backend();
        let error = error_of(&wrong, backend.request(server.url("/")).await);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{wrong:?}");
        let next = backend.request(server.url("/")).await;
        let next = next.unwrap_or_else(|error| panic!("{wrong:?}: {}", error.chain()));
        assert!(!next.connection().reused, "{wrong:?}");
    }
}

pub(super) async fn an_early_refusal_is_heard_behind_informational_responses(subject: Subject) {
    const REFUSAL: &str = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig";
    for before in [
        "",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
    ] {
        let script = Script::new()
            .expect_head()
            .send(format!("{before}{REFUSAL}"));
        let server = ScriptedServer::once(script.stop_reading());
        let endless = Body::factory(None, || {
            stream::repeat_with(|| Ok(content::bytes(64 << 10))).boxed()
        });
        let request = RequestConfig::post(server.url("/"))
            .data(endless)
            .timeout(PATIENCE);
        let response = subject.backend().request(request).await;
        let response = response.unwrap_or_else(|error| panic!("{before:?}: {error}"));
        assert_eq!(
            (response.status_code().as_u16(), &*response.text()),
            (413, "big"),
            "{before:?}"
        );
    }
}

pub(super) async fn a_malformed_chunk_is_an_error_of_kind_protocol(subject: Subject) {
    for body in [
        "+2\r\nok\r\n0\r\n\r\n",
        " 2\r\nok\r\n0\r\n\r\n",
        "\u{a0}2\r\nok\r\n0\r\n\r\n",
        "2\nok\r\n0\r\n\r\n",
        "2;a\nb\r\nok\r\n0\r\n\r\n",
        "2\r\nok\n0\r\n\r\n",
        "0\r\na: b\rc\r\n\r\n",
    ] {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let script = Script::new()
            .expect_head()
            .send(format!("{head}{body}"))
            .stall();
        let server = ScriptedServer::once(script);
        let request = RequestConfig::get(server.url("/")).timeout(PATIENCE);
        let error = subject.backend().request(request).await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{body:?}: {error}");
    }
}
