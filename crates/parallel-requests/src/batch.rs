//! All outcomes of a batch together, and the error that loses none of them.

use std::{error::Error, fmt, slice, vec};

use pr_core::{BackendError, NormalizedResponse};

use crate::Outcome;

/// The outcomes of a batch, in the order of the input: one for each request, duplicates included.
///
/// ```
/// use parallel_requests::{Batch, NormalizedResponse};
///
/// fn newest<'a>(batch: &'a Batch<&str>) -> Option<&'a NormalizedResponse> {
///     println!("{} of {} succeeded", batch.successes().count(), batch.len());
///     batch.by_key(&"newest")?.response()
/// }
/// ```
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
#[must_use = "a batch holds the outcome of every request, errors included"]
pub struct Batch<K = ()> {
    outcomes: Vec<Outcome<K>>,
}

impl<K> Batch<K> {
    /// From outcomes in any order.
    pub(crate) fn from_unordered(mut outcomes: Vec<Outcome<K>>) -> Self {
        outcomes.sort_unstable_by_key(|outcome| outcome.index);
        Self { outcomes }
    }

    /// The number of requests.
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Whether there were no requests.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }

    /// The outcome of the request at this place of the input, from 0.
    pub fn get(&self, index: usize) -> Option<&Outcome<K>> {
        self.outcomes.get(index)
    }

    /// The outcome of the first request with this key. It looks through the batch from the start.
    pub fn by_key(&self, key: &K) -> Option<&Outcome<K>>
    where
        K: PartialEq,
    {
        self.outcomes.iter().find(|outcome| outcome.key == *key)
    }

    /// The outcomes in the order of the input.
    pub fn iter(&self) -> slice::Iter<'_, Outcome<K>> {
        self.outcomes.iter()
    }

    /// The outcomes that have a response, whatever its status.
    pub fn successes(&self) -> impl Iterator<Item = &Outcome<K>> {
        self.iter().filter(|outcome| outcome.is_ok())
    }

    /// The outcomes that have an error.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome<K>> {
        self.iter().filter(|outcome| !outcome.is_ok())
    }

    /// The outcomes, taken out.
    pub fn into_outcomes(self) -> Vec<Outcome<K>> {
        self.outcomes
    }

    /// All responses in the order of the input, or, if even one request failed, an error that
    /// still holds every outcome.
    pub fn into_result(self) -> Result<Vec<NormalizedResponse>, PartialFailure<K>> {
        if self.failures().next().is_some() {
            return Err(PartialFailure { batch: self });
        }
        Ok(self
            .outcomes
            .into_iter()
            .filter_map(|outcome| outcome.result.ok())
            .collect())
    }
}

impl<K> IntoIterator for Batch<K> {
    type Item = Outcome<K>;
    type IntoIter = vec::IntoIter<Outcome<K>>;

    fn into_iter(self) -> Self::IntoIter {
        self.outcomes.into_iter()
    }
}

impl<'a, K> IntoIterator for &'a Batch<K> {
    type Item = &'a Outcome<K>;
    type IntoIter = slice::Iter<'a, Outcome<K>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Some requests of a batch failed. Every success and every failure is still here, by index.
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
pub struct PartialFailure<K = ()> {
    batch: Batch<K>,
}

impl<K> PartialFailure<K> {
    /// The responses that there are, each with its place in the input.
    pub fn successes(&self) -> impl Iterator<Item = (usize, &NormalizedResponse)> {
        self.batch
            .iter()
            .filter_map(|outcome| Some((outcome.index, outcome.response()?)))
    }

    /// The errors, each with the place in the input.
    pub fn failures(&self) -> impl Iterator<Item = (usize, &BackendError)> {
        self.batch
            .iter()
            .filter_map(|outcome| Some((outcome.index, outcome.error()?)))
    }

    /// The whole batch.
    pub fn batch(&self) -> &Batch<K> {
        &self.batch
    }

    /// The whole batch, taken out.
    pub fn into_batch(self) -> Batch<K> {
        self.batch
    }
}

impl<K> fmt::Display for PartialFailure<K> {
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

impl<K> fmt::Debug for PartialFailure<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.failures()).finish()
    }
}

impl<K> Error for PartialFailure<K> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failures().next().map(|(_, error)| error as _)
    }
}
