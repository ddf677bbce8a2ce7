//! The bytes of a request: what stands in its head, and how its body is delimited.

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Method};
use pr_backend_hyper::{Backend, BackendExt, RequestConfig};
use pr_core::OutgoingBody;
use pr_testkit::{RequestHead, Script, ScriptedServer};

use crate::support::{backend, request};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Sends a request, and gives back its head and what was received with it.
async fn sent(method: Method, body: OutgoingBody, length: usize) -> (RequestHead, Vec<u8>) {
    let script = Script::new()
        .expect_head()
        .expect_bytes(length)
        .send(OK)
        .stall();
    let server = ScriptedServer::once(script);
    let mut request = request(method, &server.url("/path?query=1"));
    request.body = body;
    backend().exchange(request).await.unwrap();
    let connection = server.connections().remove(0);
    let head = connection.heads[0].clone();
    let body = connection.received[head.as_str().len()..].to_vec();
    (head, body)
}

fn pieces(pieces: &'static [&'static str], length: Option<u64>) -> OutgoingBody {
    let pieces = pieces
        .iter()
        .map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
    OutgoingBody::Stream {
        stream: Box::pin(stream::iter(pieces)),
        length,
    }
}

#[tokio::test]
async fn the_head_is_in_origin_form_and_names_the_host() {
    let server = ScriptedServer::once(Script::new().expect_head().send(OK).stall());
    let backend = backend();
    backend
        .request(server.url("/path?query=1#fragment"))
        .await
        .unwrap();
    let connections = server.connections();
    let head = &connections[0].heads[0];
    assert_eq!(head.request_line(), "GET /path?query=1 HTTP/1.1");
    assert_eq!(head.header_values("host"), [server.authority()]);
    // Field names are in lower case, as they are everywhere else.
    assert!(
        head.field_lines()
            .all(|line| line.starts_with(|first: char| first.is_lowercase()))
    );
    for absent in ["content-length", "transfer-encoding", "connection"] {
        assert_eq!(head.header(absent), None);
    }
}

#[tokio::test]
async fn a_host_of_the_users_own_is_left_as_it_is() {
    let server = ScriptedServer::once(Script::new().expect_head().send(OK).stall());
    let request = RequestConfig::get(server.url("/")).header("host", "elsewhere.example:81");
    backend().request(request).await.unwrap();
    assert_eq!(
        server.connections()[0].heads[0].header_values("host"),
        ["elsewhere.example:81"]
    );
}

#[tokio::test]
async fn a_method_that_expects_content_says_when_there_is_none() {
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        for body in [
            OutgoingBody::Empty,
            OutgoingBody::Full(Bytes::new()),
            pieces(&[""], Some(0)),
        ] {
            let (head, _) = sent(method.clone(), body, 0).await;
            assert_eq!(head.header_values("content-length"), ["0"], "{method}");
            assert_eq!(head.header("transfer-encoding"), None, "{method}");
        }
    }
    for method in [Method::GET, Method::DELETE, Method::OPTIONS] {
        let (head, _) = sent(method.clone(), OutgoingBody::Empty, 0).await;
        assert_eq!(head.header("content-length"), None, "{method}");
    }
}

#[tokio::test]
async fn a_body_of_known_length_says_it() {
    for method in [Method::POST, Method::GET, Method::DELETE] {
        for body in [
            OutgoingBody::Full("hello".into()),
            pieces(&["he", "", "llo"], Some(5)),
        ] {
            let (head, body) = sent(method.clone(), body, 5).await;
            assert_eq!(head.header_values("content-length"), ["5"], "{method}");
            assert_eq!(head.header("transfer-encoding"), None, "{method}");
            assert_eq!(body, b"hello");
        }
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_chunked_whatever_the_method() {
    let chunked = b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let (head, body) = sent(method, pieces(&["he", "", "llo"], None), chunked.len()).await;
        assert_eq!(head.header_values("transfer-encoding"), ["chunked"]);
        assert_eq!(head.header("content-length"), None);
        assert_eq!(body, chunked);
    }
}

#[tokio::test]
async fn every_value_of_a_field_is_sent_in_order() {
    let server = ScriptedServer::once(Script::new().expect_head().send(OK).stall());
    let mut request = request(Method::GET, &server.url("/"));
    for value in ["1", "2", "3"] {
        request
            .headers
            .append("x-many", HeaderValue::from_static(value));
    }
    backend().exchange(request).await.unwrap();
    assert_eq!(
        server.connections()[0].heads[0].header_values("x-many"),
        ["1", "2", "3"]
    );
}
