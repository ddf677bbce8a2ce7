//! Which backend a client uses, and why that one.

use std::{fmt, sync::Arc};

use pr_core::{Backend, TransportConfig};

use crate::{
    ConfigurationError, make_backend,
    registry::{KNOWN, REGISTRY, available_backends},
};

/// How a client comes by its backend. Made from a name (`"auto"` is one) or from an
/// `Arc<dyn Backend>`.
///
/// ```
/// use parallel_requests::BackendChoice;
///
/// assert!(matches!(BackendChoice::from("auto"), BackendChoice::Auto));
/// assert!(matches!(BackendChoice::from("hyper"), BackendChoice::Named(_)));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum BackendChoice {
    /// The first that is compiled in, in detection order.
    #[default]
    Auto,
    /// The one of this name.
    Named(String),
    /// This one, perhaps a third party's.
    Given(Arc<dyn Backend>),
}

impl From<&str> for BackendChoice {
    fn from(name: &str) -> Self {
        match name {
            "auto" => Self::Auto,
            name => Self::Named(name.to_owned()),
        }
    }
}

impl From<String> for BackendChoice {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl From<Arc<dyn Backend>> for BackendChoice {
    fn from(backend: Arc<dyn Backend>) -> Self {
        Self::Given(backend)
    }
}

impl<B: Backend> From<Arc<B>> for BackendChoice {
    fn from(backend: Arc<B>) -> Self {
        Self::Given(backend)
    }
}

/// The backend that a client uses and the reason for it, in words.
///
/// ```
/// # #[cfg(feature = "h2")] {
/// let client = parallel_requests::ParallelRequests::builder().backend("h2").build()?;
/// assert_eq!(client.selection().to_string(), "h2: named by the caller");
/// # }
/// # Ok::<(), parallel_requests::ConfigurationError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    backend: &'static str,
    reason: String,
}

impl Selection {
    /// The backend's name.
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// Why this one.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.backend, self.reason)
    }
}

/// Makes the backend that was chosen. The transport's settings are for a backend that is made
/// here; one given by value has its own.
pub(crate) fn select(
    choice: BackendChoice,
    transport: TransportConfig,
) -> Result<(Arc<dyn Backend>, Selection), ConfigurationError> {
    let (backend, reason) = match choice {
        BackendChoice::Auto => {
            let first = REGISTRY.first().ok_or(ConfigurationError::NoBackend)?;
            (make_backend(first.name, transport)?, automatic_reason())
        }
        BackendChoice::Named(name) => (
            make_backend(&name, transport)?,
            "named by the caller".to_owned(),
        ),
        BackendChoice::Given(backend) => (backend, "given by the caller".to_owned()),
    };
    let selection = Selection {
        backend: backend.name(),
        reason,
    };
    Ok((backend, selection))
}

fn automatic_reason() -> String {
    let order = KNOWN
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(", ");
    let compiled_in = available_backends().collect::<Vec<_>>().join(", ");
    format!("the first in detection order ({order}) of those compiled in ({compiled_in})")
}
