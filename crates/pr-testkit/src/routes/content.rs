//! Bodies of any size, made while they are sent, so that the server's memory does not depend on it.

use std::convert::Infallible;

use futures::stream;
use http::header;
use http_body::Frame;
use serde_json::json;

use super::request::Received;
use super::respond::{self, Answer};
use crate::server::ResponseBody;

/// The size of the pieces in which `/bytes` is written.
const PIECE: usize = 64 * 1024;

/// `/bytes/{n}`: n bytes of the content, with a length.
pub(super) fn bytes(rest: &str) -> Answer {
    let Ok(length) = rest.parse() else {
        return respond::bad_request("the length is not a number of bytes\n");
    };
    let body = ResponseBody::content(length, PIECE, true);
    let response = respond::with_type("application/octet-stream", body);
    respond::with_header(response, header::CONTENT_LENGTH, &length.to_string())
}

/// `/stream-bytes/{n}?chunk_size=c`: n bytes of the content, without a length.
pub(super) fn stream_bytes(request: &Received, rest: &str) -> Answer {
    let chunk = request.query_number("chunk_size", 10 * 1024);
    match (rest.parse(), chunk) {
        (Ok(length), Some(chunk)) => {
            let body = ResponseBody::content(length, chunk, false);
            respond::with_type("application/octet-stream", body)
        }
        _ => respond::bad_request("the length or chunk_size is not a number of bytes\n"),
    }
}

/// `/stream/{n}`: n JSON objects, one a line.
pub(super) fn json_lines(request: &Received, rest: &str) -> Answer {
    let Ok(lines) = rest.parse::<u64>() else {
        return respond::bad_request("the number of lines is not a number\n");
    };
    let url = request.url();
    let frames = stream::iter((0..lines).map(move |id| {
        let line = format!("{}\n", json!({ "id": id, "url": url }));
        Ok::<_, Infallible>(Frame::data(line.into()))
    }));
    respond::with_type("application/x-ndjson", ResponseBody::frames(frames))
}
