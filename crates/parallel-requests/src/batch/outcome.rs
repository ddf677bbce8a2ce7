//! What came of one request.

use std::{any::Any, time::Duration};

use pr_core::{Attempt, BackendError, NormalizedResponse, RequestConfig};

/// What came of one request of a batch. Every request has exactly one.
///
/// `T` is what a response was [turned into](crate::BatchBuilder#what-responses-become): itself,
/// unless the batch says otherwise.
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
pub struct Outcome<K = (), T = NormalizedResponse> {
    /// The place of the request in the input, from 0.
    pub index: usize,
    /// The request's key; `()` if it had none.
    pub key: K,
    /// How long it took, from its dispatch: with all of its attempts, the pauses between them, and
    /// what it waited for the client's limits.
    pub elapsed: Duration,
    /// The response, whatever its status, or what it was turned into; or why there is none.
    pub result: Result<T, BackendError>,
    /// The request, if it failed.
    pub(crate) request: Option<RequestConfig>,
    /// The attempts, if the result does not tell: its response has been turned into something else,
    /// or the request was never begun.
    pub(crate) attempts: Option<Box<[Attempt]>>,
}

impl<K, T> Outcome<K, T> {
    /// An outcome, for tests of code that takes them.
    pub fn new(index: usize, key: K, elapsed: Duration, result: Result<T, BackendError>) -> Self {
        Self {
            index,
            key,
            elapsed,
            result,
            request: None,
            attempts: None,
        }
    }

    /// What the response became, if there is one: with no [type](crate::BatchBuilder::json) given,
    /// the response.
    pub fn value(&self) -> Option<&T> {
        self.result.as_ref().ok()
    }

    /// The error, if there is one.
    pub fn error(&self) -> Option<&BackendError> {
        self.result.as_ref().err()
    }

    /// Whether there is a response. A 404 is one, unless the batch
    /// [says otherwise](crate::BatchBuilder::error_for_status).
    pub fn is_ok(&self) -> bool {
        self.result.is_ok()
    }

    /// The request, if it failed; of one that succeeded it has been let go of. An outcome that was
    /// read from JSON has none.
    ///
    /// A clone of it is cheap, and can be sent again if its body
    /// [can](RequestConfig::is_replayable).
    pub fn request(&self) -> Option<&RequestConfig> {
        self.request.as_ref()
    }

    /// All attempts at this request, in order: those that a retry policy made in vain, and the one
    /// that gave this outcome. If the batch was
    /// [stopped](crate::BatchBuilder#when-a-batch-is-stopped) when the request waited for its turn or
    /// for its next attempt, there are only those before; none, if it was never begun.
    pub fn attempts(&self) -> Vec<Attempt>
    where
        T: 'static,
    {
        if let Some(attempts) = &self.attempts {
            return attempts.to_vec();
        }
        match &self.result {
            Err(error) => with_last(
                error.earlier_attempts(),
                self.elapsed,
                |started, elapsed| Attempt::failed(started, elapsed, error),
            ),
            Ok(value) => match (value as &dyn Any).downcast_ref::<NormalizedResponse>() {
                Some(response) => attempts(self.elapsed, &Ok(response.clone())),
                // Made by hand, or read from JSON.
                None => Vec::new(),
            },
        }
    }
}

impl<K> Outcome<K> {
    /// The response, if there is one.
    pub fn response(&self) -> Option<&NormalizedResponse> {
        self.value()
    }
}

/// All attempts of a request that took so long and had this result.
pub(crate) fn attempts(
    elapsed: Duration,
    result: &Result<NormalizedResponse, BackendError>,
) -> Vec<Attempt> {
    let earlier = match result {
        Ok(response) => response.earlier_attempts(),
        Err(error) => error.earlier_attempts(),
    };
    with_last(earlier, elapsed, |started, elapsed| {
        Attempt::of(started, elapsed, result)
    })
}

/// The attempts with the last one, which took what is left of `elapsed`.
fn with_last(
    earlier: &[Attempt],
    elapsed: Duration,
    last: impl FnOnce(Duration, Duration) -> Attempt,
) -> Vec<Attempt> {
    let started = earlier.last().map_or(Duration::ZERO, |before| {
        before.started + before.elapsed + before.backoff.unwrap_or_default()
    });
    let mut attempts = Vec::with_capacity(earlier.len() + 1);
    attempts.extend_from_slice(earlier);
    attempts.push(last(started, elapsed.saturating_sub(started)));
    attempts
}
