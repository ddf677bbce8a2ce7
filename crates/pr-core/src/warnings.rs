//! What a backend's user should know but need not stop for, said once each.

use std::{
    borrow::Cow,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Capabilities, Capability, TransportConfig};

/// Something that works otherwise than it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A request said `http2(true)`, and its backend speaks HTTP/1.1 only.
    Http2Unsupported {
        /// The backend.
        backend: &'static str,
    },
    /// HTTP/2 by prior knowledge was asked for, and the backend cannot do that.
    PriorKnowledgeUnsupported {
        /// The backend.
        backend: &'static str,
    },
    /// Something else, in a backend's own words.
    Other {
        /// The backend.
        backend: &'static str,
        /// What it does otherwise, and what to do about it.
        message: Cow<'static, str>,
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
            Self::PriorKnowledgeUnsupported { backend } => write!(
                f,
                "http2_prior_knowledge(true) has no effect: the {backend} backend does not speak \
                 HTTP/2 over plain TCP; the h2 backend does"
            ),
            Self::Other { backend, message } => write!(f, "{backend}: {message}"),
        }
    }
}

/// The warnings of one backend. Each is logged (`tracing`, level `WARN`) the first time it is
/// raised and can be read from then on.
///
/// ```
/// use pr_core::{Warning, Warnings};
///
/// let warnings = Warnings::default();
/// assert!(warnings.list().is_empty());
/// warnings.raise(Warning::Http2Unsupported { backend: "hyper" });
/// warnings.raise(Warning::Http2Unsupported { backend: "hyper" });
/// assert_eq!(warnings.list().len(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Warnings {
    raised: Mutex<Vec<Warning>>,
}

impl Warnings {
    /// For a backend of this name that can do this: it starts with what `config` asks for in vain.
    /// A backend makes its warnings so, and then its user is told whether or not there is a facade.
    pub fn about(
        config: &TransportConfig,
        backend: &'static str,
        capabilities: Capabilities,
    ) -> Self {
        let warnings = Self::default();
        let can = capabilities.has(Capability::Http2PriorKnowledge);
        if config.http2_prior_knowledge && !can {
            warnings.raise(Warning::PriorKnowledgeUnsupported { backend });
        }
        warnings
    }

    /// Raises a warning, unless it has been raised before.
    pub fn raise(&self, warning: Warning) {
        let mut raised = self.lock();
        if !raised.contains(&warning) {
            tracing::warn!("{warning}");
            raised.push(warning);
        }
    }

    /// The warnings that have been raised.
    pub fn list(&self) -> Vec<Warning> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Warning>> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
