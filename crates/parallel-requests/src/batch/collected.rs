//! All outcomes of a batch together.

use std::{borrow::Borrow, fmt, hash::Hash, slice, sync::OnceLock, vec};

use pr_core::{Delivery, NormalizedResponse, RequestConfig};

use super::{Outcome, PartialFailure, keys::Keys};
use crate::ParallelRequests;

/// The outcomes of a batch, in the order of the input: one for each request, duplicates included.
///
/// `T` is what responses were [turned into](crate::BatchBuilder#what-responses-become): themselves,
/// unless the batch says otherwise.
///
/// ```
/// use parallel_requests::{Batch, NormalizedResponse};
///
/// fn newest<'a>(batch: &'a Batch<&str>) -> Option<&'a NormalizedResponse> {
///     println!("{} of {} succeeded", batch.successes().count(), batch.len());
///     batch.by_key("newest")?.response()
/// }
/// ```
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
#[cfg_attr(
    feature = "serde",
    serde(bound(
        serialize = "Outcome<K, T>: serde::Serialize",
        deserialize = "Outcome<K, T>: serde::Deserialize<'de>"
    ))
)]
#[must_use = "a batch holds the outcome of every request, errors included"]
pub struct Batch<K = (), T = NormalizedResponse> {
    outcomes: Vec<Outcome<K, T>>,
    /// Made when it is first asked for.
    #[cfg_attr(feature = "serde", serde(skip))]
    keys: OnceLock<Keys>,
    /// Whether 4xx and 5xx were failures.
    #[cfg_attr(feature = "serde", serde(skip))]
    error_for_status: bool,
}

impl<K, T> Batch<K, T> {
    /// From outcomes in any order.
    pub(crate) fn from_unordered(mut outcomes: Vec<Outcome<K, T>>, error_for_status: bool) -> Self {
        outcomes.sort_unstable_by_key(|outcome| outcome.index);
        Self {
            outcomes,
            keys: OnceLock::new(),
            error_for_status,
        }
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
    pub fn get(&self, index: usize) -> Option<&Outcome<K, T>> {
        self.outcomes.get(index)
    }

    /// The outcome of the first request with this key.
    ///
    /// The first call makes a table of the keys, of 16 bytes for each; from then on it takes the
    /// same time however long the batch, but for a binary search.
    pub fn by_key<Q>(&self, key: &Q) -> Option<&Outcome<K, T>>
    where
        K: Borrow<Q> + Hash,
        Q: Hash + Eq + ?Sized,
    {
        let keys = || Keys::of(self.iter().map(|outcome| &outcome.key));
        let mut candidates = self.keys.get_or_init(keys).candidates(key);
        candidates.find_map(|place| {
            let outcome = self.outcomes.get(place)?;
            (outcome.key.borrow() == key).then_some(outcome)
        })
    }

    /// The outcomes in the order of the input.
    pub fn iter(&self) -> slice::Iter<'_, Outcome<K, T>> {
        self.outcomes.iter()
    }

    /// The outcomes that have a response, whatever its status, or what it was turned into.
    pub fn successes(&self) -> impl Iterator<Item = &Outcome<K, T>> {
        self.iter().filter(|outcome| outcome.is_ok())
    }

    /// The outcomes that have an error.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome<K, T>> {
        self.iter().filter(|outcome| !outcome.is_ok())
    }

    /// The outcomes, taken out.
    pub fn into_outcomes(self) -> Vec<Outcome<K, T>> {
        self.outcomes
    }

    /// All responses, or what they were turned into, in the order of the input; or, if even one
    /// request failed, an error that still holds every outcome.
    pub fn into_result(self) -> Result<Vec<T>, PartialFailure<K, T>> {
        if self.failures().next().is_some() {
            return Err(PartialFailure::new(self));
        }
        Ok(self
            .outcomes
            .into_iter()
            .filter_map(|outcome| outcome.result.ok())
            .collect())
    }

    /// The requests that failed and can be sent again, each with its place in the input as the key:
    /// what a second batch is made of whose outcomes are then [merged](Self::merge) into this one.
    /// [`retry_failed`](Self::retry_failed) is the short way, this is the one with settings.
    ///
    /// A request whose body can be sent only once is among them if nothing of it was sent. Outcomes
    /// that were read from JSON have no requests.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// # use parallel_requests::ParallelRequests;
    ///
    /// # async fn run(client: ParallelRequests, urls: Vec<String>) {
    /// let mut batch = client.batch(urls).json::<u64>().deadline(Duration::from_secs(60)).collect().await;
    /// let again = client.batch(batch.failed_requests()).json().collect().await;
    /// batch.merge(again);
    /// # }
    /// ```
    pub fn failed_requests(&self) -> impl Iterator<Item = (usize, RequestConfig)> {
        self.failures().filter_map(|outcome| {
            let request = outcome.request()?;
            let is_untouched = outcome.error()?.delivery() == Delivery::NotSent;
            (request.is_replayable() || is_untouched).then(|| (outcome.index, request.clone()))
        })
    }

    /// Puts the outcomes of requests that were sent again in the places of the former ones. Their
    /// keys are those places; what has no place here is left out.
    pub fn merge(&mut self, again: Batch<usize, T>) {
        for new in again.outcomes {
            if let Some(old) = self.outcomes.get_mut(new.key) {
                old.elapsed = new.elapsed;
                old.result = new.result;
                old.request = new.request;
                old.attempts = new.attempts;
            }
        }
    }
}

impl<K> Batch<K> {
    /// Sends again what failed, and only that: the batch with the new outcomes in the places of the
    /// former ones. Whether a 4xx or 5xx is a failure is as it was in this batch.
    ///
    /// This is your explicit wish, so it holds for requests of any method, also those that the peer
    /// may have processed before it failed to say so: look at
    /// [`may_have_been_processed`](pr_core::BackendError::may_have_been_processed) first if doing a
    /// thing twice does harm. A request whose body could be sent only once, and was, keeps its
    /// failure. For typed batches, deadlines and the like, see
    /// [`failed_requests`](Self::failed_requests).
    ///
    /// Dropping the future cancels what is in flight; the batch is gone with it.
    ///
    /// ```no_run
    /// # use parallel_requests::ParallelRequests;
    /// # async fn run(client: ParallelRequests, urls: Vec<String>) {
    /// let batch = client.request(urls).await.retry_failed(&client).await;
    /// # }
    /// ```
    pub async fn retry_failed(mut self, client: &ParallelRequests) -> Self {
        let failed: Vec<_> = self.failed_requests().collect();
        let mut again = client.batch(failed);
        if self.error_for_status {
            again = again.error_for_status();
        }
        let again = again.collect().await;
        self.merge(again);
        self
    }
}

impl<K, T> IntoIterator for Batch<K, T> {
    type Item = Outcome<K, T>;
    type IntoIter = vec::IntoIter<Outcome<K, T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.outcomes.into_iter()
    }
}

impl<'a, K, T> IntoIterator for &'a Batch<K, T> {
    type Item = &'a Outcome<K, T>;
    type IntoIter = slice::Iter<'a, Outcome<K, T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: fmt::Debug, T: fmt::Debug> fmt::Debug for Batch<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.outcomes).finish()
    }
}
