//! What a user describes arrives at the peer as it was described.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderValue, Method};
use pr_core::{Body, BoxError, Capability, ErrorKind, RequestConfig};
use serde_json::json;

use super::subject::{Subject, echoed, error_of};
use crate::{RequestOutcome, content};

pub(super) async fn methods_arrive(subject: Subject) {
    for link in subject.links() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
            let request = RequestConfig::get(link.url("/anything")).method(method);
            assert_eq!(link.echo(request).await["method"], method, "{}", link.label);
        }
        let head = link
            .answer(RequestConfig::head(link.url("/anything")))
            .await;
        assert_eq!(head.status_code(), 200);
        if subject.can(Capability::Network) {
            let requests = link.server.ledger().requests();
            assert_eq!(
                requests.last().map(|last| &last.method),
                Some(&Method::HEAD)
            );
        }
    }
}

pub(super) async fn bodies_arrive_byte_for_byte(subject: Subject) {
    let bodies = [
        Bytes::new(),
        Bytes::from_static(b"hello"),
        Bytes::from_static("Grüße, 世界".as_bytes()),
        Bytes::from_static(b"\0\r\n\r\n0\r\n\r\n"),
        content::bytes(1024 * 1024),
    ];
    for link in subject.links() {
        for body in &bodies {
            for method in [Method::POST, Method::PUT, Method::PATCH] {
                let request = RequestConfig::new(method, &*link.url("/anything"));
                let echo = link.echo(request.data(body.clone())).await;
                let data = echo["data"].as_str().unwrap_or_default();
                let arrived = match echo["data_encoding"].as_str() {
                    Some("base64") => STANDARD.decode(data).expect("the server encodes well"),
                    _ => data.as_bytes().to_vec(),
                };
                assert!(
                    arrived == *body,
                    "{}: {} bytes differ",
                    link.label,
                    body.len()
                );
                // An empty body of a method that expects one says so (RFC 9110 section 8.6).
                let lengths = echoed(&echo, "content-length");
                assert_eq!(lengths, [body.len().to_string()], "{}", link.label);
            }
        }
        let bare = link.echo(RequestConfig::post(link.url("/anything"))).await;
        assert_eq!(echoed(&bare, "content-length"), ["0"], "{}", link.label);
        let get = link.echo(link.url("/anything")).await;
        assert!(echoed(&get, "content-length").is_empty(), "{}", link.label);
    }
}

pub(super) async fn json_and_forms_arrive(subject: Subject) {
    for link in subject.links() {
        let document = json!({ "list": [1, 2.5, null, true], "text": "Grüße \"世界\"\n" });
        let request = RequestConfig::post(link.url("/post")).json(&document);
        let echo = link.echo(request).await;
        assert_eq!(echo["json"], document, "{}", link.label);
        assert_eq!(
            echoed(&echo, "content-type"),
            ["application/json"],
            "{}",
            link.label
        );

        let pairs = [("a", "1"), ("b c", "ü&="), ("a", "2"), ("empty", "")];
        let request = RequestConfig::post(link.url("/post")).form(pairs);
        let echo = link.echo(request).await;
        assert_eq!(echo["form"], json!(pairs), "{}", link.label);
        let form = "application/x-www-form-urlencoded";
        assert_eq!(echoed(&echo, "content-type"), [form], "{}", link.label);
    }
}

