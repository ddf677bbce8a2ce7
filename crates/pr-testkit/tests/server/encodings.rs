//! Stacks of codings, broken ones and bombs, undone by decoders that the server does not use.

use async_compression::tokio::bufread as decode;
use pr_testkit::{Server, content};
use tokio::io::{AsyncBufRead, AsyncReadExt, BufReader};

use crate::support::client;

/// Undoes one coding.
async fn undo(coding: &str, coded: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let mut reader = decoder(coding, coded);
    reader.read_to_end(&mut plain).await?;
    Ok(plain)
}

fn decoder<'a>(
    coding: &str,
    coded: impl AsyncBufRead + Unpin + Send + 'a,
) -> Box<dyn tokio::io::AsyncRead + Unpin + Send + 'a> {
    match coding {
        "gzip" => {
            let mut decoder = decode::GzipDecoder::new(coded);
            decoder.multiple_members(true);
            Box::new(decoder)
        }
        "deflate" => Box::new(decode::ZlibDecoder::new(coded)),
        "raw-deflate" => Box::new(decode::DeflateDecoder::new(coded)),
        "br" => Box::new(decode::BrotliDecoder::new(coded)),
        "zstd" => {
            let mut decoder = decode::ZstdDecoder::new(coded);
            decoder.multiple_members(true);
            Box::new(decoder)
        }
        _ => Box::new(coded),
    }
}

async fn fetch(server: &Server, path: &str) -> (Vec<String>, Vec<u8>) {
    let response = client().get(server.url(path)).send().await;
    let response = response.expect("the server answers");
    assert_eq!(response.status(), 200, "{path}");
    let fields = response.headers().get_all("content-encoding").iter();
    let fields = fields.map(|field| String::from_utf8_lossy(field.as_bytes()).into_owned());
    let fields = fields.collect();
    let body = response.bytes().await.expect("the body arrives");
    (fields, body.to_vec())
}

#[tokio::test]
async fn stacks_are_undone_from_the_end() {
    let server = Server::start();
    for (stack, field) in [
        ("", None),
        ("gzip", Some("gzip")),
        ("raw-deflate", Some("deflate")),
        ("gzip,br,zstd", Some("gzip, br, zstd")),
        (
            "deflate,identity,gzip,gzip,br,raw-deflate,zstd,gzip",
            Some("deflate, identity, gzip, gzip, br, deflate, zstd, gzip"),
        ),
    ] {
        let (fields, mut body) = fetch(&server, &format!("/encoded?codings={stack}")).await;
        assert_eq!(fields.first().map(String::as_str), field);
        for coding in stack.split(',').rev() {
            body = undo(coding, &body).await.unwrap();
        }
        assert!(body == content::bytes(1000), "{stack}");
    }
    let (fields, _) = fetch(&server, "/encoded?codings=gzip,br&separate=true").await;
    assert_eq!(fields, ["gzip", "br"]);
}

#[tokio::test]
async fn members_follow_one_another() {
    let server = Server::start();
    for (coding, magic) in [
        ("gzip", &[0x1f, 0x8b][..]),
        ("zstd", &[0x28, 0xb5, 0x2f, 0xfd]),
    ] {
        let path = format!("/encoded?codings={coding}&bytes=1001&members=3");
        let (_, body) = fetch(&server, &path).await;
        let starts = body.windows(magic.len()).filter(|here| *here == magic);
        assert!(starts.count() >= 3);
        assert!(undo(coding, &body).await.unwrap() == content::bytes(1001));
    }
}

#[tokio::test]
async fn broken_bodies_do_not_decode() {
    let server = Server::start();
    for coding in ["gzip", "deflate", "raw-deflate", "br", "zstd"] {
        let (_, whole) = fetch(&server, &format!("/encoded?codings={coding}")).await;
        let (_, cut) = fetch(&server, &format!("/encoded?codings={coding}&cut=5")).await;
        assert_eq!(cut, whole[..whole.len() - 5]);
        undo(coding, &cut).await.unwrap_err();
        let (_, bad) = fetch(&server, &format!("/encoded?codings={coding}&corrupt=2")).await;
        assert_eq!((bad.len(), bad[2]), (whole.len(), !whole[2]));
    }
    for wrong in [
        "codings=rot13",
        "codings=br,br,br,br,br,br,br,br,br",
        "codings=br&members=2",
        "codings=gzip&corrupt=100000",
        "codings=gzip&cut=x",
        "codings=gzip&members=0",
        "bytes=100000000",
    ] {
        let url = server.url(&format!("/encoded?{wrong}"));
        assert_eq!(
            client().get(url).send().await.unwrap().status(),
            400,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn bombs_are_zeros_once_decoded() {
    let server = Server::start();
    for coding in ["identity", "gzip", "deflate", "raw-deflate", "br", "zstd"] {
        for length in [0, 1, 65_521, 1_048_575, 1_048_576, 3_276_801, 8_388_608] {
            let (_, coded) = fetch(&server, &format!("/bomb/{coding}/{length}")).await;
            let plain = undo(coding, &coded).await;
            let plain = plain.unwrap_or_else(|error| panic!("{coding}, {length}: {error}"));
            assert_eq!(plain.len(), length, "{coding}");
            assert!(plain.iter().all(|byte| *byte == 0), "{coding}");
            assert!(
                coding == "identity" || coded.len() <= 64 + length / 900,
                "{coding}"
            );
        }
    }
}

#[tokio::test]
async fn a_large_bomb_is_small_on_the_wire() {
    const GIB: u64 = 1 << 30;
    let server = Server::start();
    for (coding, most) in [("gzip", 1_100_000), ("br", 200_000), ("zstd", 40_000)] {
        let (_, coded) = fetch(&server, &format!("/bomb/{coding}/{GIB}")).await;
        assert!(coded.len() < most, "{coding}: {}", coded.len());
        if coding != "br" {
            continue;
        }
        // The others consist of parts that do not depend on one another.
        let mut reader = decoder(coding, BufReader::new(&coded[..]));
        let mut buffer = vec![0; 1 << 20];
        let mut length = 0;
        while length < 64 << 20 {
            let read = reader.read(&mut buffer).await.unwrap();
            assert!(read > 0 && buffer[..read].iter().all(|byte| *byte == 0));
            length += read as u64;
        }
    }
}

#[tokio::test]
async fn redirects_have_bodies_too() {
    let server = Server::start();
    let path = "/redirect-with-body?url=/get&status_code=307&coding=gzip&bytes=2000000";
    let response = client().get(server.url(path)).send().await.unwrap();
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["location"], "/get");
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let plain = undo("gzip", &response.bytes().await.unwrap())
        .await
        .unwrap();
    assert_eq!(plain.len(), 2_000_000);
    let plain = client().get(server.url("/redirect-with-body?url=/get"));
    assert_eq!(
        plain.send().await.unwrap().bytes().await.unwrap(),
        vec![0; 1000]
    );
    for wrong in [
        "/redirect-with-body",
        "/redirect-with-body?url=/&coding=x",
        "/bomb/gzip",
        "/bomb/x/1",
    ] {
        let refused = client().get(server.url(wrong)).send().await.unwrap();
        assert_eq!(refused.status(), 400, "{wrong}");
    }
}
