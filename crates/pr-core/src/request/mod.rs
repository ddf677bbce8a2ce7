//! One request as a user describes it: what to send where.

mod access;
mod body;
mod convert;
mod file;
mod multipart;
mod options;
mod reader;
mod redirects;

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Serialize;
use url::{Url, form_urlencoded};

pub(crate) use self::options::Options;
pub use self::{
    body::{Body, ByteStream},
    multipart::{Multipart, Part},
    redirects::{RedirectAction, RedirectAttempt, RedirectPolicy},
};
use crate::{BackendError, ErrorKind, Proxies, Proxy, proxy::Chooser};

/// One request: what to send where, and how.
///
/// Made from a URL by [`new`](Self::new), [`get`](Self::get), [`post`](Self::post) and so on, or
/// from `&str`, `String`, `Url` and `http::Request` by `From`; then refined by methods that each
/// take and return it.
///
/// None of these methods fails. A mistake, such as a header with a line break in it, is kept, and
/// the request yields it as an error of kind [`Input`](ErrorKind::Input) instead of being sent;
/// [`check`](Self::check) tells beforehand. So one bad line among a million spoils one outcome and
/// not the batch.
///
/// A clone sends the same again, and is cheap: it is another handle on the same request, which is
/// copied only when one of the handles is changed, and then bodies are still shared. There is one
/// exception: clones of a request with a [one-shot body](Body::one_shot) share that body for good.
///
/// `Debug` output holds no header values, no body, no query and no credentials.
///
/// | Setting | Default |
/// |---|---|
/// | method | GET |
/// | timeout | 30 s in all; a streamed body may take longer |
/// | other time limits | none while the timeout bounds them, else 30 s each |
/// | follow redirects | yes, up to [`MAX_REDIRECTS`](crate::MAX_REDIRECTS) |
/// | largest body kept in memory | [`MAX_BODY_SIZE`](crate::MAX_BODY_SIZE): 64 MiB |
/// | decode the content | yes, the codings that are compiled in |
/// | verify certificates | yes |
/// | HTTP/2 | where backend and peer both speak it |
/// | `user-agent` | `parallel-requests/<version>` |
/// | `accept` | `*/*` |
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use pr_core::RequestConfig;
///
/// let request = RequestConfig::post("https://api.example/users")
///     .param("notify", "yes")
///     .header("x-request-id", "42")
///     .json(&["ada", "grace"])
///     .timeout(Duration::from_secs(5));
/// request.check()?;
/// assert_eq!(request.url().unwrap().as_str(), "https://api.example/users?notify=yes");
///
/// let wrong = RequestConfig::get("https://api.example/").header("x", "a\r\nb");
/// assert!(wrong.check().unwrap_err().is_input());
/// # Ok::<(), pr_core::BackendError>(())
/// ```
#[derive(Clone)]
pub struct RequestConfig {
    fields: Arc<RequestFields>,
}

/// What a request consists of. Kept behind one pointer, because each request is passed on many times
/// before it is sent.
#[derive(Clone)]
pub(crate) struct RequestFields {
    pub(crate) target: Target,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) cookies: Vec<(String, String)>,
    pub(crate) body: Body,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) route: Route,
    pub(crate) http2: Option<bool>,
    pub(crate) stream: bool,
    pub(crate) discard_body: Option<bool>,
    pub(crate) resend: Option<bool>,
    pub(crate) follow_redirects: Option<bool>,
    pub(crate) verify_ssl: Option<bool>,
    // Boxed, because few requests have any.
    pub(crate) options: Option<Box<Options>>,
    /// For whatever stands above; nothing here looks at them.
    extensions: Extensions,
    defect: Option<Box<Defect>>,
}

/// Where to.
#[derive(Clone)]
pub(crate) enum Target {
    /// Shared with what becomes of the request, its response included.
    Url(Arc<Url>),
    /// What was given is no URL; it is kept for messages.
    Invalid(Box<str>),
}

/// Through which proxy.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// The client's, if it has one.
    Default,
    /// None, whatever the client's.
    Direct,
    /// This one.
    Via(Proxy),
    /// Whichever these say of each URL: the client's.
    By(Proxies),
    /// Whichever this one chooses for each URL.
    Chosen(Chooser),
}

/// The first mistake that was made in describing the request.
#[derive(Clone, Debug)]
pub(crate) struct Defect(pub(crate) String);

/// The total time of a request that names none.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether a limit on the whole is so long, a year or more, that it is none.
pub(crate) fn is_endless(limit: Duration) -> bool {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    limit >= YEAR
}

impl RequestConfig {
    /// A request with this method, whatever it was before.
    pub fn new(method: Method, url: impl Into<RequestConfig>) -> Self {
        url.into().method(method)
    }