pub(super) async fn streamed_bodies_arrive(subject: Subject) {
    const LENGTH: usize = 300_000;
    let whole = content::bytes(LENGTH);
    let pieces = || {
        let pieces = content::bytes(LENGTH)
            .chunks(7_000)
            .map(Bytes::copy_from_slice)
            .collect::<Vec<_>>();
        stream::iter(pieces).map(Ok::<_, BoxError>)
    };
    let expected = json!({
        "bytes": LENGTH,
        "fnv1a64": format!("{:016x}", content::fnv1a64(&whole)),
    });
    for link in subject.links() {
        for (length, body) in [
            (
                Some(LENGTH),
                Body::factory(Some(LENGTH as u64), move || pieces().boxed()),
            ),
            (None, Body::factory(None, move || pieces().boxed())),
            (Some(LENGTH), Body::one_shot(Some(LENGTH as u64), pieces())),
            (None, Body::one_shot(None, pieces())),
        ] {
            let request = RequestConfig::post(link.url("/upload")).data(body);
            assert_eq!(link.echo(request).await, expected, "{}", link.label);
            if subject.can(Capability::Network) {
                let last = link.server.ledger().requests().pop();
                let last = last.expect("the request arrived");
                let stated = length.map(|length| length.to_string());
                assert_eq!(
                    last.header("content-length"),
                    stated.as_deref(),
                    "{}",
                    link.label
                );
            }
        }
        // No pieces at all are a body too.
        let empty = Body::factory(None, || stream::empty().boxed());
        let request = RequestConfig::post(link.url("/upload")).data(empty);
        assert_eq!(link.echo(request).await["bytes"], 0, "{}", link.label);
    }
}

pub(super) async fn streamed_bodies_of_the_wrong_length_are_errors(subject: Subject) {
    for link in subject.links() {
        for stated in [5, 15] {
            let body = Body::factory(Some(stated), || {
                stream::iter([Ok(Bytes::from_static(b"ten bytes!"))]).boxed()
            });
            let request = RequestConfig::post(link.url("/upload")).data(body);
            let error = error_of(link.label, link.request(request).await);
            let chain = error.chain();
            assert_eq!(
                error.kind(),
                ErrorKind::Body,
                "{}, {stated}: {chain}",
                link.label
            );
        }
        // Neither message may leave anything behind on a connection.
        assert_eq!(link.answer(link.url("/get")).await.status_code(), 200);
    }
}

pub(super) async fn a_failing_body_is_not_taken_for_a_whole_one(subject: Subject) {
    for link in subject.links() {
        for length in [None, Some(1_000_000)] {
            let body = Body::factory(length, || {
                let pieces = [
                    Ok(content::bytes(50_000)),
                    Err(BoxError::from("the disk is gone")),
                ];
                stream::iter(pieces).boxed()
            });
            let request = RequestConfig::post(link.url("/upload")).data(body);
            let error = error_of(link.label, link.request(request).await);
            assert_eq!(
                error.kind(),
                ErrorKind::Body,
                "{}: {}",
                link.label,
                error.chain()
            );
            assert!(
                error.chain().contains("the disk is gone"),
                "{}",
                error.chain()
            );
        }
        // The head may have arrived or not; what must not have happened is that the rest did.
        assert_eq!(link.answer(link.url("/get")).await.status_code(), 200);
        for upload in link.server.ledger().requests_to("/upload") {
            assert!(!upload.body_complete, "{}: {upload:?}", link.label);
            let answered = RequestOutcome::Answered(http::StatusCode::OK);
            assert_ne!(upload.outcome, answered, "{}", link.label);
        }
    }
}

