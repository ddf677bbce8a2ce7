//! Header fields, in both directions.

use http::{HeaderName, header};
use serde_json::json;

use super::request::{Received, pairs_json};
use super::respond::{self, Answer};
use crate::content;

/// Every client of a loopback server is at the same address.
pub(super) const ORIGIN: &str = "127.0.0.1";

pub(super) fn headers(request: &Received) -> Answer {
    respond::json(&json!({ "headers": request.headers_json() }))
}

/// `/response-headers?name=value&...`: each pair becomes a header field; a repeated name, repeated
/// fields.
pub(super) fn response_headers(request: &Received) -> Answer {
    let pairs = request.query_pairs();
    let mut response = respond::json(&json!({ "headers": pairs_json(&pairs) }));
    for (name, value) in pairs {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return respond::bad_request("a parameter's name cannot be that of a header\n");
        };
        response = respond::with_header(response, name, &value);
    }
    response
}

/// `/many-headers?count=100&size=10`: fields `x-field-0` and so on, each with a value of `size`
/// bytes; names and values differ, so that nothing can be compressed away.
pub(super) fn many(request: &Received) -> Answer {
    let count = request.query_number::<usize>("count", 100);
    let size = request.query_number::<usize>("size", 10);
    let (Some(count), Some(size)) = (count, size) else {
        return respond::bad_request("the count or size is not a number\n");
    };
    // What the map of fields holds at most, less what the server adds.
    if count > 20_000 || count.saturating_mul(size) > 64 << 20 {
        return respond::bad_request("more than 20000 fields or 64 MiB\n");
    }
    let mut response = respond::whole("text/plain", "many\n");
    for number in 0..count {
        let Ok(name) = HeaderName::try_from(format!("x-field-{number}")) else {
            return respond::bad_request("a number cannot stand in a name\n");
        };
        let value: String = content::bytes(size)
            .iter()
            .map(|byte| char::from(b'a' + (usize::from(*byte) + number).to_le_bytes()[0] % 26))
            .collect();
        response = respond::with_header(response, name, &value);
    }
    response
}

pub(super) fn user_agent(request: &Received) -> Answer {
    respond::json(&json!({ "user-agent": request.header(header::USER_AGENT) }))
}

pub(super) fn ip() -> Answer {
    respond::json(&json!({ "origin": ORIGIN }))
}
