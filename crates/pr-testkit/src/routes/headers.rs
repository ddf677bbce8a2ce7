//! Header fields, in both directions.

use http::{HeaderName, header};
use serde_json::json;

use super::request::{Received, pairs_json};
use super::respond::{self, Answer};

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

pub(super) fn user_agent(request: &Received) -> Answer {
    respond::json(&json!({ "user-agent": request.header(header::USER_AGENT) }))
}

pub(super) fn ip() -> Answer {
    respond::json(&json!({ "origin": ORIGIN }))
}
