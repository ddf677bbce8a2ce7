//! Redirects, single and in chains.

use http::{StatusCode, header};

use super::request::Received;
use super::respond::{self, Answer};

/// `/redirect/{n}`: n redirects, then `/get`. With `?absolute=true`, by absolute URLs.
pub(super) fn redirect(request: &Received, rest: &str) -> Answer {
    if request
        .query("absolute")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        return absolute(request, rest);
    }
    relative(rest)
}

/// `/relative-redirect/{n}`: n redirects whose `Location` is a path.
pub(super) fn relative(rest: &str) -> Answer {
    step(rest, "relative-redirect", str::to_owned)
}

/// `/absolute-redirect/{n}`: n redirects whose `Location` has scheme and authority.
pub(super) fn absolute(request: &Received, rest: &str) -> Answer {
    step(rest, "absolute-redirect", |path| request.url_of(path))
}

/// `/redirect-to?url=...&status_code=302`: one redirect to anywhere, with any 3xx status.
pub(super) fn redirect_to(request: &Received) -> Answer {
    let Some(url) = request.query("url") else {
        return respond::bad_request("the url is missing\n");
    };
    let code = request
        .query_number::<u16>("status_code", 302)
        .filter(|code| (300..400).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok());
    match code {
        Some(code) => respond::with_header(respond::status(code), header::LOCATION, &url),
        None => respond::bad_request("the status_code is not a 3xx\n"),
    }
}

fn step(left: &str, route: &str, locate: impl FnOnce(&str) -> String) -> Answer {
    let next = match left.parse::<u64>() {
        Err(_) | Ok(0) => {
            return respond::bad_request("the number of redirects is not from 1 up\n");
        }
        Ok(1) => "/get".to_owned(),
        Ok(left) => format!("/{route}/{}", left - 1),
    };
    respond::with_header(
        respond::status(StatusCode::FOUND),
        header::LOCATION,
        &locate(&next),
    )
}
