//! Redirects: which are followed where, and what does not travel along (RFC 9110, section 15.4).

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use url::Url;

use super::prepare::{self, Prepared};
use crate::{
    BackendError, Body, ErrorKind, ExchangeResponse, Hop, RedirectAction, RedirectAttempt,
    RedirectPolicy, connection_key::Scheme,
};

/// The number of redirects that a request follows before it fails with kind
/// [`Redirect`](ErrorKind::Redirect).
pub const MAX_REDIRECTS: usize = 10;

/// Credentials, and whatever else is meant for one origin only.
const FOR_ONE_ORIGIN: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    header::HOST,
];

/// What describes a body, and goes with it.
const ABOUT_THE_BODY: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::EXPECT,
];

/// What to do with a response.
pub(super) enum Next {
    /// Hand it to the user.
    Deliver,
    /// Ask there instead.
    Follow(Target),
}

/// Where a redirect leads.
pub(super) struct Target {
    url: Url,
    uri: Uri,
}

/// Decides about a response to `request`, which has followed the redirects in `history` so far.
pub(super) fn next(
    request: &Prepared,
    response: &ExchangeResponse,
    history: &[Hop],
) -> Result<Next, BackendError> {
    let refuse = |why: String| Err(BackendError::new(ErrorKind::Redirect, why));
    let is_redirect = matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let policy = request
        .options
        .as_ref()
        .and_then(|options| options.redirect_policy.as_ref());
    if !is_redirect || !request.follow_redirects || policy.is_some_and(RedirectPolicy::is_none) {
        return Ok(Next::Deliver);
    }
    let Some(location) = response.headers.get(header::LOCATION) else {
        return Ok(Next::Deliver);
    };
    let target = std::str::from_utf8(location.as_bytes())
        .ok()
        .and_then(|location| request.url.join(location).ok());
    let Some(mut target) = target else {
        return refuse("the redirect's location is not a URL".to_owned());
    };
    if Scheme::of(&target).is_none() {
        return refuse(format!(
            "the redirect leads to a URL of scheme {:?}; only http and https are followed",
            target.scheme()
        ));
    }
    // Credentials that a peer puts into a location are not the user's to send.
    if target
        .set_username("")
        .and_then(|()| target.set_password(None))
        .is_err()
    {
        return refuse("the redirect's location has no host".to_owned());
    }
    if target.fragment().is_none() {
        target.set_fragment(request.url.fragment());
    }
    let attempt = RedirectAttempt {
        status: response.status,
        from: &request.url,
        target: &target,
        history,
    };
    match policy
        .unwrap_or(&RedirectPolicy::default())
        .decide(&attempt)
    {
        RedirectAction::Follow => {}
        RedirectAction::Deliver => return Ok(Next::Deliver),
        RedirectAction::Refuse(why) => return refuse(why),
    }
    if request.is_https_only() && target.scheme() != "https" {
        return refuse("the redirect leads to http, and https_only is set".to_owned());
    }
    if keeps_body(&request.method, response.status) && !request.body.is_reopenable() {
        return refuse(format!(
            "the {} redirect asks for the body again, and a one-shot body cannot be sent twice; \
             use Body::factory",
            response.status.as_u16()
        ));
    }
    match prepare::sendable(&target) {
        Ok(uri) => Ok(Next::Follow(Target { url: target, uri })),
        Err(_) => refuse("the redirect's location cannot be sent over HTTP".to_owned()),
    }
}

/// Turns the request into the one that goes to the redirect's target.
pub(super) fn apply(request: &mut Prepared, status: StatusCode, target: Target) {
    let Target { url: target, uri } = target;
    if !keeps_body(&request.method, status) {
        if request.method != Method::HEAD {
            request.method = Method::GET;
        }
        request.body = Body::empty();
        remove(&mut request.headers, &ABOUT_THE_BODY);
    }
    if request.url.origin() != target.origin() {
        // They are taken out of the request itself, so that a way back does not restore them.
        remove(&mut request.headers, &FOR_ONE_ORIGIN);
        if let Some(options) = &mut request.options {
            options.unix_socket = None;
        }
    }
    if request.url.scheme() == "https" && target.scheme() == "http" {
        request.headers.remove(header::REFERER);
    }
    request.url = Arc::new(target);
    request.uri = uri;
}

/// Whether method and body stay as they are. 303 asks for the result by GET, and so, as every
/// browser has it, do 301 and 302 after a POST.
fn keeps_body(method: &Method, status: StatusCode) -> bool {
    match status {
        StatusCode::SEE_OTHER => false,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method != Method::POST,
        _ => true,
    }
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}