pub(super) async fn request_headers_arrive(subject: Subject) {
    for link in subject.links() {
        let request = RequestConfig::get(link.url("/headers"))
            .header("x-one", "1")
            .header("X-Two", "first")
            .header("x-two", "second, third")
            .header("x-empty", "")
            .header("user-agent", "conformance/1")
            .cookie("a", "1")
            .cookie("b", "2");
        let echo = link.echo(request).await;
        assert_eq!(echoed(&echo, "x-one"), ["1"], "{}", link.label);
        assert_eq!(
            echoed(&echo, "x-two"),
            ["first", "second, third"],
            "{}",
            link.label
        );
        assert_eq!(echoed(&echo, "x-empty"), [""], "{}", link.label);
        assert_eq!(
            echoed(&echo, "user-agent"),
            ["conformance/1"],
            "{}",
            link.label
        );
        assert_eq!(echoed(&echo, "accept"), ["*/*"], "{}", link.label);
        // HTTP/2 may split the field (RFC 9113 section 8.2.3).
        assert_eq!(
            echoed(&echo, "cookie").join("; "),
            "a=1; b=2",
            "{}",
            link.label
        );
        // Only what can be decoded is asked for.
        for coding in echoed(&echo, "accept-encoding").join(",").split(',') {
            let known = ["", "gzip", "deflate", "br", "zstd"].contains(&coding.trim());
            assert!(known, "{}: {coding}", link.label);
        }

        let auth = RequestConfig::get(link.url("/basic-auth/user/p%3Aw")).basic_auth("user", "p:w");
        assert_eq!(link.answer(auth).await.status_code(), 200, "{}", link.label);
        let auth = RequestConfig::get(link.url("/bearer")).bearer_auth("t0k3n");
        assert_eq!(link.echo(auth).await["token"], "t0k3n", "{}", link.label);
    }
}

pub(super) async fn header_values_beyond_ascii_arrive(subject: Subject) {
    let value = HeaderValue::from_bytes(b"caf\xe9 \xff\x80").expect("obs-text is allowed");
    for link in subject.links() {
        let request = RequestConfig::get(link.url("/get")).header("x-bytes", value.clone());
        link.answer(request).await;
        let request = link.server.ledger().requests().pop();
        let headers = request.expect("the request arrived").headers;
        assert_eq!(headers.get("x-bytes"), Some(&value), "{}", link.label);
    }
}

pub(super) async fn messages_are_framed_once(subject: Subject) {
    for link in subject.links() {
        let request = RequestConfig::post(link.url("/anything")).header("content-length", "3");
        link.answer(request.data("abc")).await;
        let request = link
            .server
            .ledger()
            .requests()
            .pop()
            .expect("the request arrived");
        let is_http2 = request.version == http::Version::HTTP_2;
        for (name, count) in [
            ("host", usize::from(!is_http2)),
            ("content-length", 1),
            ("transfer-encoding", 0),
            ("user-agent", 1),
            ("accept", 1),
        ] {
            let values = request.header_values(name);
            assert_eq!(values.len(), count, "{}: {name}: {values:?}", link.label);
        }
        let authority = Some(link.server.authority());
        assert_eq!(request.authority, authority, "{}", link.label);
        assert_eq!(request.target, "/anything", "{}", link.label);
    }
}

pub(super) async fn a_host_header_replaces_the_authority(subject: Subject) {
    for link in subject.links() {
        let request =
            RequestConfig::get(link.url("/anything/x")).header("host", "other.example:81");
        let echo = link.echo(request).await;
        let url = echo["url"].as_str().unwrap_or_default();
        assert!(
            url.ends_with("://other.example:81/anything/x"),
            "{}: {url}",
            link.label
        );
    }
}

pub(super) async fn params_join_the_query(subject: Subject) {
    for link in subject.links() {
        let request = RequestConfig::get(link.url("/anything/a%20b?x=1"))
            .param("y", "2 & 3 = ü/?#")
            .param("x", "again");
        let echo = link.echo(request).await;
        let pairs = json!([["x", "1"], ["y", "2 & 3 = ü/?#"], ["x", "again"]]);
        assert_eq!(echo["args"], pairs, "{}", link.label);
        let url = echo["url"].as_str().unwrap_or_default();
        assert!(
            url.contains("/anything/a%20b?x=1&y="),
            "{}: {url}",
            link.label
        );
        let bare = link.echo(link.url("/anything")).await;
        assert_eq!(bare["url"], link.url("/anything"), "{}", link.label);
        // What follows the number sign is the client's own (RFC 9110 section 4.2.5).
        let echo = link.echo(link.url("/anything?q#fragment")).await;
        assert_eq!(echo["url"], link.url("/anything?q"), "{}", link.label);
    }
}
