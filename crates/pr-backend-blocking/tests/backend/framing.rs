//! The bytes of a request: what stands in its head, and how its body is delimited.

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Method};
use pr_backend_blocking::{Backend, BackendExt, RequestConfig};
use pr_core::{ExchangeRequest, OutgoingBody};
use pr_testkit::{RequestHead, Script, ScriptedServer};

use crate::support::{OK, backend, request};

/// Sends a request, and gives back its head and what was received with it.
async fn sent(
    method: Method,
    change: impl FnOnce(&mut ExchangeRequest),
    length: usize,
) -> (RequestHead, Vec<u8>) {
    let script = Script::new()
        .expect_head()
        .expect_bytes(length)
        .send(OK)
        .stall();
    let server = ScriptedServer::once(script);
    let mut request = request(method, &server.url("/path?query=1"));
    change(&mut request);
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
async fn only_what_frames_the_message_is_added() {
    let (head, _) = sent(Method::GET, |_| {}, 0).await;
    assert_eq!(head.request_line(), "GET /path?query=1 HTTP/1.1");
    let names: Vec<_> = head
        .field_lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(names, ["host"]);
}

#[tokio::test]
async fn the_host_is_the_urls_unless_the_user_says_otherwise() {
    let script = Script::new().expect_head().send(OK).repeat();
    let server = ScriptedServer::once(script);
    let backend = backend();
    backend.request(server.url("/#fragment")).await.unwrap();
    let other = RequestConfig::get(server.url("/")).header("host", "elsewhere.example:81");
    backend.request(other).await.unwrap();
    let heads = server.connections().remove(0).heads;
    assert_eq!(heads[0].header_values("host"), [server.authority()]);
    assert_eq!(heads[0].request_line(), "GET / HTTP/1.1");
    assert_eq!(heads[1].header_values("host"), ["elsewhere.example:81"]);
}

#[tokio::test]
async fn a_method_that_expects_content_says_when_there_is_none() {
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        for body in [
            OutgoingBody::Empty,
            OutgoingBody::Full(Bytes::new()),
            pieces(&[""], Some(0)),
        ] {
            let (head, _) = sent(method.clone(), |request| request.body = body, 0).await;
            assert_eq!(head.header_values("content-length"), ["0"], "{method}");
            assert_eq!(head.header("transfer-encoding"), None, "{method}");
        }
    }
    for method in [Method::GET, Method::DELETE, Method::OPTIONS] {
        let (head, _) = sent(method.clone(), |_| {}, 0).await;
        assert_eq!(head.header("content-length"), None, "{method}");
        assert_eq!(head.header("transfer-encoding"), None, "{method}");
    }
}

#[tokio::test]
async fn a_body_of_known_length_says_it() {
    let unusual = Method::from_bytes(b"PROPFIND").unwrap();
    for method in [Method::POST, Method::GET, Method::DELETE, unusual] {
        for body in [
            OutgoingBody::Full("hello".into()),
            pieces(&["he", "", "llo"], Some(5)),
        ] {
            let (head, body) = sent(method.clone(), |request| request.body = body, 5).await;
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
        let body = pieces(&["he", "", "llo"], None);
        let (head, body) = sent(method, |request| request.body = body, chunked.len()).await;
        assert_eq!(head.header_values("transfer-encoding"), ["chunked"]);
        assert_eq!(head.header("content-length"), None);
        assert_eq!(body, chunked);
    }
}

#[tokio::test]
async fn every_value_of_a_field_is_sent_in_order() {
    let add = |request: &mut ExchangeRequest| {
        for value in ["1", "2", "3"] {
            request
                .headers
                .append("x-many", HeaderValue::from_static(value));
        }
    };
    let (head, _) = sent(Method::GET, add, 0).await;
    assert_eq!(head.header_values("x-many"), ["1", "2", "3"]);
}

#[tokio::test]
async fn a_field_of_any_length_is_sent() {
    let value = "v".repeat(200_000);
    let add = |request: &mut ExchangeRequest| {
        request.headers.insert("x-long", value.parse().unwrap());
        request.body = OutgoingBody::Full("hello".into());
    };
    let (head, body) = sent(Method::POST, add, 5).await;
    assert_eq!(head.header("x-long"), Some(value.as_str()));
    assert_eq!(body, b"hello");
}
