//! The backends that are compiled in, in detection order. A new one takes one line here.

use std::sync::Arc;

use pr_core::{Backend, BackendError, TransportConfig};

use crate::ConfigurationError;

/// A backend that the facade knows how to make.
pub(crate) struct Registration {
    pub(crate) name: &'static str,
    make: fn(TransportConfig) -> Result<Arc<dyn Backend>, BackendError>,
}

/// Two lists of one: what is compiled in, and what could be.
macro_rules! registry {
    ($($name:literal, $backend:path, $what:literal;)*) => {
        /// What is compiled in. The first is the automatic choice.
        pub(crate) const REGISTRY: &[Registration] = &[$(
            #[cfg(feature = $name)]
            Registration {
                name: $name,
                make: |config| Ok(Arc::new(<$backend>::with_config(config)?)),
            },
        )*];

        /// Every backend of this workspace, compiled in or not, and what it is.
        pub(crate) const KNOWN: &[(&str, &str)] = &[$(($name, $what),)*];
    };
}
// Name and feature, type, what it is; in detection order.
registry! {
    "h2", pr_backend_h2::H2Backend, "HTTP/2, the recommended default";
    "hyper", pr_backend_hyper::HyperBackend, "HTTP/1.1, async";
    "blocking", pr_backend_blocking::BlockingBackend, "HTTP/1.1 on threads";
}

/// The names of the backends that are compiled in, in detection order.
///
/// ```
/// # #[cfg(feature = "h2")]
/// assert_eq!(parallel_requests::available_backends().next(), Some("h2"));
/// ```
pub fn available_backends() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|registration| registration.name)
}

/// Makes a backend by its name, for those who want one without the client around it.
///
/// A name that is not compiled in, or not known at all, is an error that says what is.
///
/// ```
/// # #[cfg(feature = "h2")] {
/// use parallel_requests::{TransportConfig, make_backend};
///
/// let backend = make_backend("h2", TransportConfig::default())?;
/// assert_eq!(backend.name(), "h2");
/// # }
/// # Ok::<(), parallel_requests::ConfigurationError>(())
/// ```
pub fn make_backend(
    name: &str,
    transport: TransportConfig,
) -> Result<Arc<dyn Backend>, ConfigurationError> {
    let registration = REGISTRY
        .iter()
        .find(|registration| registration.name == name)
        .ok_or_else(|| ConfigurationError::missing_backend(name))?;
    Ok((registration.make)(transport)?)
}
