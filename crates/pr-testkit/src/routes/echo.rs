//! Routes that tell the client what it sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::request::{Received, form_pairs, pairs_json};
use super::respond::{self, Answer};
use super::{BODY_LIMIT, headers};

/// `/anything/...` takes every method; the others are called like the one that they take.
pub(super) async fn route(request: &mut Received, route: &str, rest: &str) -> Answer {
    let method = &request.head.method;
    let takes = match route {
        "anything" => true,
        "get" => method == Method::GET || method == Method::HEAD,
        other => method.as_str().eq_ignore_ascii_case(other),
    };
    if !rest.is_empty() && route != "anything" {
        return respond::not_found();
    }
    let body = match request.body.collect(BODY_LIMIT).await {
        Ok(body) => body,
        Err(error) => return respond::body_error(&error),
    };
    if takes {
        echo(request, &body)
    } else {
        respond::with_header(
            respond::status(StatusCode::METHOD_NOT_ALLOWED),
            header::ALLOW,
            &route.to_ascii_uppercase(),
        )
    }
}

fn echo(request: &Received, body: &Bytes) -> Answer {
    let content_type = request.header(header::CONTENT_TYPE).unwrap_or_default();
    let is_form = content_type.starts_with("application/x-www-form-urlencoded");
    let form = if is_form {
        form_pairs(body)
    } else {
        Vec::new()
    };
    let json = if content_type.contains("json") {
        serde_json::from_slice(body).unwrap_or(Value::Null)
    } else {
        Value::Null
    };
    let (data, encoding) = match std::str::from_utf8(body) {
        Ok(text) => (text.to_owned(), "utf-8"),
        Err(_) => (STANDARD.encode(body), "base64"),
    };
    respond::json(&json!({
        "method": request.head.method.as_str(),
        "url": request.url(),
        "args": pairs_json(&request.query_pairs()),
        "headers": request.headers_json(),
        "data": data,
        "data_encoding": encoding,
        "form": pairs_json(&form),
        "json": json,
        "origin": headers::ORIGIN,
        "http_version": format!("{:?}", request.head.version),
    }))
}
