//! What the peer answers arrives as it was sent.

use futures::StreamExt;
use http::{HeaderValue, StatusCode};
use pr_core::{BackendExt, Capability, RequestConfig};

use super::subject::Subject;
use crate::content::{self, Check};
use crate::{Script, ScriptedServer};

pub(super) async fn statuses_arrive(subject: Subject) {
    for link in subject.links() {
        for status in [
            200, 201, 202, 300, 400, 401, 404, 418, 429, 500, 503, 599, 799,
        ] {
            let response = link.answer(link.url(&format!("/status/{status}"))).await;
            assert_eq!(response.status_code(), status, "{}", link.label);
            assert!(response.content().is_empty(), "{}", link.label);
            let is_error = (400..600).contains(&status);
            assert_eq!(
                response.error_for_status().is_err(),
                is_error,
                "{}",
                link.label
            );
        }
    }
}

pub(super) async fn every_header_value_arrives(subject: Subject) {
    for link in subject.links() {
        let path = "/response-headers?X-Two=a&x-two=b%2C%20c&X-ONE=1&set-cookie=s%3D1&set-cookie=t%3D2&x-empty=";
        let response = link.answer(link.url(path)).await;
        let values = |name: &str| -> Vec<_> { response.headers().get_all(name).iter().collect() };
        assert_eq!(values("x-two"), ["a", "b, c"], "{}", link.label);
        assert_eq!(values("x-one"), ["1"], "{}", link.label);
        assert_eq!(values("set-cookie"), ["s=1", "t=2"], "{}", link.label);
        assert_eq!(values("x-empty"), [""], "{}", link.label);
        assert_eq!(
            values("content-type"),
            ["application/json"],
            "{}",
            link.label
        );
    }
}

pub(super) async fn responses_without_a_body_have_none(subject: Subject) {
    for link in subject.links() {
        let requests = [
            RequestConfig::head(link.url("/bytes/1000")),
            RequestConfig::head(link.url("/stream-bytes/1000")),
            RequestConfig::get(link.url("/status/204")),
            RequestConfig::get(link.url("/status/304")),
            RequestConfig::get(link.url("/bytes/0")),
        ];
        for request in requests {
            let response = link.answer(request).await;
            assert!(
                response.content().is_empty(),
                "{}: {response:?}",
                link.label
            );
            // What comes next on the connection must not be taken for a body.
            let next = link.answer(link.url("/bytes/10")).await;
            assert_eq!(next.content(), &content::bytes(10), "{}", link.label);
        }
        let head = link
            .answer(RequestConfig::head(link.url("/bytes/1000")))
            .await;
        assert_eq!(head.headers()["content-length"], "1000", "{}", link.label);
    }
}

pub(super) async fn bodies_of_every_size_arrive_whole(subject: Subject) {
    for link in subject.links() {
        for size in [0, 1, 1_000, 16_384, 65_535, 65_536, 100 * 1024, 3_000_000] {
            let known = link.answer(link.url(&format!("/bytes/{size}"))).await;
            assert!(
                *known.content() == content::bytes(size),
                "{}: {size}",
                link.label
            );
            let path = format!("/stream-bytes/{size}?chunk_size=5000");
            let unknown = link.answer(link.url(&path)).await;
            assert!(
                *unknown.content() == content::bytes(size),
                "{}: {size}",
                link.label
            );
        }
        let mut streamed = match link.backend.stream(link.url("/bytes/100000")).await {
            Ok(streamed) => streamed,
            Err(error) => panic!("{}: {}", link.label, error.chain()),
        };
        assert_eq!(streamed.content_length(), Some(100_000), "{}", link.label);
        let mut check = Check::new();
        while let Some(piece) = streamed.next().await {
            let piece = piece.unwrap_or_else(|error| panic!("{}: {}", link.label, error.chain()));
            check
                .feed(&piece)
                .unwrap_or_else(|error| panic!("{}: {error}", link.label));
        }
        assert_eq!(check.length(), 100_000, "{}", link.label);
    }
}

pub(super) async fn text_and_json_are_read(subject: Subject) {
    for link in subject.links() {
        let utf8 = link.answer(link.url("/encoding/utf8")).await;
        assert!(utf8.text().contains("Grüße"), "{}", link.label);
        let latin = link.answer(link.url("/encoding/iso-8859-1")).await;
        assert!(latin.text().starts_with("Grüße"), "{}", link.label);
        let document = link.echo(link.url("/json")).await;
        assert_eq!(document["numbers"][3], 1_000_000_007, "{}", link.label);
    }
}

pub(super) async fn a_response_says_where_it_came_from(subject: Subject) {
    for link in subject.links() {
        let response = link.answer(link.url("/get?x=1")).await;
        assert_eq!(
            response.url().as_str(),
            link.url("/get?x=1"),
            "{}",
            link.label
        );
        assert_eq!(response.version(), link.version, "{}", link.label);
        assert_eq!(response.backend(), link.backend.name(), "{}", link.label);
        assert_eq!(response.attempts(), 1, "{}", link.label);
        assert!(response.history().is_empty(), "{}", link.label);
        let timings = response.timings();
        assert!(timings.head <= timings.total, "{}: {timings:?}", link.label);
        if subject.can(Capability::Network) {
            let connection = response.connection();
            assert!(connection.id != 0 && !connection.reused, "{connection:?}");
            assert_eq!(
                connection.remote_addr,
                Some(link.server.addr()),
                "{}",
                link.label
            );
        }
    }
}

pub(super) async fn trailers_arrive(subject: Subject) {
    for link in subject.links() {
        let label = link.label;
        // Over HTTP/1.1, trailers are for those who ask for them (RFC 9110, section 6.5.1).
        let request = RequestConfig::get(link.url("/trailers")).header("te", "trailers");
        let response = link.answer(request).await;
        assert_eq!(response.text(), "trailers follow\n", "{label}");
        let hash = format!("{:016x}", content::fnv1a64(response.content()));
        let trailer = |name: &str| response.trailers().get(name).map(HeaderValue::as_bytes);
        assert_eq!(trailer("x-checksum"), Some(hash.as_bytes()), "{label}");
        assert_eq!(trailer("x-trailer"), Some(&b"arrived"[..]), "{label}");
    }
}

pub(super) async fn informational_responses_are_passed_over(subject: Subject) {
    let script = Script::new()
        .expect_head()
        .send("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n")
        .send("HTTP/1.1 102 Processing\r\n\r\n")
        .send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfinal")
        .close();
    let server = ScriptedServer::once(script);
    let response = subject.backend().request(server.url("/")).await;
    let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(response.status_code(), StatusCode::OK);
    assert_eq!(response.text(), "final");
    assert!(!response.headers().contains_key("link"));
}

pub(super) async fn bodies_that_end_with_the_connection_arrive(subject: Subject) {
    let script = Script::new()
        .expect_head()
        .send("HTTP/1.1 200 OK\r\n\r\nno length, ")
        .send("no chunks")
        .close();
    let server = ScriptedServer::once(script);
    let response = subject.backend().request(server.url("/")).await;
    let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(response.text(), "no length, no chunks");
}
