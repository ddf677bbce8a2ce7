//! How a request is sent: its limits in time and size, its way, and what is done with the answer.

use std::{path::Path, sync::Arc, time::Duration};

use super::{RedirectPolicy, RequestConfig, Route};
use crate::{ChooseProxy, ExchangeObserver, Proxy, TlsConfig, observer::Observer, proxy::Chooser};

/// The settings that few requests have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) first_byte_timeout: Option<Duration>,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) max_body_size: Option<u64>,
    pub(crate) decode: Option<bool>,
    pub(crate) expect_continue: bool,
    pub(crate) redirect_policy: Option<RedirectPolicy>,
    pub(crate) https_only: Option<bool>,
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) unix_socket: Option<Arc<Path>>,
    pub(crate) observer: Option<Observer>,
}

impl Options {
    /// Whether anything is set.
    #[cfg(feature = "serde")]
    pub(crate) fn is_set(&self) -> bool {
        let Self {
            first_byte_timeout,
            read_timeout,
            write_timeout,
            max_body_size,
            decode,
            expect_continue,
            redirect_policy,
            https_only,
            tls,
            unix_socket,
            observer,
        } = self;
        let times = [first_byte_timeout, read_timeout, write_timeout];
        times.into_iter().any(Option::is_some)
            || max_body_size.is_some()
            || decode.is_some()
            || *expect_continue
            || redirect_policy.is_some()
            || https_only.is_some()
            || tls.is_some()
            || unix_socket.is_some()
            || observer.is_some()
    }
}

