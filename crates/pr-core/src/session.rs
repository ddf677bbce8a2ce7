//! A backend together with the defaults of its requests.

use std::sync::Arc;

use crate::{
    Backend, BackendError, BackendExt, NormalizedResponse, RequestConfig, RequestDefaults,
    StreamingResponse,
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

    /// As [`BackendExt::request`], with the defaults applied.
    pub async fn request(
        &self,
        request: impl Into<RequestConfig>,
    ) -> Result<NormalizedResponse, BackendError> {
        let mut request = request.into();
        self.defaults.apply(&mut request);
        self.backend.request(request).await
    }

    /// As [`BackendExt::stream`], with the defaults applied.
    pub async fn stream(
        &self,
        request: impl Into<RequestConfig>,
    ) -> Result<StreamingResponse, BackendError> {
        let mut request = request.into();
        self.defaults.apply(&mut request);
        self.backend.stream(request).await
    }

    /// As [`Backend::close`].
    pub async fn close(&self) {
        self.backend.close().await;
    }
}
