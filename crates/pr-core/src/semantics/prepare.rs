//! From what a user described to what is sent.

use std::{borrow::Cow, mem, path::Path, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{self, Entry},
};
use url::{Position, Url};

use super::{Cookies, check::refuse_mistakes};
use crate::{
    Backend, BackendError, Body, Capability, ConnectionKey, ErrorKind, ExchangeRequest, Progress,
    ProtocolChoice, Proxy, RequestConfig, Warning,
    decode::ACCEPT_ENCODING,
    observer::Observer,
    proxy::Chooser,
    request::{Options, RequestFields, Route, Target, basic_credentials},
};

/// A request without a mistake in it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting that a user knows by that name, and none depends on another"
)]
pub(super) struct Prepared {
    pub(super) method: Method,
    /// Without user information.
    pub(super) url: Arc<Url>,
    /// The same as it is sent, without a fragment.
    pub(super) uri: Uri,
    /// Without what every request has: see [`to_exchange`](Self::to_exchange).
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) follow_redirects: bool,
    pub(super) discards_body: bool,
    pub(super) may_resend: bool,
    pub(super) options: Option<Box<Options>>,
    route: Route,
    http2: Option<bool>,
    verify_ssl: bool,
}

/// What this library calls itself unless the user says otherwise.
const USER_AGENT: &str = concat!("parallel-requests/", env!("CARGO_PKG_VERSION"));

/// Says what [`prepare`] would refuse.
pub(crate) fn check(request: &RequestConfig) -> Result<(), BackendError> {
    // Clones share a one-shot body, and nothing here opens one.
    request.clone().send_by(prepare).map(drop)
}

/// Refuses every mistake, and takes out what is to be sent.
pub(super) fn prepare(request: &mut RequestFields) -> Result<Prepared, BackendError> {
    refuse_mistakes(request)?;
    if let Some(cookies) = cookie_header(request)? {
        request.headers.insert(header::COOKIE, cookies);
    }
    let nowhere = Target::Invalid(Box::default());
    let Target::Url(mut url) = mem::replace(&mut request.target, nowhere) else {
        return Err(BackendError::new(ErrorKind::Input, "the URL is not one"));
    };
    let mut headers = mem::take(&mut request.headers);
    take_credentials(&mut url, &mut headers)?;
    let uri = sendable(&url).map_err(|error| {
        BackendError::new(ErrorKind::Input, "the URL cannot be sent over HTTP")
            .with_source(error)
            .with_url(&url)
    })?;
    // The backend says the length, which has been found equal to this one.
    headers.remove(header::CONTENT_LENGTH);
    if let Some(content_type) = request.content_type.take() {
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
        method: mem::take(&mut request.method),
        url,
        uri,
        headers,
        body: mem::take(&mut request.body),
        follow_redirects: request.follow_redirects.unwrap_or(true),
        discards_body: request.discard_body.unwrap_or(false),
        may_resend: request.resend.unwrap_or(true),
        options: request.options.take(),
        route: mem::replace(&mut request.route, Route::Default),
        http2: request.http2,
        verify_ssl: request.verify_ssl.unwrap_or(true),
    })
}

