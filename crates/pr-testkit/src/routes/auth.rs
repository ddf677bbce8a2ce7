//! Routes that want credentials.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::request::Received;
use super::respond::{self, Answer};

/// `/basic-auth/{user}/{password}`: 200 with just these, 401 otherwise (RFC 7617).
pub(super) fn basic(request: &Received, rest: &str) -> Answer {
    let Some((user, password)) = rest.split_once('/') else {
        return respond::not_found();
    };
    let user = percent_decode_str(user).decode_utf8_lossy();
    let password = percent_decode_str(password).decode_utf8_lossy();
    let expected = STANDARD.encode(format!("{user}:{password}"));
    if credentials(request, "Basic") == Some(expected.as_str()) {
        respond::json(&json!({ "authenticated": true, "user": user }))
    } else {
        challenge("Basic realm=\"pr-testkit\"")
    }
}

/// `/bearer`: 200 with any bearer token, 401 without (RFC 6750).
pub(super) fn bearer(request: &Received) -> Answer {
    match credentials(request, "Bearer") {
        Some(token) => respond::json(&json!({ "authenticated": true, "token": token })),
        None => challenge("Bearer"),
    }
}

fn credentials<'a>(request: &'a Received, scheme: &str) -> Option<&'a str> {
    let (found, rest) = request.header(header::AUTHORIZATION)?.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then_some(rest.trim())
}

fn challenge(challenge: &str) -> Answer {
    respond::with_header(
        respond::status(StatusCode::UNAUTHORIZED),
        header::WWW_AUTHENTICATE,
        challenge,
    )
}
