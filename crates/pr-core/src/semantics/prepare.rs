//! From what a user described to what may be sent: every mistake is refused here, before a byte.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{self, Entry},
    uri::Authority,
};
use url::{Position, Url};

use crate::{
    Backend, BackendError, Body, Capability, ConnectionKey, ErrorKind, ExchangeRequest, Progress,
    ProtocolChoice, Proxy, RequestConfig, Warning,
    connection_key::Scheme,
    request::{Defect, Route, Target, basic_credentials},
};

/// A request without a mistake in it.
pub(super) struct Prepared {
    pub(super) method: Method,
    /// Without user information.
    pub(super) url: Url,
    /// The same as it is sent, without a fragment.
    pub(super) uri: Uri,
    /// Without what every request has: see [`to_exchange`](Self::to_exchange).
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) follow_redirects: bool,
    proxy: Option<Proxy>,
    http2: Option<bool>,
    verify_ssl: bool,
}

/// What this library calls itself unless the user says otherwise.
const USER_AGENT: &str = concat!("parallel-requests/", env!("CARGO_PKG_VERSION"));

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

/// Says what [`prepare`] would refuse.
pub(crate) fn check(request: &RequestConfig) -> Result<(), BackendError> {
    // Clones share a one-shot body, and nothing here opens one.
    prepare(request.clone()).map(drop)
}

/// Refuses every mistake.
pub(super) fn prepare(mut request: RequestConfig) -> Result<Prepared, BackendError> {
    if let Some(Defect(mistake)) = request.defect() {
        return Err(request.refuse(mistake.clone()));
    }
    check_target(&request)?;
    check_method(&request)?;
    if request.timeout.is_some_and(|limit| limit.is_zero()) {
        return Err(request.refuse("the timeout is zero, so that nothing could ever arrive"));
    }
    check_headers(&request)?;
    if let Some(cookies) = cookie_header(&request)? {
        request.headers.insert(header::COOKIE, cookies);
    }
    let Target::Url(mut url) = request.target else {
        return Err(BackendError::new(ErrorKind::Input, "the URL is not one"));
    };
    let mut headers = request.headers;
    take_credentials(&mut url, &mut headers)?;
    let uri = sendable(&url).map_err(|error| {
        BackendError::new(ErrorKind::Input, "the URL cannot be sent over HTTP")
            .with_source(error)
            .with_url(&url)
    })?;
    // The backend says the length, which has been found equal to this one.
    headers.remove(header::CONTENT_LENGTH);
    if let Some(content_type) = request.content_type {
        headers.entry(header::CONTENT_TYPE).or_insert(content_type);
    }
    for name in [header::AUTHORIZATION, header::COOKIE] {
        // Marked, they are shown nowhere and enter no compression table (RFC 7541, section 7.1.3).
        // Looked for first, because to ask an empty table for an entry makes room for one.
        if headers.contains_key(&name)
            && let Entry::Occupied(mut values) = headers.entry(name)
        {
            values
                .iter_mut()
                .for_each(|value| value.set_sensitive(true));
        }
    }
    Ok(Prepared {
        method: request.method,
        url,
        uri,
        headers,
        body: request.body,
        follow_redirects: request.follow_redirects.unwrap_or(true),
        proxy: match request.route {
            Route::Via(proxy) => Some(proxy),
            Route::Default | Route::Direct => None,
        },
        http2: request.http2,
        verify_ssl: request.verify_ssl.unwrap_or(true),
    })
}

/// Refuses what this backend cannot do, and warns where it does otherwise than asked.
pub(super) fn match_backend<B: Backend + ?Sized>(
    request: &Prepared,
    backend: &B,
) -> Result<(), BackendError> {
    let capabilities = backend.capabilities();
    let proxy = request.proxy.as_ref();
    let needs = [
        (request.url.scheme() == "https", Capability::Tls),
        (
            request.body.as_bytes().is_none(),
            Capability::StreamingUpload,
        ),
        (
            proxy.is_some_and(|proxy| !proxy.is_socks()),
            Capability::HttpProxy,
        ),
        (proxy.is_some_and(Proxy::is_socks), Capability::SocksProxy),
    ];
    for (needed, capability) in needs {
        if needed && !capabilities.has(capability) {
            let name = backend.name();
            let why = format!("the {name} backend cannot do this: {capability}");
            return Err(BackendError::new(ErrorKind::Unsupported, why).with_url(&request.url));
        }
    }
    if request.http2 == Some(true) && !capabilities.has(Capability::Http2) {
        let backend_name = backend.name();
        backend.warnings().raise(Warning::Http2Unsupported {
            backend: backend_name,
        });
    }
    Ok(())
}

