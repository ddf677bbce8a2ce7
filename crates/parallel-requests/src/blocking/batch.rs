//! A batch with settings of its own, for programs without an async runtime.

use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use pr_core::{BackendError, NormalizedResponse};
use serde::de::DeserializeOwned;

use super::{Outcomes, refuse_inside_a_runtime, wait};
use crate::{Batch, BatchItem, BatchProgress, Cancellation, ConfigurationError};

/// A [`BatchBuilder`](crate::BatchBuilder) whose last step blocks; from
/// [`ParallelRequests::batch`](super::ParallelRequests::batch). Its settings are those of the async
/// one, and so are their defaults.
///
/// ```no_run
/// use std::{thread, time::Duration};
/// use parallel_requests::{Cancellation, blocking::ParallelRequests};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = ParallelRequests::new()?;
/// let stop = Cancellation::new();
/// let batch = client
///     .batch(["https://example.org/"; 100])
///     .text()
///     .deadline(Duration::from_secs(10))
///     .cancellation(stop.clone());
/// let progress = batch.progress();
/// thread::spawn(move || {
///     if progress.snapshot().failed > 10 {
///         stop.cancel();
///     }
/// });
/// let texts = batch.collect()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a batch does nothing until it is collected or streamed"]
pub struct BatchBuilder<
    S,
    T = NormalizedResponse,
    F = fn(NormalizedResponse) -> Result<T, BackendError>,
> {
    batch: crate::BatchBuilder<S, T, F>,
}

impl<S> BatchBuilder<S> {
    pub(super) fn new(batch: crate::BatchBuilder<S>) -> Self {
        Self { batch }
    }

    /// As [`BatchBuilder::json`](crate::BatchBuilder::json).
    pub fn json<T: DeserializeOwned>(self) -> BatchBuilder<S, T> {
        BatchBuilder {
            batch: self.batch.json(),
        }
    }

    /// As [`BatchBuilder::text`](crate::BatchBuilder::text).
    pub fn text(self) -> BatchBuilder<S, String> {
        BatchBuilder {
            batch: self.batch.text(),
        }
    }

    /// As [`BatchBuilder::bytes`](crate::BatchBuilder::bytes).
    pub fn bytes(self) -> BatchBuilder<S, Bytes> {
        BatchBuilder {
            batch: self.batch.bytes(),
        }
    }

    /// As [`BatchBuilder::map`](crate::BatchBuilder::map).
    pub fn map<T, F>(self, read: F) -> BatchBuilder<S, T, F>
    where
        F: FnMut(NormalizedResponse) -> Result<T, BackendError>,
    {
        BatchBuilder {
            batch: self.batch.map(read),
        }
    }
}

impl<S, T, F> BatchBuilder<S, T, F> {
    /// As [`BatchBuilder::error_for_status`](crate::BatchBuilder::error_for_status).
    pub fn error_for_status(self) -> Self {
        self.with(crate::BatchBuilder::error_for_status)
    }

    /// As [`BatchBuilder::deadline`](crate::BatchBuilder::deadline).
    pub fn deadline(self, limit: Duration) -> Self {
        self.with(|batch| batch.deadline(limit))
    }

    /// As [`BatchBuilder::cancellation`](crate::BatchBuilder::cancellation).
    pub fn cancellation(self, cancellation: Cancellation) -> Self {
        self.with(|batch| batch.cancellation(cancellation))
    }

    /// As [`BatchBuilder::fail_fast`](crate::BatchBuilder::fail_fast).
    pub fn fail_fast(self) -> Self {
        self.with(crate::BatchBuilder::fail_fast)
    }

    /// As [`BatchBuilder::max_failures`](crate::BatchBuilder::max_failures).
    pub fn max_failures(self, failures: usize) -> Self {
        self.with(|batch| batch.max_failures(failures))
    }

    /// As [`BatchBuilder::ordered`](crate::BatchBuilder::ordered).
    pub fn ordered(self) -> Self {
        self.with(crate::BatchBuilder::ordered)
    }

    /// As [`BatchBuilder::reorder_window`](crate::BatchBuilder::reorder_window).
    pub fn reorder_window(self, outcomes: usize) -> Self {
        self.with(|batch| batch.reorder_window(outcomes))
    }

    /// As [`BatchBuilder::look_ahead`](crate::BatchBuilder::look_ahead).
    pub fn look_ahead(self, requests: usize) -> Self {
        self.with(|batch| batch.look_ahead(requests))
    }

    /// As [`BatchBuilder::progress`](crate::BatchBuilder::progress). Take
    /// [snapshots](BatchProgress::snapshot) from another thread.
    pub fn progress(&self) -> BatchProgress {
        self.batch.progress()
    }

    fn with(
        self,
        setting: impl FnOnce(crate::BatchBuilder<S, T, F>) -> crate::BatchBuilder<S, T, F>,
    ) -> Self {
        Self {
            batch: setting(self.batch),
        }
    }
}

impl<S, T, F> BatchBuilder<S, T, F>
where
    S: Stream<Item: BatchItem> + Unpin,
    F: FnMut(NormalizedResponse) -> Result<T, BackendError>,
{
    /// As [`BatchBuilder::collect`](crate::BatchBuilder::collect); it blocks until the last request
    /// is done. Inside an async runtime it is an error, and nothing is sent.
    pub fn collect(self) -> Result<Batch<<S::Item as BatchItem>::Key, T>, ConfigurationError> {
        wait(self.batch.collect())
    }

    /// As [`BatchBuilder::stream`](crate::BatchBuilder::stream): an iterator over outcomes. Inside an
    /// async runtime it is an error, and nothing is sent.
    pub fn stream(self) -> Result<Outcomes<<S::Item as BatchItem>::Key, T>, ConfigurationError>
    where
        S: Send + 'static,
        S::Item: Send,
        <S::Item as BatchItem>::Key: Send + 'static,
        T: Send + 'static,
        F: Send + 'static,
    {
        refuse_inside_a_runtime()?;
        Ok(Outcomes::new(self.batch.stream()))
    }
}
