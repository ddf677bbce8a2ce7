//! Text by its character set, and what counts as JSON.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use http::{HeaderMap, header};
use mime::Mime;

/// Byte order mark, else `charset`, else UTF-8; malformed sequences are replaced.
pub(super) fn decode<'a>(headers: &HeaderMap, content: &'a [u8]) -> Cow<'a, str> {
    let labelled = content_type(headers).and_then(|mime| {
        let charset = mime.get_param(mime::CHARSET)?;
        Encoding::for_label(charset.as_str().as_bytes())
    });
    let (text, _, _) = labelled.unwrap_or(UTF_8).decode(content);
    text
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(|mime| {
        (mime.type_() == mime::APPLICATION && mime.subtype() == mime::JSON)
            || mime.suffix() == Some(mime::JSON)
    })
}

fn content_type(headers: &HeaderMap) -> Option<Mime> {
    headers
        .get(header::CONTENT_TYPE)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())])
    }

    #[test]
    fn character_sets() {
        let table: &[(&str, &[u8], &str)] = &[
            ("text/plain", "grün".as_bytes(), "grün"),
            ("text/plain; charset=iso-8859-1", b"gr\xfcn", "grün"),
            ("text/plain; charset=\"windows-1252\"", b"\x80", "€"),
            ("text/plain; charset=shift_jis", b"\x93\xfa\x96\x7b", "日本"),
            ("text/plain; charset=no-such-set", "grün".as_bytes(), "grün"),
            (
                "text/plain; charset=iso-8859-1",
                b"\xef\xbb\xbfgr\xc3\xbcn",
                "grün",
            ),
            ("nonsense", b"\xff", "\u{fffd}"),
        ];
        for (content_type, content, text) in table {
            assert_eq!(
                decode(&typed(content_type), content),
                *text,
                "{content_type}"
            );
        }
    }

    #[test]
    fn json_types() {
        for json in [
            "application/json",
            "application/json; charset=utf-8",
            "application/problem+json",
        ] {
            assert!(is_json(&typed(json)), "{json}");
        }
        for other in ["text/json5", "application/jsonl", "text/html", "json"] {
            assert!(!is_json(&typed(other)), "{other}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
