//! Which bodies are decoded at all.

use bytes::Bytes;
use http::{Method, StatusCode};
use pr_core::{BackendExt, ErrorKind, RequestConfig};

use super::support::{Canned, Coding, block_on, get};

#[test]
fn left_as_they_came() {
    let body = Bytes::from(Coding::Gzip.encode(b"content"));
    let coded = || Canned::whole(body.clone()).coding("gzip");
    let table = [
        ("a part", get(), coded().status(StatusCode::PARTIAL_CONTENT)),
        ("asked for", get().decode(false), coded()),
        (
            "identity",
            get(),
            Canned::whole(body.clone()).coding("identity"),
        ),
        ("no coding", get(), Canned::whole(body.clone())),
        ("unknown", get(), Canned::whole(body.clone()).coding("dcb")),
        (
            "known on unknown",
            get(),
            Canned::whole(body.clone()).coding("dcb, gzip"),
        ),
    ];
    for (what, request, canned) in table {
        let whole = block_on(canned.request(request.clone())).unwrap();
        assert_eq!(whole.content(), &body, "{what}");
        assert_eq!(whole.body_bytes_received(), body.len() as u64, "{what}");
        let length = block_on(canned.stream(request)).unwrap().content_length();
        assert_eq!(length, Some(body.len() as u64), "{what}");
    }
}

#[test]
fn decoded_by_any_spelling() {
    let body = Coding::Gzip.encode(b"content");
    for name in [
        "gzip",
        "GZIP",
        "x-gzip",
        " gzip ",
        "identity, gzip",
        ",gzip,",
    ] {
        let whole = block_on(Canned::whole(body.clone()).coding(name).get()).unwrap();
        assert_eq!(whole.content(), "content", "{name}");
    }
    let twice = Coding::Brotli.encode(&body);
    let in_two_fields = Canned::whole(twice).coding("gzip").coding("br");
    let whole = block_on(in_two_fields.get()).unwrap();
    assert_eq!(whole.content(), "content");
    let said: Vec<_> = whole.headers().get_all("content-encoding").iter().collect();
    assert_eq!(said, ["gzip", "br"], "the head stays as it was sent");
}

#[test]
fn without_a_body_there_is_nothing_to_decode() {
    let head = RequestConfig::new(Method::HEAD, "http://test.example/");
    let table = [
        (head, StatusCode::OK),
        (get(), StatusCode::NO_CONTENT),
        (get(), StatusCode::NOT_MODIFIED),
    ];
    for (request, status) in table {
        for codings in ["gzip", "br,br,br,br,br,br"] {
            let canned = Canned::pieces(vec![]).coding(codings).status(status);
            let whole = block_on(canned.request(request.clone())).unwrap();
            assert_eq!(whole.content(), "", "{status} {codings}");
        }
    }
}

#[test]
fn five_codings_and_no_more() {
    let nested = |times| (0..times).fold(b"content".to_vec(), |body, _| Coding::Gzip.encode(&body));
    let five = Canned::whole(nested(5)).coding("gzip,gzip,gzip,gzip,gzip");
    assert_eq!(block_on(five.get()).unwrap().content(), "content");
    let six = Canned::whole(nested(6))
        .coding("gzip,gzip,gzip")
        .coding("gzip,gzip,gzip");
    assert_eq!(block_on(six.failure()), ErrorKind::Limit);
}