/// The URL as it is sent. `http` refuses some that are URLs, such as one with a quotation mark in
/// its host or of more than 64 KiB.
pub(super) fn sendable(url: &Url) -> Result<Uri, http::uri::InvalidUri> {
    url[..Position::AfterQuery].parse()
}

impl Prepared {
    /// The request as a backend takes it, with the body opened.
    pub(super) fn to_exchange(&self, progress: &Progress) -> Result<ExchangeRequest, BackendError> {
        let protocol = match self.http2 {
            Some(false) => ProtocolChoice::Http1,
            Some(true) | None => ProtocolChoice::Negotiate,
        };
        let key = ConnectionKey::new(&self.url, self.proxy.clone(), self.verify_ssl, protocol)
            .ok_or_else(|| {
                let why = "the URL is not http or https, or has no host";
                BackendError::new(ErrorKind::Input, why)
            })?;
        // Most requests have no fields of their own, and then this is the only table that is made.
        let mut headers = self.headers.clone();
        headers
            .entry(header::USER_AGENT)
            .or_insert(HeaderValue::from_static(USER_AGENT));
        headers
            .entry(header::ACCEPT)
            .or_insert(HeaderValue::from_static("*/*"));
        Ok(ExchangeRequest {
            method: self.method.clone(),
            uri: self.uri.clone(),
            headers,
            body: self.body.open()?,
            key,
            deadline: None,
            fresh_connection: false,
            progress: progress.clone(),
        })
    }
}

fn check_target(request: &RequestConfig) -> Result<(), BackendError> {
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

fn check_method(request: &RequestConfig) -> Result<(), BackendError> {
    match *request.method_ref() {
        Method::CONNECT => Err(request.refuse(
            "CONNECT makes tunnels, which the proxy setting does for you; it is no request",
        )),
        Method::TRACE => Err(request.refuse("TRACE reflects credentials and is not sent")),
        _ => Ok(()),
    }
}

fn check_headers(request: &RequestConfig) -> Result<(), BackendError> {
    let headers = request.header_map();
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
        if stated.is_none() || stated != request.body().content_length() {
            return Err(request.refuse(
                "the header content-length differs from the body's length; leave it out and the \
                 right one is sent",
            ));
        }
    } else if lengths.len() > 1 {
        return Err(request.refuse("there is more than one content-length header"));
    }
    Ok(())
}

/// The request's cookies as one header field, after those that a header holds already.
fn cookie_header(request: &RequestConfig) -> Result<Option<HeaderValue>, BackendError> {
    if request.cookies.is_empty() {
        return Ok(None);
    }
    let mut pairs: Vec<String> = Vec::new();
    for value in request.header_map().get_all(header::COOKIE) {
        let text = value
            .to_str()
            .map_err(|_| request.refuse("the header cookie is not ASCII"))?;
        pairs.push(text.to_owned());
    }
    for (name, value) in &request.cookies {
        let name_is_token = HeaderName::from_bytes(name.as_bytes()).is_ok();
        let value_fits = value
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b';' || byte == b' ');
        if !name_is_token || !value_fits {
            return Err(request.refuse(
                "a cookie's name must be a token, and its value visible ASCII without a semicolon \
                 (RFC 6265, section 4.1.1)",
            ));
        }
        pairs.push(format!("{name}={value}"));
    }
    let mut header = HeaderValue::try_from(pairs.join("; "))
        .map_err(|_| request.refuse("the cookies cannot be put into a header"))?;
    header.set_sensitive(true);
    Ok(Some(header))
}

/// Turns the URL's user information into an `authorization` header, unless there is one.
fn take_credentials(url: &mut Url, headers: &mut HeaderMap) -> Result<(), BackendError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    if !headers.contains_key(header::AUTHORIZATION) {
        let value = basic_credentials(
            &percent_decoded(url.username()),
            &percent_decoded(url.password().unwrap_or_default()),
        );
        headers.insert(header::AUTHORIZATION, value);
    }
    // Both can only fail for URLs without a host, which have been refused.
    let removed = url.set_username("").and_then(|()| url.set_password(None));
    removed.map_err(|()| {
        BackendError::new(
            ErrorKind::Input,
            "the URL's user information cannot be taken out",
        )
    })
}

fn percent_decoded(text: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(text).collect()
}
