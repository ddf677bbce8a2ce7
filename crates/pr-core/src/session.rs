//! A backend together with the defaults of its requests, and their cookies.

use std::sync::Arc;

#[cfg(feature = "cookies")]
use crate::CookieJar;
use crate::{
    Backend, BackendError, NormalizedResponse, RequestConfig, RequestDefaults, StreamingResponse,
    semantics::{self, Cookies},
};

/// A backend joined with [`RequestDefaults`] and, if you want, a jar of cookies: what a
/// single-backend user keeps around, and what the facade's client is built on.
///
/// Clones share the backend and the jar.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use pr_core::{Backend, BackendError, RequestDefaults, Session};
///
/// async fn status(backend: Arc<dyn Backend>) -> Result<u16, BackendError> {
///     let mut defaults = RequestDefaults::default();
///     defaults.timeout = Some(Duration::from_secs(5));
///     let session = Session::new(backend).with_defaults(defaults);
///     Ok(session.request("https://example.org/").await?.status_code().as_u16())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    backend: Arc<dyn Backend>,
    defaults: Arc<RequestDefaults>,
    cookies: Cookies,
}

impl Session {
    /// A session without defaults and without cookies.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            defaults: Arc::default(),
            cookies: Cookies::default(),
        }
    }

    /// Sets what applies to every request that does not say otherwise.
    pub fn with_defaults(mut self, defaults: RequestDefaults) -> Self {
        self.defaults = Arc::new(defaults);
        self
    }

    /// Keeps cookies in this jar: what a response sets, a redirect included, is sent with later
    /// requests that it is for.
    #[cfg(feature = "cookies")]
    pub fn with_cookie_jar(mut self, jar: CookieJar) -> Self {
        self.cookies = Cookies::of(jar);
        self
    }

    /// The jar, if there is one.
    #[cfg(feature = "cookies")]
    pub fn cookie_jar(&self) -> Option<&CookieJar> {
        self.cookies.jar()
    }

    /// The backend.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The defaults.
    pub fn defaults(&self) -> &RequestDefaults {
        &self.defaults
    }

    /// As [`BackendExt::request`](crate::BackendExt::request), with the defaults applied. The future
    /// holds on to the backend by itself.
    pub fn request<R: Into<RequestConfig>>(
        &self,
        request: R,
    ) -> impl Future<Output = Result<NormalizedResponse, BackendError>> + Send + use<R> {
        request.into().send_by(|fields| {
            self.defaults.apply_to(fields);
            semantics::buffered(self.backend.clone(), fields, self.cookies.clone())
        })
    }

    /// As [`BackendExt::stream`](crate::BackendExt::stream), with the defaults applied. The future
    /// holds on to the backend by itself.
    pub fn stream<R: Into<RequestConfig>>(
        &self,
        request: R,
    ) -> impl Future<Output = Result<StreamingResponse, BackendError>> + Send + use<R> {
        request.into().send_by(|fields| {
            self.defaults.apply_to(fields);
            semantics::streaming(self.backend.clone(), fields, self.cookies.clone())
        })
    }

    /// As [`Backend::close`].
    pub async fn close(&self) {
        self.backend.close().await;
    }
}
