//! Responses that take their time, or never come.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{StatusCode, header};
use http_body::Frame;
use serde_json::json;

use super::request::Received;
use super::respond::{self, Answer};
use crate::server::ResponseBody;

/// `/delay/{seconds}`: answers that time after the request has arrived, whatever else there is to do
/// meanwhile; fractions count.
pub(super) async fn delay(request: &Received, rest: &str) -> Answer {
    let Some(delay) = seconds(rest) else {
        return respond::bad_request("the delay is not a number of seconds\n");
    };
    request.wait_since_arrival(delay).await;
    respond::json(&json!({ "url": request.url(), "delay": delay.as_secs_f64() }))
}

/// `/drip?duration=2&numbytes=10&delay=0&code=200`: the head after `delay` seconds, then
/// `numbytes` asterisks one by one over `duration` seconds, with a length.
pub(super) async fn drip(request: &Received) -> Answer {
    let parameters = (
        seconds(&request.query("duration").unwrap_or_else(|| "2".to_owned())),
        request.query_number::<u32>("numbytes", 10),
        seconds(&request.query("delay").unwrap_or_else(|| "0".to_owned())),
        request.query_number::<u16>("code", 200),
    );
    let (Some(duration), Some(count), Some(delay), Some(code)) = parameters else {
        return respond::bad_request("a parameter is not a number\n");
    };
    let Ok(code) = StatusCode::from_u16(code) else {
        return respond::bad_request("the code is not a status\n");
    };
    request.wait_since_arrival(delay).await;
    let pause = duration / count.max(1);
    let frames = stream::unfold(0, move |sent| async move {
        if sent == count {
            return None;
        }
        if sent > 0 {
            tokio::time::sleep(pause).await;
        }
        let frame = Frame::data(Bytes::from_static(b"*"));
        Some((Ok::<_, Infallible>(frame), sent + 1))
    });
    let body = ResponseBody::frames(frames);
    let mut response = respond::with_type("application/octet-stream", body);
    *response.status_mut() = code;
    respond::with_header(response, header::CONTENT_LENGTH, &count.to_string())
}

/// `/hang`: no answer, ever. It ends when the client goes away.
pub(super) async fn hang() -> Answer {
    std::future::pending().await
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}
