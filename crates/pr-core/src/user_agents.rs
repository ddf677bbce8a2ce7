//! A list of names that a client calls itself by in turn.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::HeaderValue;

use crate::{BackendError, ErrorKind};

/// Names for the `user-agent` header, used in turn: each request gets the next one, its redirects
/// the same. Clones share the turn.
///
/// Without such a list, and without a `user-agent` of its own, a request says honestly
/// `parallel-requests/<version>`.
///
/// ```
/// use pr_core::{RequestDefaults, UserAgents};
///
/// let mut defaults = RequestDefaults::default();
/// defaults.user_agents = Some(UserAgents::in_turn(["crawler/1.0 (a)", "crawler/1.0 (b)"])?);
/// # Ok::<(), pr_core::BackendError>(())
/// ```
#[derive(Clone, Debug)]
pub struct UserAgents {
    names: Arc<[HeaderValue]>,
    next: Arc<AtomicUsize>,
}

impl UserAgents {
    /// These names, in turn.
    ///
    /// None at all, or one that a header cannot hold, is an error of kind
    /// [`Config`](ErrorKind::Config).
    pub fn in_turn<N: TryInto<HeaderValue>>(
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, BackendError> {
        let names: Result<Arc<[_]>, _> = names.into_iter().map(TryInto::try_into).collect();
        let refuse = |why: &'static str| Err(BackendError::new(ErrorKind::Config, why));
        match names {
            Ok(names) if names.is_empty() => refuse("the list of user agents is empty"),
            Ok(names) => Ok(Self {
                names,
                next: Arc::default(),
            }),
            Err(_) => refuse("a user agent has characters that a header cannot hold"),
        }
    }

    /// The name whose turn it is.
    pub(crate) fn next(&self) -> HeaderValue {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.names[turn % self.names.len()].clone()
    }
}
