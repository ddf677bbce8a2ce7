//! Text: JSON, HTML, and other character sets than UTF-8.

use encoding_rs::{Encoding, UTF_8};
use http::header;
use serde_json::json;

use super::respond::{self, Answer};

/// Texts for `/encoding/{charset}`: the first one that the character set can say is sent.
const TEXTS: [&str; 4] = [
    "Grüße, naïve señor: ½ £ für ein Stück Käse\n",
    "こんにちは、世界\n",
    "Привет, мир\n",
    "Γειά σου κόσμε\n",
];

/// `/encoding/utf8` and `/encoding/{label}`, for any label of the WHATWG Encoding Standard that
/// has an encoder: text in that character set, named in `Content-Type` as the path names it.
pub(super) fn encoding(label: &str) -> Answer {
    if label == "utf8" {
        return respond::whole("text/html; charset=utf-8", TEXTS.concat());
    }
    let Some(encoding) = Encoding::for_label(label.as_bytes()) else {
        return respond::not_found();
    };
    let encoded = TEXTS.iter().find_map(|text| {
        let (bytes, used, unmappable) = encoding.encode(text);
        (!unmappable && (used == encoding || encoding == UTF_8)).then(|| bytes.into_owned())
    });
    match encoded {
        Some(bytes) => {
            let response = respond::status(http::StatusCode::OK);
            let content_type = format!("text/plain; charset={label}");
            let response = respond::with_header(response, header::CONTENT_TYPE, &content_type);
            response.map(|_| crate::server::ResponseBody::whole(bytes))
        }
        None => respond::not_found(),
    }
}

pub(super) fn json() -> Answer {
    respond::json(&json!({
        "title": "A document",
        "numbers": [0, -1, 1.5, 1_000_000_007_u64],
        "nested": { "true": true, "false": false, "null": null },
        "text": "Grüße, \"世界\"",
    }))
}

pub(super) fn html() -> Answer {
    respond::whole(
        "text/html; charset=utf-8",
        "<!DOCTYPE html>\n<html lang=\"en\"><head><title>A page</title></head>\
         <body><h1>A page</h1><p>Grüße.</p></body></html>\n",
    )
}

pub(super) fn index() -> Answer {
    respond::whole(
        "text/plain; charset=utf-8",
        "pr-testkit's loopback server; the crate's documentation lists the routes\n",
    )
}
