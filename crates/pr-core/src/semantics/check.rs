//! The mistakes that a request may hold, each refused before a byte is sent.

use http::{HeaderName, HeaderValue, Method, header, uri::Authority};

use crate::{
    BackendError,
    connection_key::Scheme,
    request::{Defect, Options, RequestFields},
};

/// Header fields that belong to a connection and not to a message (RFC 9110, section 7.6.1), or
/// that frame the message: the backend writes them, and a second hand would corrupt the framing.
const NOT_FOR_USERS: [(HeaderName, &str); 6] = [
    (header::CONNECTION, "the backend manages connections"),
    (
        HeaderName::from_static("keep-alive"),
        "the backend manages connections",
    ),
    (
        HeaderName::from_static("proxy-connection"),
        "the backend manages connections",
    ),
    (header::TRANSFER_ENCODING, "the backend frames the body"),
    (header::UPGRADE, "protocol upgrades are not supported"),
    (
        header::PROXY_AUTHORIZATION,
        "put the credentials into the proxy's URL",
    ),
];

/// More header fields than any server takes.
const MOST_FIELDS: usize = 1_000;

/// Refuses every mistake that can be seen in the request as it is.
pub(super) fn refuse_mistakes(request: &RequestFields) -> Result<(), BackendError> {
    if let Some(Defect(mistake)) = request.defect() {
        return Err(request.refuse(mistake.clone()));
    }
    check_target(request)?;
    check_method(request)?;
    if request.timeout.is_some_and(|limit| limit.is_zero()) {
        return Err(request.refuse("the timeout is zero, so that nothing could ever arrive"));
    }
    if let Some(options) = &request.options {
        check_options(request, options)?;
    }
    check_headers(request)
}

fn check_target(request: &RequestFields) -> Result<(), BackendError> {
    let Some(url) = request.url() else {
        return Err(request.refuse("the URL is not one"));
    };
    if Scheme::of(url).is_none() {
        return Err(request.refuse(format!(
            "the URL's scheme is {:?}; http and https are supported, and a mere host and port need \
             http:// before them",
            url.scheme()
        )));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(request.refuse("the URL has no host"));
    }
    Ok(())
}

fn check_options(request: &RequestFields, options: &Options) -> Result<(), BackendError> {
    let limits = [
        ("first_byte_timeout", options.first_byte_timeout),
        ("read_timeout", options.read_timeout),
        ("write_timeout", options.write_timeout),
    ];
    for (name, limit) in limits {
        if limit.is_some_and(|limit| limit.is_zero()) {
            return Err(request.refuse(format!(
                "the {name} is zero, so that nothing could ever be in time"
            )));
        }
    }
    let is_https = request.url().is_some_and(|url| url.scheme() == "https");
    if options.https_only == Some(true) && !is_https {
        return Err(request.refuse("the URL is http, and https_only is set"));
    }
    if let Some(tls) = &options.tls {
        tls.validate().map_err(|error| {
            request
                .refuse("the request's TLS settings cannot work")
                .with_source(error)
        })?;
    }
    Ok(())
}

fn check_method(request: &RequestFields) -> Result<(), BackendError> {
    match request.method {
        Method::CONNECT => Err(request.refuse(
            "CONNECT makes tunnels, which the proxy setting does for you; it is no request",
        )),
        Method::TRACE => Err(request.refuse("TRACE reflects credentials and is not sent")),
        _ => Ok(()),
    }
}

fn check_headers(request: &RequestFields) -> Result<(), BackendError> {
    let headers = &request.headers;
    if headers.len() > MOST_FIELDS {
        return Err(request.refuse(format!("there are more than {MOST_FIELDS} header fields")));
    }
    for (name, why) in &NOT_FOR_USERS {
        if headers.contains_key(name) {
            return Err(request.refuse(format!("the header {name} is not yours to set: {why}")));
        }
    }
    if headers
        .get_all(header::TE)
        .iter()
        .any(|value| value != "trailers")
    {
        return Err(request.refuse("the header te may only say trailers (RFC 9113, section 8.2.2)"));
    }
    let is_multipart = |value: &HeaderValue| value.as_bytes().starts_with(b"multipart/");
    if request.content_type.as_ref().is_some_and(is_multipart)
        && headers.contains_key(header::CONTENT_TYPE)
    {
        return Err(request.refuse(
            "a multipart form brings its own content-type, which names its boundary; leave that \
             header out",
        ));
    }
    let mut expectations = headers.get_all(header::EXPECT).iter();
    let asks_leave = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !expectations.all(asks_leave) {
        return Err(request
            .refuse("the header expect may only say 100-continue (RFC 9110, section 10.1.1); better, leave it out and set expect_continue"));
    }
    if headers.contains_key(header::EXPECT) && request.body.content_length() == Some(0) {
        return Err(request.refuse("there is no body for which the header expect could ask leave"));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    if let Some(host) = hosts.next() {
        let is_authority = Authority::try_from(host.as_bytes())
            .is_ok_and(|authority| !authority.as_str().contains('@'));
        if !is_authority || hosts.next().is_some() {
            return Err(request.refuse("the header host must be one host, with or without a port"));
        }
    }
    let lengths: Vec<_> = headers.get_all(header::CONTENT_LENGTH).iter().collect();
    if let [length] = lengths[..] {
        // A sign, which Rust would read, is not in the grammar (RFC 9110, section 8.6).
        let stated = length
            .to_str()
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse::<u64>().ok());
        if stated.is_none() || stated != request.body.content_length() {
            return Err(request.refuse(
                "the header content-length differs from the body's length, or that is not known \
                 before the body is opened; leave it out and the right one is sent",
            ));
        }
    } else if lengths.len() > 1 {
        return Err(request.refuse("there is more than one content-length header"));
    }
    Ok(())
}
