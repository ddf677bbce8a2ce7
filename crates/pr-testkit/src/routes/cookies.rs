//! Cookies: shown, set and deleted (RFC 6265).

use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::request::Received;
use super::respond::{self, Answer};

/// `/cookies` shows them; `/cookies/set?a=b&...`, `/cookies/set/{name}/{value}` and
/// `/cookies/delete?a&...` change them and redirect to `/cookies`; `/cookies/set-raw` does what it
/// is told.
pub(super) fn route(request: &Received, rest: &str) -> Answer {
    let set = |pairs: &[(String, String)]| {
        change(
            pairs
                .iter()
                .map(|(name, value)| format!("{name}={value}; Path=/")),
        )
    };
    match rest.split('/').collect::<Vec<_>>()[..] {
        [""] => show(request),
        ["set"] => set(&request.query_pairs()),
        ["set-raw"] => set_raw(request),
        ["set", name, value] => set(&[(name.to_owned(), value.to_owned())]),
        ["delete"] => change(request.query_pairs().into_iter().map(|(name, _)| {
            format!("{name}=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
        })),
        _ => respond::not_found(),
    }
}

/// `/cookies/set-raw?line=...&line=...&count=1&url=...`: each line as a `Set-Cookie` field as it is,
/// all of them `count` times with `{}` replaced by the number of the time, from 0; with a `url`, on
/// a redirect (302) there.
fn set_raw(request: &Received) -> Answer {
    let Some(count) = request.query_number::<usize>("count", 1) else {
        return respond::bad_request("the count is not a number\n");
    };
    let pairs = request.query_pairs();
    let lines: Vec<_> = pairs.iter().filter(|(name, _)| name == "line").collect();
    if count.saturating_mul(lines.len()) > 20_000 {
        return respond::bad_request("more than 20000 fields\n");
    }
    let mut response = match request.query("url") {
        None => respond::json(&json!({ "lines": lines.len(), "count": count })),
        Some(url) => {
            let response = respond::status(StatusCode::FOUND);
            respond::with_header(response, header::LOCATION, &url)
        }
    };
    for number in 0..count {
        for (_, line) in &lines {
            let line = line.replace("{}", &number.to_string());
            response = respond::with_header(response, header::SET_COOKIE, &line);
        }
    }
    response
}

fn show(request: &Received) -> Answer {
    let fields = request.head.headers.get_all(header::COOKIE).iter();
    let cookies: Map<String, Value> = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    respond::json(&json!({ "cookies": cookies }))
}

fn change(fields: impl Iterator<Item = String>) -> Answer {
    let response = respond::with_header(
        respond::status(StatusCode::FOUND),
        header::LOCATION,
        "/cookies",
    );
    fields.fold(response, |response, field| {
        respond::with_header(response, header::SET_COOKIE, &field)
    })
}
