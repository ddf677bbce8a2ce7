//! Forms: what an independent parser finds in them, and what is refused.

use std::fs;

use bytes::Bytes;
use futures::stream;
use multer::Multipart as Parser;
use pr_core::{
    BackendExt, Body, BoxError, ErrorKind, Multipart, NormalizedResponse, Part, RequestConfig,
};
use proptest::{collection::vec, prelude::*};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::support::{Sent, Taker};

/// A part as the parser found it.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    content: Vec<u8>,
}

fn found(
    name: &str,
    file_name: Option<&str>,
    content_type: Option<&str>,
    content: impl Into<Vec<u8>>,
) -> Found {
    Found {
        name: name.to_owned(),
        file_name: file_name.map(str::to_owned),
        content_type: content_type.map(str::to_owned),
        content: content.into(),
    }
}

const OCTETS: Option<&str> = Some("application/octet-stream");

fn upload(form: Multipart) -> RequestConfig {
    RequestConfig::post("http://h.example/").multipart(form)
}

async fn send(form: Multipart) -> Sent {
    let backend = Taker::new().shared();
    let _: NormalizedResponse = backend.request(upload(form)).await.unwrap();
    backend.sent().remove(0)
}

async fn parse(sent: &Sent) -> Vec<Found> {
    let content_type = sent.content_type.as_deref().unwrap();
    let boundary = multer::parse_boundary(content_type).unwrap();
    let content = Bytes::from(sent.content.clone());
    let mut parser = Parser::new(stream::iter([Ok::<_, BoxError>(content)]), boundary);
    let mut parts = Vec::new();
    while let Some(field) = parser.next_field().await.unwrap() {
        parts.push(Found {
            name: field.name().unwrap().to_owned(),
            file_name: field.file_name().map(str::to_owned),
            content_type: field.content_type().map(ToString::to_string),
            content: field.bytes().await.unwrap().to_vec(),
        });
    }
    parts
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test]
async fn every_kind_of_part_is_found_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ünï \"côdé\".bin");
    fs::write(&path, b"from disk").unwrap();
    let form = Multipart::new()
        .text("text", "grüße\r\n\r\n--")
        .bytes("bytes", &b"\0\xff"[..])
        .file("file", &path)
        .part(
            "csv",
            Part::text("a,b")
                .file_name("t.csv")
                .content_type("text/csv"),
        )
        .part("stream", Part::body(Body::reader(&b"read"[..], Some(4))))
        .text("text", "again");
    let sent = send(form).await;
    assert_eq!(sent.length, Some(sent.total), "every length is known");
    let expected = [
        found("text", None, None, "grüße\r\n\r\n--"),
        found("bytes", None, OCTETS, *b"\0\xff"),
        found("file", Some("ünï %22côdé%22.bin"), OCTETS, "from disk"),
        found("csv", Some("t.csv"), Some("text/csv"), "a,b"),
        found("stream", None, OCTETS, "read"),
        found("text", None, None, "again"),
    ];
    assert_eq!(parse(&sent).await, expected);
}

#[tokio::test]
async fn the_bytes_are_those_of_the_rfc() {
    let part = Part::text("v").file_name("f\"\\").header("x-a", "1");
    let form = Multipart::new().text("a", "1").part("b\"", part);
    let boundary = form.boundary().to_owned();
    let expected = format!(
        "--{boundary}\r\n\
         Content-Disposition: form-data; name=\"a\"\r\n\r\n\
         1\r\n\
         --{boundary}\r\n\
         Content-Disposition: form-data; name=\"b%22\"; filename=\"f%22\\\"\r\n\
         x-a: 1\r\n\r\n\
         v\r\n\
         --{boundary}--\r\n"
    );
    let request = upload(form);
    assert_eq!(request.body().as_bytes(), Some(expected.as_bytes()));
    let sent = send(Multipart::new()).await;
    assert!(sent.content.ends_with(b"--\r\n") && parse(&sent).await.is_empty());
}

#[test]
fn no_two_forms_have_the_same_boundary() {
    let boundaries: std::collections::HashSet<_> = (0..1_000)
        .map(|_| Multipart::new().boundary().to_owned())
        .collect();
    assert_eq!(boundaries.len(), 1_000);
    // RFC 2046, section 5.1.1.
    assert!(boundaries.iter().all(|boundary| boundary.len() <= 70));
}

