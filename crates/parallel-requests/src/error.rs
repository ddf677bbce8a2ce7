//! What is wrong with a client before it sends anything.

use std::borrow::Cow;

use pr_core::BackendError;
use thiserror::Error;

use crate::registry::{KNOWN, available_backends};

/// Why there is no client.
///
/// ```
/// use parallel_requests::ParallelRequests;
///
/// let error = ParallelRequests::builder().backend("carrier-pigeon").build().unwrap_err();
/// assert!(error.to_string().starts_with("there is no backend named \"carrier-pigeon\""));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// No backend is compiled in, so there is none to choose.
    #[error(
        "no suitable backend found, because none is compiled in: enable a feature of \
         parallel-requests, {}; `all` brings all three",
        features()
    )]
    NoBackend,
    /// A backend of that name exists and is not compiled in.
    #[error(
        "the backend {name:?} is not compiled in; compiled in: {compiled_in}. \
         Enable the feature `{name}` of parallel-requests"
    )]
    NotCompiledIn {
        /// The name that was asked for, which is also the feature's.
        name: String,
        /// The names that are there.
        compiled_in: String,
    },
    /// No backend has that name.
    #[error(
        "there is no backend named {name:?}; compiled in: {compiled_in}. \
         One of your own is given by value, as an Arc<dyn Backend>"
    )]
    UnknownBackend {
        /// The name that was asked for.
        name: String,
        /// The names that are there.
        compiled_in: String,
    },
    /// A setting has a value that cannot work.
    #[error("{setting} cannot be {value}: {why}")]
    InvalidSetting {
        /// The builder's method.
        setting: &'static str,
        /// What it was given.
        value: String,
        /// Why not, and what would do.
        why: Cow<'static, str>,
    },
    /// A blocking client was made or called inside an async runtime, where it would block a thread
    /// that other tasks need.
    #[error(
        "a blocking client cannot be used inside an async runtime; use \
         parallel_requests::ParallelRequests and .await there"
    )]
    InsideRuntime,
    /// The backend could not be made of its settings.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl ConfigurationError {
    /// The error for a name that is not in the registry.
    pub(crate) fn missing_backend(name: &str) -> Self {
        let names: Vec<_> = available_backends().collect();
        let compiled_in = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        let name = name.to_owned();
        if KNOWN.iter().any(|(known, _)| *known == name) {
            Self::NotCompiledIn { name, compiled_in }
        } else {
            Self::UnknownBackend { name, compiled_in }
        }
    }
}

fn features() -> String {
    let features: Vec<_> = KNOWN
        .iter()
        .map(|(name, what)| format!("`{name}` ({what})"))
        .collect();
    features.join(", ")
}
