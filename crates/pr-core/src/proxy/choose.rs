//! Proxies that are chosen while a request is under way.

use std::{fmt, sync::Arc};

use url::Url;

use super::Proxy;
use crate::BackendError;

/// Chooses the proxy of a request when it is known where the request goes: for its own URL, and anew for
/// the target of each redirect. Set it by [`RequestConfig::choose_proxy`](crate::RequestConfig::choose_proxy).
///
/// ```
/// use std::sync::Arc;
/// use pr_core::{BackendError, ChooseProxy, Proxy, RequestConfig};
/// use url::Url;
///
/// struct ByScheme(Proxy);
///
/// impl ChooseProxy for ByScheme {
///     fn choose(&self, url: &Url) -> Result<Option<Proxy>, BackendError> {
///         Ok((url.scheme() == "https").then(|| self.0.clone()))
///     }
/// }
///
/// let proxy = Proxy::new("http://proxy.example:3128")?;
/// let request = RequestConfig::get("https://example.org/").choose_proxy(Arc::new(ByScheme(proxy)));
/// assert!(request.has_own_route());
/// # Ok::<(), BackendError>(())
/// ```
pub trait ChooseProxy: Send + Sync {
    /// The proxy on the way to this URL, or `None` to go there directly. With an error, which should
    /// be of a kind that precedes sending, the request fails.
    ///
    /// It is asked more than once for a URL, for instance when a request is sent again at once, and
    /// should then give the same. It must be quick.
    fn choose(&self, url: &Url) -> Result<Option<Proxy>, BackendError>;
}

/// Whoever chooses, as a request holds it.
#[derive(Clone)]
pub(crate) struct Chooser(pub(crate) Arc<dyn ChooseProxy>);

impl fmt::Debug for Chooser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chooser")
    }
}