#[tokio::test]
async fn mistakes_are_kept_and_nothing_is_sent() {
    let new = Multipart::new;
    let named = |name| Part::text("").file_name(name);
    let wrong = [
        new().text("a\r\nb", ""),
        new().text("a\nb", ""),
        new().text("a\0b", ""),
        new().part("a", named("x\ry")),
        new().part("a", named("x\0y")),
        new().part("a", Part::text("").content_type("text/plain\r\nx: y")),
        new().part("a", Part::text("").header("x", "a\nb")),
        new().part("a", Part::text("").header("x y", "a")),
        new().part("a", Part::text("").header("content-type", "text/plain")),
        new().part("a", Part::text("").header("content-disposition", "x")),
        new().part("a", Part::file("/")),
    ];
    for form in wrong {
        let shown = format!("{form:?}");
        let backend = Taker::new().shared();
        let error = backend.request(upload(form)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{shown}: {error:?}");
        assert!(backend.sent().is_empty());
    }
    let named = new().part("a", Part::file("/").file_name("root"));
    assert!(upload(named).check().is_ok(), "the name has been set right");
}

#[tokio::test]
async fn a_missing_file_is_refused_before_a_byte_is_sent() {
    let backend = Taker::new().shared();
    let form = Multipart::new().text("a", "1").file("f", "/nowhere/at/all");
    let error = backend.request(upload(form)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(backend.sent().is_empty());
}

#[tokio::test]
async fn a_form_is_reopenable_if_its_parts_are() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "content").unwrap();
    let backend = Taker::new().redirecting(1).shared();
    let request = upload(Multipart::new().text("a", "1").file("f", &path));
    assert!(request.body().is_reopenable());
    backend.request(request).await.unwrap();
    let sent = backend.sent();
    assert_eq!(sent[0].content, sent[1].content);
    assert_eq!(sent[0].content_type, sent[1].content_type);

    let once = Part::body(Body::reader(&b"x"[..], None));
    let request = upload(Multipart::new().file("f", &path).part("once", once));
    assert!(!request.body().is_reopenable());
    let backend = Taker::new().shared();
    backend.request(request.clone()).await.unwrap();
    assert_eq!(backend.sent()[0].length, None, "one length is unknown");
    let error = backend.request(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
}

#[tokio::test]
async fn parts_of_the_wrong_length_do_not_make_up_for_each_other() {
    let part = |stated| {
        let pieces = stream::iter([Ok(Bytes::from_static(b"abc"))]);
        Part::body(Body::one_shot(Some(stated), pieces))
    };
    for (lengths, how) in [([2, 4], "longer"), ([4, 2], "shorter")] {
        let [first, second] = lengths.map(part);
        let form = Multipart::new().part("a", first).part("b", second);
        let backend = Taker::new().shared();
        let error = backend.request(upload(form)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Body, "{lengths:?}: {error:?}");
        assert!(error.chain().contains(how), "{lengths:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_large_file_in_a_form_comes_in_pieces() {
    const LENGTH: u64 = 64 << 20;

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("large");
    fs::File::create(&path).unwrap().set_len(LENGTH).unwrap();
    let backend = Taker::new().forgetful().shared();
    backend
        .request(upload(Multipart::new().file("large", &path)))
        .await
        .unwrap();
    let sent = &backend.sent()[0];
    assert!(sent.total > LENGTH);
    assert_eq!(sent.length, Some(sent.total));
    assert!(sent.largest_piece <= 128 << 10);
}

#[test]
fn debug_output_shows_no_content() {
    let part = Part::text("canary").header("x-secret", "canary");
    let form = Multipart::new().text("a", "canary").part("b", part);
    assert!(!format!("{form:?}").contains("canary"));
    assert!(!format!("{:?}", upload(form)).contains("canary"));
}

proptest! {
    #[test]
    fn names_and_contents_come_back(
        fields in vec(
            ("[^\\p{Cc}\\\\]{1,12}", proptest::option::of("[^\\p{Cc}\\\\]{1,12}"), vec(any::<u8>(), 0..200)),
            0..5,
        ),
        streamed in any::<bool>(),
    ) {
        let mut form = Multipart::new();
        let mut expected = Vec::new();
        for (name, file_name, content) in &fields {
            let bytes = Bytes::from(content.clone());
            let mut part = if streamed {
                let length = Some(bytes.len() as u64);
                Part::body(Body::one_shot(length, stream::iter([Ok(bytes)])))
            } else {
                Part::bytes(bytes)
            };
            let escaped = |name: &str| name.replace('"', "%22");
            if let Some(file_name) = file_name {
                part = part.file_name(file_name);
            }
            form = form.part(name, part);
            let file_name = file_name.as_deref().map(escaped);
            expected.push(found(&escaped(name), file_name.as_deref(), OCTETS, content.clone()));
        }
        let parsed = runtime().block_on(async {
            let sent = send(form).await;
            assert_eq!(sent.length, Some(sent.total));
            parse(&sent).await
        });
        prop_assert_eq!(parsed, expected);
    }

    #[test]
    fn no_name_breaks_out_of_its_line(name in any::<String>(), file_name in any::<String>()) {
        let part = Part::text("content").file_name(&file_name);
        let request = upload(Multipart::new().part(&name, part));
        let has_control = |text: &str| text.bytes().any(|byte| byte.is_ascii_control());
        if has_control(&name) || has_control(&file_name) {
            prop_assert!(request.check().unwrap_err().is_input());
        } else {
            let body = String::from_utf8(request.body().as_bytes().unwrap().to_vec()).unwrap();
            prop_assert_eq!(body.lines().count(), 5, "{}", body);
            prop_assert_eq!(body.matches('"').count(), 4);
        }
    }
}
