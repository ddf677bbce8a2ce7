//! The same client for programs without an async runtime.
//!
//! ```no_run
//! use parallel_requests::blocking::ParallelRequests;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = ParallelRequests::new()?;
//! for outcome in &client.request(["https://example.org/"; 10])? {
//!     println!("{}: {}", outcome.index, outcome.is_ok());
//! }
//! # Ok(())
//! # }
//! ```

mod batch;
mod outcomes;

use std::pin::Pin;

use futures::{Stream, stream::Iter};
use pollster::block_on;
use pr_core::{BackendError, ErrorKind, NormalizedResponse, RequestConfig, Warning};
use tokio::runtime::Handle;

pub use self::{batch::BatchBuilder, outcomes::Outcomes};
use crate::{Batch, BatchItem, ClientBuilder, ConfigurationError, Selection};

/// A [`ParallelRequests`](crate::ParallelRequests) whose methods block.
///
/// Its requests run on [threads](ClientBuilder::threads) of its own. Made or called inside a Tokio
/// runtime, where blocking would stop other tasks, it returns an error. Dropping it is fine
/// anywhere.
#[derive(Clone, Debug)]
pub struct ParallelRequests {
    client: crate::ParallelRequests,
}

impl ParallelRequests {
    /// A client with the defaults of [`ClientBuilder`].
    pub fn new() -> Result<Self, ConfigurationError> {
        Self::from_builder(crate::ParallelRequests::builder())
    }

    /// A client with settings of your own.
    ///
    /// ```no_run
    /// use parallel_requests::{ParallelRequests, blocking};
    ///
    /// let settings = ParallelRequests::builder().concurrency(64);
    /// let client = blocking::ParallelRequests::from_builder(settings)?;
    /// # Ok::<(), parallel_requests::ConfigurationError>(())
    /// ```
    pub fn from_builder(builder: ClientBuilder) -> Result<Self, ConfigurationError> {
        refuse_inside_a_runtime()?;
        if builder.drives_nothing() {
            return Err(ConfigurationError::InvalidSetting {
                setting: "threads",
                value: "0".to_owned(),
                why: "a blocking client has no other threads to send requests from".into(),
            });
        }
        // Whatever runtime it is called in later by mistake, its own threads do the work.
        let client = builder.on_own_threads().build()?;
        Ok(Self { client })
    }

    /// As [`ParallelRequests::batch`](crate::ParallelRequests::batch).
    pub fn batch<I>(&self, requests: I) -> BatchBuilder<Iter<I::IntoIter>>
    where
        I: IntoIterator<Item: BatchItem>,
    {
        BatchBuilder::new(self.client.batch(requests))
    }

    /// As [`ParallelRequests::batch_from_stream`](crate::ParallelRequests::batch_from_stream); what
    /// feeds the stream must be on another thread.
    pub fn batch_from_stream<S>(&self, requests: S) -> BatchBuilder<Pin<Box<S>>>
    where
        S: Stream<Item: BatchItem>,
    {
        BatchBuilder::new(self.client.batch_from_stream(requests))
    }

    /// As [`Batch::retry_failed`].
    pub fn retry_failed<K>(&self, batch: Batch<K>) -> Result<Batch<K>, ConfigurationError> {
        wait(batch.retry_failed(&self.client))
    }

    /// As [`ParallelRequests::request`](crate::ParallelRequests::request).
    pub fn request<I>(
        &self,
        requests: I,
    ) -> Result<Batch<<I::Item as BatchItem>::Key>, ConfigurationError>
    where
        I: IntoIterator<Item: BatchItem>,
    {
        self.batch(requests).collect()
    }

    /// As [`ParallelRequests::stream`](crate::ParallelRequests::stream): an iterator over outcomes
    /// as they complete.
    pub fn stream<I>(
        &self,
        requests: I,
    ) -> Result<Outcomes<<I::Item as BatchItem>::Key>, ConfigurationError>
    where
        I: IntoIterator<Item: BatchItem, IntoIter: Send + 'static>,
        I::Item: Send,
        <I::Item as BatchItem>::Key: Send + 'static,
    {
        self.batch(requests).stream()
    }

    /// As [`ParallelRequests::get`](crate::ParallelRequests::get). Inside a runtime the error is of
    /// kind [`Config`](ErrorKind::Config).
    pub fn get(
        &self,
        request: impl Into<RequestConfig>,
    ) -> Result<NormalizedResponse, BackendError> {
        self.send(RequestConfig::get(request))
    }

    /// As [`ParallelRequests::send`](crate::ParallelRequests::send); else as [`get`](Self::get).
    pub fn send(
        &self,
        request: impl Into<RequestConfig>,
    ) -> Result<NormalizedResponse, BackendError> {
        wait(self.client.send(request)).unwrap_or_else(|error| {
            Err(BackendError::new(ErrorKind::Config, "this cannot block here").with_source(error))
        })
    }

    /// As [`ParallelRequests::selection`](crate::ParallelRequests::selection).
    pub fn selection(&self) -> &Selection {
        self.client.selection()
    }

    /// As [`ParallelRequests::warnings`](crate::ParallelRequests::warnings).
    pub fn warnings(&self) -> Vec<Warning> {
        self.client.warnings()
    }

    /// As [`ParallelRequests::reset_connections`](crate::ParallelRequests::reset_connections).
    pub fn reset_connections(&self) {
        self.client.reset_connections();
    }

    /// As [`ParallelRequests::close`](crate::ParallelRequests::close).
    pub fn close(self) -> Result<(), ConfigurationError> {
        wait(self.client.close())
    }
}

fn wait<F: Future>(work: F) -> Result<F::Output, ConfigurationError> {
    refuse_inside_a_runtime()?;
    Ok(block_on(work))
}

fn refuse_inside_a_runtime() -> Result<(), ConfigurationError> {
    match Handle::try_current() {
        Ok(_) => Err(ConfigurationError::InsideRuntime),
        Err(_) => Ok(()),
    }
}
