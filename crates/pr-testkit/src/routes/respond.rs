//! Small responses that many routes give.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::server::{BodyError, ResponseBody};

pub(super) type Answer = Response<ResponseBody>;

pub(super) fn whole(content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    with_type(content_type, ResponseBody::whole(body))
}

pub(super) fn with_type(content_type: &'static str, body: ResponseBody) -> Answer {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(super) fn json(value: &Value) -> Answer {
    let mut text = value.to_string();
    text.push('\n');
    whole("application/json", text)
}

pub(super) fn status(status: StatusCode) -> Answer {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    response
}

pub(super) fn not_found() -> Answer {
    explained(StatusCode::NOT_FOUND, "no such route\n")
}

pub(super) fn bad_request(why: &'static str) -> Answer {
    explained(StatusCode::BAD_REQUEST, why)
}

pub(super) fn body_error(error: &BodyError) -> Answer {
    match error {
        BodyError::TooLarge => explained(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"),
        // The client is gone, or not to be understood; it hardly reads this.
        BodyError::Broken => bad_request("the body broke off\n"),
    }
}

pub(super) fn with_header(mut response: Answer, name: HeaderName, value: &str) -> Answer {
    match HeaderValue::from_bytes(value.as_bytes()) {
        Ok(value) => {
            response.headers_mut().append(name, value);
            response
        }
        Err(_) => bad_request("a parameter cannot stand in a header\n"),
    }
}

fn explained(status: StatusCode, why: &'static str) -> Answer {
    let mut response = whole("text/plain; charset=utf-8", why);
    *response.status_mut() = status;
    response
}