/// Refuses what this backend cannot do, takes back the wish for the peer's leave where it would not be
/// waited for, and warns where the backend does otherwise than asked.
pub(super) fn match_backend<B: Backend + ?Sized>(
    request: &mut Prepared,
    backend: &B,
) -> Result<(), BackendError> {
    let capabilities = backend.capabilities();
    let any_proxy = [Capability::HttpProxy, Capability::SocksProxy];
    // Most backends can do both kinds, and then the rules need not be asked here.
    let proxy = if any_proxy.iter().all(|kind| capabilities.has(*kind)) {
        None
    } else {
        request.proxy()?
    };
    let proxy = proxy.as_deref();
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
        (request.unix_socket().is_some(), Capability::UnixSocket),
    ];
    for (needed, capability) in needs {
        if needed && !capabilities.has(capability) {
            let name = backend.name();
            let why = format!("the {name} backend cannot do this: {capability}");
            return Err(BackendError::new(ErrorKind::Unsupported, why).with_url(&request.url));
        }
    }
    if let Some(options) = &mut request.options {
        options.expect_continue &= capabilities.has(Capability::ExpectContinue);
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
    /// The proxy on the way to the URL.
    fn proxy(&self) -> Result<Option<Cow<'_, Proxy>>, BackendError> {
        if self.unix_socket().is_some() {
            return Ok(None);
        }
        Ok(match &self.route {
            Route::Via(proxy) => Some(Cow::Borrowed(proxy)),
            Route::By(proxies) => proxies.for_url(&self.url).map(Cow::Borrowed),
            Route::Chosen(Chooser(chooser)) => chooser.choose(&self.url)?.map(Cow::Owned),
            Route::Default | Route::Direct => None,
        })
    }

    pub(super) fn observer(&self) -> Option<&Observer> {
        self.options.as_ref()?.observer.as_ref()
    }

    fn unix_socket(&self) -> Option<&Arc<Path>> {
        self.options.as_ref()?.unix_socket.as_ref()
    }

    pub(super) fn is_https_only(&self) -> bool {
        let only = |options: &Options| options.https_only;
        self.options.as_deref().and_then(only).unwrap_or(false)
    }

    /// Whether the request's body waits for the peer's leave.
    fn asks_leave(&self) -> bool {
        let asks = |options: &Options| options.expect_continue;
        self.options.as_deref().is_some_and(asks)
    }

    /// Whether the response's content coding is taken off.
    pub(super) fn decodes(&self) -> bool {
        let decode = |options: &Options| options.decode;
        self.options.as_deref().and_then(decode).unwrap_or(true)
    }

    fn key(&self) -> Result<ConnectionKey, BackendError> {
        let protocol = match self.http2 {
            Some(false) => ProtocolChoice::Http1,
            Some(true) | None => ProtocolChoice::Negotiate,
        };
        let proxy = self.proxy()?.map(Cow::into_owned);
        let mut key =
            ConnectionKey::new(&self.url, proxy, self.verify_ssl, protocol).ok_or_else(|| {
                let why = "the URL is not http or https, or has no host";
                BackendError::new(ErrorKind::Input, why)
            })?;
        if let Some(options) = &self.options {
            if let Some(tls) = &options.tls {
                key = key.with_tls(tls.clone());
            }
            if let Some(path) = &options.unix_socket {
                key = key.with_unix_socket(path.clone());
            }
        }
        Ok(key)
    }

    /// The request as a backend takes it, with the body opened.
    pub(super) fn to_exchange(
        &self,
        progress: &Progress,
        cookies: &Cookies,
    ) -> Result<ExchangeRequest, BackendError> {
        let body = self.body.open()?;
        // Most requests have no fields of their own, and then this is the only table that is made.
        let mut headers = self.headers.clone();
        headers
            .entry(header::USER_AGENT)
            .or_insert(HeaderValue::from_static(USER_AGENT));
        headers
            .entry(header::ACCEPT)
            .or_insert(HeaderValue::from_static("*/*"));
        if let Some(codings) = ACCEPT_ENCODING
            && self.decodes()
            && !headers.contains_key(header::RANGE)
        {
            headers
                .entry(header::ACCEPT_ENCODING)
                .or_insert(HeaderValue::from_static(codings));
        }
        cookies.add_to(&self.url, &mut headers);
        if self.asks_leave() && body.content_length() != Some(0) {
            headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        Ok(ExchangeRequest {
            method: self.method.clone(),
            uri: self.uri.clone(),
            headers,
            body,
            key: self.key()?,
            deadline: None,
            fresh_connection: false,
            progress: progress.clone(),
        })
    }
}

/// The request's cookies as one header field, after those that a header holds already.
fn cookie_header(request: &RequestFields) -> Result<Option<HeaderValue>, BackendError> {
    if request.cookies.is_empty() {
        return Ok(None);
    }
    let mut pairs: Vec<String> = Vec::new();
    for value in request.headers.get_all(header::COOKIE) {
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
    let header = HeaderValue::try_from(pairs.join("; "))
        .map_err(|_| request.refuse("the cookies cannot be put into a header"))?;
    Ok(Some(header))
}

/// Turns the URL's user information into an `authorization` header, unless there is one.
fn take_credentials(url: &mut Arc<Url>, headers: &mut HeaderMap) -> Result<(), BackendError> {
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
    let url = Arc::make_mut(url);
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
