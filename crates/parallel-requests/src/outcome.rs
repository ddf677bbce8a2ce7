//! What came of one request.

use std::time::Duration;

use pr_core::{BackendError, NormalizedResponse};

/// What came of one request of a batch. Every request has exactly one.
///
/// ```
/// use parallel_requests::Outcome;
///
/// fn report(outcome: &Outcome<&str>) -> String {
///     match &outcome.result {
///         Ok(response) => format!("{}: {}", outcome.key, response.status_code()),
///         Err(error) => format!("{}: {error}", outcome.key),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome<K = ()> {
    /// The place of the request in the input, from 0.
    pub index: usize,
    /// The request's key; `()` if it had none.
    pub key: K,
    /// How long it took, from its dispatch.
    pub elapsed: Duration,
    /// The response, whatever its status, or why there is none.
    pub result: Result<NormalizedResponse, BackendError>,
}

impl<K> Outcome<K> {
    /// An outcome, for tests of code that takes them.
    pub fn new(
        index: usize,
        key: K,
        elapsed: Duration,
        result: Result<NormalizedResponse, BackendError>,
    ) -> Self {
        Self {
            index,
            key,
            elapsed,
            result,
        }
    }

    /// The response, if there is one.
    pub fn response(&self) -> Option<&NormalizedResponse> {
        self.result.as_ref().ok()
    }

    /// The error, if there is one.
    pub fn error(&self) -> Option<&BackendError> {
        self.result.as_ref().err()
    }

    /// Whether there is a response. A 404 is one.
    pub fn is_ok(&self) -> bool {
        self.result.is_ok()
    }
}
