//! A backend together with the defaults of its requests.

use std::sync::Arc;

use crate::{
    Backend, BackendError, NormalizedResponse, RequestConfig, RequestDefaults, StreamingResponse,
    semantics,
};

/// A backend joined with [`RequestDefaults`]: what a single-backend user keeps around, and what
/// the facade's client is built on.
///
/// Clones share the backend.
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
}

impl Session {
    /// A session without defaults.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            defaults: Arc::default(),
        }
    }

    /// Sets what applies to every request that does not say otherwise.
    pub fn with_defaults(mut self, defaults: RequestDefaults) -> Self {
        self.defaults = Arc::new(defaults);
        self
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
        let mut request = request.into();
        self.defaults.apply(&mut request);
        semantics::buffered(self.backend.clone(), request)
    }

    /// As [`BackendExt::stream`](crate::BackendExt::stream), with the defaults applied. The future
    /// holds on to the backend by itself.
    pub fn stream<R: Into<RequestConfig>>(
        &self,
        request: R,
    ) -> impl Future<Output = Result<StreamingResponse, BackendError>> + Send + use<R> {
        let mut request = request.into();
        self.defaults.apply(&mut request);
        semantics::streaming(self.backend.clone(), request)
    }

    /// As [`Backend::close`].
    pub async fn close(&self) {
        self.backend.close().await;
    }
}