    /// A GET request (RFC 9110, section 9.3.1).
    pub fn get(url: impl Into<RequestConfig>) -> Self {
        Self::new(Method::GET, url)
    }

    /// A HEAD request (RFC 9110, section 9.3.2).
    pub fn head(url: impl Into<RequestConfig>) -> Self {
        Self::new(Method::HEAD, url)
    }

    /// A POST request (RFC 9110, section 9.3.3).
    pub fn post(url: impl Into<RequestConfig>) -> Self {
        Self::new(Method::POST, url)
    }

    /// A PUT request (RFC 9110, section 9.3.4).
    pub fn put(url: impl Into<RequestConfig>) -> Self {
        Self::new(Method::PUT, url)
    }

    /// A PATCH request (RFC 5789).
    pub fn patch(url: impl Into<RequestConfig>) -> Self {
        Self::new(Method::PATCH, url)
    }

    /// A DELETE request (RFC 9110, section 9.3.5).
    pub fn delete(url: impl Into<RequestConfig>) -> Self {
        Self::new(Method::DELETE, url)
    }

    pub(crate) fn to_target(target: Target) -> Self {
        let fields = RequestFields {
            target,
            method: Method::GET,
            headers: HeaderMap::new(),
            cookies: Vec::new(),
            body: Body::empty(),
            content_type: None,
            timeout: None,
            route: Route::Default,
            http2: None,
            stream: false,
            discard_body: None,
            resend: None,
            follow_redirects: None,
            verify_ssl: None,
            options: None,
            extensions: Extensions::new(),
            defect: None,
        };
        Self {
            fields: Arc::new(fields),
        }
    }

    #[cfg(feature = "serde")]
    pub(crate) fn fields(&self) -> &RequestFields {
        &self.fields
    }

    /// The fields to be changed: those that other handles share are copied first.
    pub(crate) fn fields_mut(&mut self) -> &mut RequestFields {
        Arc::make_mut(&mut self.fields)
    }

    /// Gives the fields to `take`, to be taken out for sending. If other handles share them, it is
    /// given a copy of what sending needs.
    pub(crate) fn send_by<T>(mut self, take: impl FnOnce(&mut RequestFields) -> T) -> T {
        match Arc::get_mut(&mut self.fields) {
            Some(fields) => take(fields),
            None => take(&mut self.fields.to_send()),
        }
    }

    /// Sets the method: a [`Method`] or its name. CONNECT and TRACE are refused when sending.
    pub fn method(mut self, method: impl TryInto<Method>) -> Self {
        match method.try_into() {
            Ok(method) => self.fields_mut().method = method,
            Err(_) => self.note("the method is not a token (RFC 9110, section 9.1)"),
        }
        self
    }

    /// Adds a parameter to the URL's query, after those that are there, percent-encoded as HTML
    /// forms are. Repeated names are kept.
    pub fn param(self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.params([(name, value)])
    }

    /// Adds parameters to the URL's query; see [`param`](Self::param).
    pub fn params<N: AsRef<str>, V: AsRef<str>>(
        mut self,
        params: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut params = params.into_iter().peekable();
        // Touching the pairs of a URL without any would leave a lone question mark.
        if params.peek().is_some()
            && let Target::Url(url) = &mut self.fields_mut().target
        {
            Arc::make_mut(url).query_pairs_mut().extend_pairs(params);
        }
        self
    }

