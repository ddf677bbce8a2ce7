//! What a backend's user should know but need not stop for, said once each.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

/// Something that works otherwise than it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A request said `http2(true)`, and its backend speaks HTTP/1.1 only.
    Http2Unsupported {
        /// The backend.
        backend: &'static str,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http2Unsupported { backend } => write!(
                f,
                "http2(true) has no effect: the {backend} backend speaks HTTP/1.1 only; \
                 the h2 backend speaks HTTP/2"
            ),
        }
    }
}

/// The warnings of one backend. Each is logged (`tracing`, level `WARN`) the first time it is
/// raised and can be read from then on.
///
/// ```
/// let warnings = pr_core::Warnings::default();
/// assert!(warnings.list("hyper").is_empty());
/// warnings.http2_unsupported("hyper");
/// warnings.http2_unsupported("hyper");
/// assert_eq!(warnings.list("hyper").len(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Warnings {
    http2_unsupported: AtomicBool,
}

impl Warnings {
    /// Raises [`Warning::Http2Unsupported`].
    pub fn http2_unsupported(&self, backend: &'static str) {
        if !self.http2_unsupported.swap(true, Ordering::Relaxed) {
            tracing::warn!(backend, "{}", Warning::Http2Unsupported { backend });
        }
    }

    /// The warnings that have been raised, for the backend of this name.
    pub fn list(&self, backend: &'static str) -> Vec<Warning> {
        let mut raised = Vec::new();
        if self.http2_unsupported.load(Ordering::Relaxed) {
            raised.push(Warning::Http2Unsupported { backend });
        }
        raised
    }
}
