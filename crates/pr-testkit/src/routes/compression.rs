//! Bodies in each content coding (RFC 9110 section 8.4.1).

use async_compression::tokio::bufread::{
    BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder,
};
use http::{StatusCode, header};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::request::Received;
use super::respond::{self, Answer};

/// `/gzip`, `/deflate`, `/brotli`, `/zstd`: JSON in that coding, whatever the client accepts.
///
/// "deflate" is the zlib format; `/deflate?raw=true` sends what some servers take it for, deflate
/// without the zlib wrapper.
pub(super) async fn route(request: &Received, coding: &str) -> Answer {
    let field = match coding {
        "gzip" => "gzipped",
        "deflate" => "deflated",
        other => other,
    };
    let plain = json!({
        field: true,
        "method": request.head.method.as_str(),
        "headers": request.headers_json(),
        "origin": super::headers::ORIGIN,
    });
    let plain = plain.to_string();
    let plain = plain.as_bytes();
    let raw = request.query("raw").as_deref() == Some("true");
    let (coded, token) = match coding {
        "gzip" => (read(GzipEncoder::new(plain)).await, "gzip"),
        "deflate" if raw => (read(DeflateEncoder::new(plain)).await, "deflate"),
        "deflate" => (read(ZlibEncoder::new(plain)).await, "deflate"),
        "brotli" => (read(BrotliEncoder::new(plain)).await, "br"),
        _ => (read(ZstdEncoder::new(plain)).await, "zstd"),
    };
    match coded {
        Ok(coded) => respond::with_header(
            respond::whole("application/json", coded),
            header::CONTENT_ENCODING,
            token,
        ),
        Err(_) => respond::status(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

async fn read(mut encoder: impl AsyncRead + Unpin) -> std::io::Result<Vec<u8>> {
    let mut coded = Vec::new();
    encoder.read_to_end(&mut coded).await?;
    Ok(coded)
}