    /// Adds a header field. Repeated names are kept, in order.
    ///
    /// A `host` of your own takes the place of the URL's, but not through a proxy that forwards plain
    /// `http` requests: that goes by the URL (RFC 9112, section 3.2.2).
    pub fn header(
        mut self,
        name: impl TryInto<HeaderName>,
        value: impl TryInto<HeaderValue>,
    ) -> Self {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => {
                if self.fields_mut().headers.try_append(name, value).is_err() {
                    self.note("there are too many header fields");
                }
            }
            (Err(_), _) => self.note("a header's name is not a token (RFC 9110, section 5.1)"),
            (Ok(name), Err(_)) => self.note(&format!(
                "the value of header {name:?} has characters that a header cannot hold, \
                 such as a line break (RFC 9110, section 5.5)"
            )),
        }
        self
    }

    /// Adds all of these header fields.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        let mut last = None;
        for (name, value) in headers {
            last = name.or(last);
            if let Some(name) = &last {
                self = self.header(name, value);
            }
        }
        self
    }

    /// Sends a cookie with this request, to this request's origin only.
    pub fn cookie(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields_mut().cookies.push((name.into(), value.into()));
        self
    }

    /// Sends an `authorization` header of the Basic scheme (RFC 7617), not shown anywhere.
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        let value = basic_credentials(user.as_bytes(), password.as_bytes());
        self.fields_mut()
            .headers
            .insert(header::AUTHORIZATION, value);
        self
    }

    /// Sends an `authorization` header with a bearer token (RFC 6750), not shown anywhere.
    pub fn bearer_auth(mut self, token: &str) -> Self {
        match HeaderValue::try_from(format!("Bearer {token}")) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.fields_mut()
                    .headers
                    .insert(header::AUTHORIZATION, value);
            }
            Err(_) => self.note("the token has characters that a header cannot hold"),
        }
        self
    }

    /// Sets the body, in place of any before it. No `content-type` is implied.
    pub fn data(mut self, body: impl Into<Body>) -> Self {
        self.fields_mut().body = body.into();
        self.fields_mut().content_type = None;
        self
    }

    /// Sets the body to these pairs, as HTML forms send them, and the `content-type` to
    /// `application/x-www-form-urlencoded` unless a header says otherwise.
    pub fn form<N: AsRef<str>, V: AsRef<str>>(
        mut self,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let encoded = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.fields_mut().body = encoded.into();
        self.fields_mut().content_type = Some(HeaderValue::from_static(
            "application/x-www-form-urlencoded",
        ));
        self
    }

    /// Sets the body to this value as JSON (RFC 8259), and the `content-type` to
    /// `application/json` unless a header says otherwise.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => {
                self.fields_mut().body = json.into();
                self.fields_mut().content_type = Some(HeaderValue::from_static("application/json"));
            }
            Err(error) => self.note(&format!("the body cannot be written as JSON: {error}")),
        }
        self
    }

    /// Sets the body to this form, files included, and the `content-type` to `multipart/form-data`
    /// (RFC 7578) with the form's boundary. A `content-type` header of yours would not name that
    /// boundary, and is refused.
    pub fn multipart(mut self, form: Multipart) -> Self {
        match form.into_body() {
            Ok((body, content_type)) => {
                self.fields_mut().body = body;
                self.fields_mut().content_type = Some(content_type);
            }
            Err(mistake) => self.note(mistake),
        }
        self
    }

    /// Attaches a value of any type for whatever stands above the backend: a layer's setting for this
    /// one request, say. A value of the same type that is there already is replaced.
    ///
    /// It is not sent, not written as JSON and not shown by `Debug`. Clones of the request have
    /// clones of it.
    ///
    /// ```
    /// use pr_core::RequestConfig;
    ///
    /// #[derive(Clone, Debug, PartialEq)]
    /// struct Priority(u8);
    ///
    /// let request = RequestConfig::get("https://example.org/").extension(Priority(3));
    /// assert_eq!(request.extension_ref(), Some(&Priority(3)));
    /// assert_eq!(request.extension_ref::<u8>(), None);
    /// ```
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.fields_mut().extensions.insert(value);
        self
    }

    fn note(&mut self, mistake: &str) {
        self.fields_mut().note(mistake);
    }

    /// Says what is wrong with the request, if anything, without sending it.
    ///
    /// Every error is of kind [`Input`](ErrorKind::Input), and is the one that sending the request
    /// on any backend gives.
    pub fn check(&self) -> Result<(), BackendError> {
        crate::semantics::check(self)
    }
}

impl RequestFields {
    /// A copy of all that sending needs.
    fn to_send(&self) -> Self {
        Self {
            target: self.target.clone(),
            method: self.method.clone(),
            headers: self.headers.clone(),
            cookies: self.cookies.clone(),
            body: self.body.clone(),
            content_type: self.content_type.clone(),
            route: self.route.clone(),
            options: self.options.clone(),
            extensions: Extensions::new(),
            defect: self.defect.clone(),
            ..*self
        }
    }

    pub(crate) fn options_mut(&mut self) -> &mut Options {
        self.options.get_or_insert_default()
    }

    pub(crate) fn defect(&self) -> Option<&Defect> {
        self.defect.as_deref()
    }

    /// Keeps the first mistake: later ones are often its consequence.
    pub(crate) fn note(&mut self, mistake: &str) {
        if self.defect.is_none() {
            self.defect = Some(Box::new(Defect(mistake.to_owned())));
        }
    }

    pub(crate) fn refuse(&self, why: impl Into<String>) -> BackendError {
        BackendError::new(ErrorKind::Input, why.into()).with_redacted_url(self.display_url())
    }
}

/// The value of an `authorization` header of the Basic scheme (RFC 7617, section 2).
pub(crate) fn basic_credentials(user: &[u8], password: &[u8]) -> HeaderValue {
    let credentials = BASE64_STANDARD.encode([user, b":", password].concat());
    let mut value = HeaderValue::try_from(format!("Basic {credentials}"))
        .expect("the Base64 alphabet is visible ASCII");
    value.set_sensitive(true);
    value
}