impl RequestConfig {
    /// Limits the whole request, from its dispatch to the last byte of its response, redirects
    /// included. Default: 30 s, which a streamed body may exceed; a limit set here it may not.
    /// Zero is refused, and a year or more is [none](Self::no_timeout).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.fields_mut().timeout = Some(limit);
        self
    }

    /// Sets no limit on the whole. A peer that stands still is noticed all the same: the limits of
    /// the parts ([`first_byte_timeout`](Self::first_byte_timeout),
    /// [`read_timeout`](Self::read_timeout), [`write_timeout`](Self::write_timeout)) are 30 s then,
    /// unless they are set.
    pub fn no_timeout(self) -> Self {
        self.timeout(Duration::MAX)
    }

    /// Limits the time from when the request has been sent to the first byte of its response's
    /// head. In the error it is the phase [`Head`](crate::TimeoutPhase::Head).
    ///
    /// Default: none, unless there is [no timeout](Self::no_timeout) for the whole; then 30 s.
    pub fn first_byte_timeout(mut self, limit: Duration) -> Self {
        self.fields_mut().options_mut().first_byte_timeout = Some(limit);
        self
    }

    /// Limits the time in which nothing of the response's body arrives, while somebody waits for
    /// it. A slow body that keeps coming is not cut off by it. In the error it is the phase
    /// [`Read`](crate::TimeoutPhase::Read).
    ///
    /// Default: none, unless the timeout for the whole does not hold for the body, because it is
    /// streamed or there is [none](Self::no_timeout); then 30 s.
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.fields_mut().options_mut().read_timeout = Some(limit);
        self
    }

    /// Limits the time in which the peer takes nothing of the request. Time that a streamed body
    /// takes to produce its next piece does not count. In the error it is the phase
    /// [`Write`](crate::TimeoutPhase::Write).
    ///
    /// Default: none, unless there is [no timeout](Self::no_timeout) for the whole; then 30 s.
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.fields_mut().options_mut().write_timeout = Some(limit);
        self
    }

    /// Limits the response's content, in bytes, after decoding. More is an error of kind
    /// [`Limit`](crate::ErrorKind::Limit), and no more than that is ever held.
    ///
    /// Default: [`MAX_BODY_SIZE`](crate::MAX_BODY_SIZE) for bodies that are kept in memory, none for
    /// those that are streamed or [discarded](Self::discard_body). `u64::MAX` is no limit.
    pub fn max_body_size(mut self, bytes: u64) -> Self {
        self.fields_mut().options_mut().max_body_size = Some(bytes);
        self
    }

    /// Whether the response's content coding (gzip, br and so on; RFC 9110, section 8.4) is taken
    /// off. Default: yes. Without it, no `accept-encoding` is sent either, unless a header says so.
    pub fn decode(mut self, decode: bool) -> Self {
        self.fields_mut().options_mut().decode = Some(decode);
        self
    }

    /// Sends the body only when the peer has agreed to take it, or has been silent for a second
    /// (`Expect: 100-continue`; RFC 9110, section 10.1.1). Worth a round trip where a large body
    /// may be refused by its head alone. A request without a body does not ask.
    ///
    /// A backend without [`ExpectContinue`](crate::Capability::ExpectContinue) sends it at once.
    pub fn expect_continue(mut self, expect: bool) -> Self {
        self.fields_mut().options_mut().expect_continue = expect;
        self
    }

    /// Sends the request through this proxy.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.fields_mut().route = Route::Via(proxy);
        self
    }

    /// Sends the request, and each of its redirects, through the proxy that is chosen for it then.
    pub fn choose_proxy(mut self, chooser: Arc<dyn ChooseProxy>) -> Self {
        self.fields_mut().route = Route::Chosen(Chooser(chooser));
        self
    }

    /// Sends the request without a proxy, whatever the client's default.
    pub fn no_proxy(mut self) -> Self {
        self.fields_mut().route = Route::Direct;
        self
    }

    /// `true` asks for HTTP/2: a backend without it warns once and uses HTTP/1.1, and so does,
    /// without a warning, any backend whose peer has no HTTP/2. `false` refuses HTTP/2. Left
    /// open, the backend and the peer agree.
    pub fn http2(mut self, http2: bool) -> Self {
        self.fields_mut().http2 = Some(http2);
        self
    }

    /// Says that the response's body is long: the default timeout then ends with the response's
    /// head. A timeout that was [set](Self::timeout) still holds for the whole.
    /// [`BackendExt::stream`](crate::BackendExt::stream), and with it `open` of the facade's client,
    /// implies it.
    pub fn stream(mut self, stream: bool) -> Self {
        self.fields_mut().stream = stream;
        self
    }

    /// Whether the response's body is read to its end, decoded, checked and counted as any other, but
    /// not kept: for health checks, load, and looking for dead links. Default: no.
    ///
    /// [`content`](crate::NormalizedResponse::content) is empty then, and
    /// [`body_bytes_received`](crate::NormalizedResponse::body_bytes_received) and
    /// [`body_bytes_decoded`](crate::NormalizedResponse::body_bytes_decoded) tell the sizes. However
    /// large the body is, it takes no more memory than its pieces on the way do; so it has no limit
    /// unless [`max_body_size`](Self::max_body_size) is set. The request's time limits hold.
    ///
    /// Who reads a streamed response piece by piece gets the pieces all the same.
    pub fn discard_body(mut self, discard: bool) -> Self {
        self.fields_mut().discard_body = Some(discard);
        self
    }

    /// Whether the request may be sent again at once, by itself, when the connection that it was on
    /// failed it and that is safe: the peer has certainly not processed it, or the connection was a
    /// kept one that had gone stale and the method is idempotent (RFC 9112, section 9.3.1; RFC 9113,
    /// section 8.7). Default: yes. With `false` an exchange is made at most once for each URL on the
    /// way, and the error of a stale connection is the request's.
    ///
    /// ```
    /// use pr_core::RequestConfig;
    ///
    /// let once = RequestConfig::get("https://example.org/one-time-link").resend(false);
    /// assert_eq!(once.resend_setting(), Some(false));
    /// ```
    pub fn resend(mut self, resend: bool) -> Self {
        self.fields_mut().resend = Some(resend);
        self
    }

    /// Lets this observer see, while it happens, how the exchanges of this request come along, in
    /// place of any before it.
    pub fn observe_exchange(mut self, observer: Arc<dyn ExchangeObserver>) -> Self {
        self.fields_mut().options_mut().observer = Some(Observer(observer));
        self
    }

    /// Whether redirects are followed. Default: yes, as the
    /// [policy](Self::redirect_policy) says.
    pub fn follow_redirects(mut self, follow: bool) -> Self {
        self.fields_mut().follow_redirects = Some(follow);
        self
    }

    /// Which redirects are followed, if any are. Default:
    /// [`RedirectPolicy::default`], up to [`MAX_REDIRECTS`](crate::MAX_REDIRECTS).
    pub fn redirect_policy(mut self, policy: RedirectPolicy) -> Self {
        self.fields_mut().options_mut().redirect_policy = Some(policy);
        self
    }

    /// Whether only `https` will do. An `http` URL is then an error of kind
    /// [`Input`](crate::ErrorKind::Input), and a redirect to one of kind
    /// [`Redirect`](crate::ErrorKind::Redirect). Default: no.
    pub fn https_only(mut self, only: bool) -> Self {
        self.fields_mut().options_mut().https_only = Some(only);
        self
    }

    /// Sets TLS settings for this request, in place of all of the backend's, roots included. Its
    /// redirects keep them.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.fields_mut().options_mut().tls = Some(tls);
        self
    }

    /// Sends the request through the Unix socket at this path, in place of TCP and of any proxy.
    /// The URL says what is asked for, and with `https` whom the certificate must be for. A
    /// redirect to another origin does not go through it.
    ///
    /// A backend or platform without Unix sockets gives an error of kind
    /// [`Unsupported`](crate::ErrorKind::Unsupported).
    pub fn unix_socket(mut self, path: impl AsRef<Path>) -> Self {
        self.fields_mut().options_mut().unix_socket = Some(path.as_ref().into());
        self
    }

    /// Whether the peer's certificate must be valid for its name. Default: yes. Without it, anybody
    /// on the way can read and change what is exchanged.
    pub fn verify_ssl(mut self, verify: bool) -> Self {
        self.fields_mut().verify_ssl = Some(verify);
        self
    }
}
