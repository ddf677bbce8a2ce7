//! How much a response may have before its content, and how many responses may come before it.

use futures::StreamExt;
use http::Method;
use pr_backend_hyper::{
    Backend, BackendError, BackendExt, ErrorKind, HyperBackend, TransportConfig,
};
use pr_core::{Delivery, Frame};
use pr_testkit::{Script, ScriptedServer};

use crate::support::{PATIENCE, backend, get, request};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What becomes of a request with these settings whose answer is these bytes.
async fn answered(
    config: &TransportConfig,
    bytes: impl Into<bytes::Bytes>,
) -> Result<(), BackendError> {
    let server = ScriptedServer::once(Script::new().expect_head().send(bytes).stall());
    let backend = HyperBackend::with_config(config.clone()).unwrap();
    let url = server.url("/");
    let response = tokio::time::timeout(PATIENCE, get(&backend, &url)).await;
    let mut response = response.expect("it is answered, or given up")?;
    let mut content = Vec::new();
    while let Some(frame) = response.body.next().await {
        if let Frame::Data(piece) = frame? {
            content.extend_from_slice(&piece);
        }
    }
    assert_eq!(content, b"ok");
    Ok(())
}

async fn assert_limit(what: &str, config: &TransportConfig, bytes: String) {
    let error = answered(config, bytes).await.expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Limit, "{what}: {}", error.chain());
    assert_eq!(error.delivery(), Delivery::Unknown, "{what}");
}

/// A head of so many fields.
fn fields(count: usize) -> String {
    let fields = "a: b\r\n".repeat(count - 1);
    format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nok")
}

/// A head of so many bytes.
fn head(size: usize) -> String {
    let frame = "HTTP/1.1 200 OK\r\nlong: \r\ncontent-length: 2\r\n\r\n";
    let value = "x".repeat(size - frame.len());
    format!("HTTP/1.1 200 OK\r\nlong: {value}\r\ncontent-length: 2\r\n\r\nok")
}

#[tokio::test]
async fn a_head_may_have_so_many_fields() {
    for most in [1, 7, 99, 100, 101, 3_000] {
        let config = TransportConfig::default().max_header_fields(most);
        answered(&config, fields(most)).await.unwrap();
        let what = format!("{} fields of {most}", most + 1);
        assert_limit(&what, &config, fields(most + 1)).await;
    }
}

#[tokio::test]
async fn a_limit_beyond_all_heads_costs_nobody_the_client() {
    let config = TransportConfig::default()
        .max_header_fields(usize::MAX)
        .max_head_size(usize::MAX)
        .max_informational(usize::MAX);
    answered(&config, fields(5_000)).await.unwrap();
    let many: Vec<_> = (0..30_000).map(|n| format!("a{n}: b\r\n")).collect();
    let many = many.concat();
    let flood = format!("HTTP/1.1 200 OK\r\n{many}content-length: 2\r\n\r\nok");
    assert_limit("more than a header map has room for", &config, flood).await;
}

#[tokio::test]
async fn a_head_may_be_so_large() {
    for most in [1 << 10, 8_191, 64 << 10, 300_000] {
        let config = TransportConfig::default().max_head_size(most);
        answered(&config, head(most)).await.unwrap();
        let what = format!("{} bytes of {most}", most + 1);
        assert_limit(&what, &config, head(most + 1)).await;
    }
}

#[tokio::test]
async fn a_head_without_end_is_given_up() {
    let endless = format!("HTTP/1.1 200 OK\r\nlong: {}", "x".repeat(100_000));
    assert_limit("one field", &TransportConfig::default(), endless).await;
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(20_000));
    assert_limit("many fields", &TransportConfig::default(), endless).await;
}

#[tokio::test]
async fn a_trailer_section_may_have_so_many_fields() {
    let trailers = |count: usize| {
        let fields = "a: b\r\n".repeat(count);
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n{fields}\r\n")
    };
    for most in [3, 100, 400] {
        let config = TransportConfig::default().max_header_fields(most);
        answered(&config, trailers(most)).await.unwrap();
        let what = format!("{} trailer fields of {most}", most + 1);
        assert_limit(&what, &config, trailers(most + 1)).await;
    }
}

#[tokio::test]
async fn so_many_informational_responses_are_passed_over() {
    for most in [0, 1, 32, 100] {
        let config = TransportConfig::default().max_informational(most);
        for informational in [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nlink: HTTP/1.1 100\r\n\r\n",
            "HTTP/1.0 102 Wait\n\n",
            "\r\nHTTP/1.1 199 \nname: value\n\r\n",
        ] {
            let within = format!("{}{OK}", informational.repeat(most));
            answered(&config, within).await.unwrap();
            let beyond = format!("{}{OK}", informational.repeat(most + 1));
            assert_limit(informational, &config, beyond).await;
        }
    }
}

#[tokio::test]
async fn a_flood_of_informational_responses_is_given_up() {
    let flood = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20_000);
    assert_limit("a flood", &TransportConfig::default(), flood).await;
}

/// However the bytes arrive, byte by byte for one, and on whichever request of a connection.
#[tokio::test]
async fn informational_responses_are_counted_for_each_request_anew() {
    let config = TransportConfig::default().max_informational(2);
    let informational = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    // A body that looks like heads is none.
    let body = informational.repeat(5);
    let length = body.len();
    let answer = format!(
        "{informational}{informational}HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut script = Script::new();
    for _ in 0..3 {
        script = script.expect_head();
        for byte in answer.bytes() {
            script = script.send(vec![byte]);
        }
    }
    script = script.expect_head();
    for byte in informational.repeat(3).bytes() {
        script = script.send(vec![byte]);
    }
    let server = ScriptedServer::once(script.stall());
    let backend = HyperBackend::with_config(config).unwrap();
    for _ in 0..3 {
        let response = backend.request(server.url("/")).await.unwrap();
        assert_eq!(response.content().len(), length);
    }
    let url = server.url("/");
    let error = tokio::time::timeout(PATIENCE, get(&backend, &url)).await;
    let error = error.expect("it is given up").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.was_on_reused_connection());
}

#[tokio::test]
async fn a_connection_with_too_large_a_response_is_not_used_again() {
    let server = ScriptedServer::builder()
        .connection(Script::new().expect_head().send(fields(100)).stall())
        .connection(Script::new().expect_head().send(OK).stall())
        .start();
    let config = TransportConfig::default().max_header_fields(10);
    let backend = HyperBackend::with_config(config).unwrap();
    let error = get(&backend, &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(get(&backend, &server.url("/")).await.unwrap().status, 200);
    assert_eq!(server.connections().len(), 2);
}

#[tokio::test]
async fn what_was_too_much_is_told() {
    let server = ScriptedServer::once(Script::new().expect_head().send(fields(101)).stall());
    let error = backend()
        .exchange(request(Method::GET, &server.url("/")))
        .await
        .unwrap_err();
    let told = "the response's head has more than 100 fields or 65536 bytes";
    assert_eq!(error.message(), told);
}
