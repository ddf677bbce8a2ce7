//! A response with the status that the client asks for.

use http::{StatusCode, header};

use super::respond::{self, Answer};

pub(super) fn status(rest: &str) -> Answer {
    // A 1xx is never the last response to a request (RFC 9110 section 15.2), so it cannot be one.
    let code = rest.parse().ok().filter(|code| (200..=999).contains(code));
    let Some(code) = code.and_then(|code: u16| StatusCode::from_u16(code).ok()) else {
        return respond::bad_request("the status is not a number from 200 to 999\n");
    };
    let response = respond::status(code);
    match code.as_u16() {
        301 | 302 | 303 | 307 | 308 => {
            respond::with_header(response, header::LOCATION, "/redirect/1")
        }
        401 => respond::with_header(
            response,
            header::WWW_AUTHENTICATE,
            "Basic realm=\"pr-testkit\"",
        ),
        407 => respond::with_header(
            response,
            header::PROXY_AUTHENTICATE,
            "Basic realm=\"pr-testkit\"",
        ),
        _ => response,
    }
}
