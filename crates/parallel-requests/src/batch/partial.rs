//! The error of a batch that loses none of its outcomes.

use std::{borrow::Borrow, error::Error, fmt, hash::Hash};

use pr_core::{BackendError, NormalizedResponse};

use super::{Batch, Outcome};

/// Some requests of a batch failed. Every success and every failure is still here, by index and by
/// key.
///
/// ```
/// use parallel_requests::{Batch, NormalizedResponse};
///
/// fn all_or_what_there_is(batch: Batch) -> Vec<NormalizedResponse> {
///     match batch.into_result() {
///         Ok(responses) => responses,
///         Err(partial) => {
///             eprintln!("{partial}");
///             for (index, error) in partial.failures() {
///                 eprintln!("  request {index}: {error}");
///             }
///             partial.into_batch().into_iter().filter_map(|outcome| outcome.result.ok()).collect()
///         }
///     }
/// }
/// ```
pub struct PartialFailure<K = (), T = NormalizedResponse> {
    batch: Batch<K, T>,
}

impl<K, T> PartialFailure<K, T> {
    pub(super) fn new(batch: Batch<K, T>) -> Self {
        Self { batch }
    }

    /// What succeeded, each with its place in the input.
    pub fn successes(&self) -> impl Iterator<Item = (usize, &T)> {
        self.batch
            .iter()
            .filter_map(|outcome| Some((outcome.index, outcome.value()?)))
    }

    /// The errors, each with the place in the input.
    pub fn failures(&self) -> impl Iterator<Item = (usize, &BackendError)> {
        self.batch
            .iter()
            .filter_map(|outcome| Some((outcome.index, outcome.error()?)))
    }

    /// The outcome of the request at this place of the input, from 0.
    pub fn get(&self, index: usize) -> Option<&Outcome<K, T>> {
        self.batch.get(index)
    }

    /// The outcome of the first request with this key; see [`Batch::by_key`].
    pub fn by_key<Q>(&self, key: &Q) -> Option<&Outcome<K, T>>
    where
        K: Borrow<Q> + Hash,
        Q: Hash + Eq + ?Sized,
    {
        self.batch.by_key(key)
    }

    /// The whole batch.
    pub fn batch(&self) -> &Batch<K, T> {
        &self.batch
    }

    /// The whole batch, taken out.
    pub fn into_batch(self) -> Batch<K, T> {
        self.batch
    }
}

impl<K, T> fmt::Display for PartialFailure<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} requests failed",
            self.failures().count(),
            self.batch.len()
        )?;
        match self.failures().next() {
            Some((index, error)) => write!(f, "; the first is request {index}: {error}"),
            None => Ok(()),
        }
    }
}

impl<K, T> fmt::Debug for PartialFailure<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.failures()).finish()
    }
}

impl<K, T> Error for PartialFailure<K, T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failures().next().map(|(_, error)| error as _)
    }
}
