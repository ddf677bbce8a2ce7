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

mod outcomes;

use pr_core::{BackendError, ErrorKind, NormalizedResponse, RequestConfig, Warning};
use tokio::runtime::{Builder, Handle, Runtime};

pub use self::outcomes::Outcomes;
use crate::{Batch, BatchItem, ClientBuilder, ConfigurationError, Selection};

/// A [`ParallelRequests`](crate::ParallelRequests) whose methods block.
///
/// It brings a runtime of its own, with one thread. Made or called inside somebody else's runtime,
/// where blocking would stop other tasks, it returns an error. Dropping it is fine anywhere.
#[derive(Debug)]
pub struct ParallelRequests {
    client: crate::ParallelRequests,
    runtime: Option<Runtime>,
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
        let client = builder.build()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("parallel-requests")
            .enable_all()
            .build()
            .map_err(ConfigurationError::Runtime)?;
        Ok(Self {
            client,
            runtime: Some(runtime),
        })
    }

    /// As [`ParallelRequests::request`](crate::ParallelRequests::request).
    pub fn request<I>(
        &self,
        requests: I,
    ) -> Result<Batch<<I::Item as BatchItem>::Key>, ConfigurationError>
    where
        I: IntoIterator<Item: BatchItem>,
    {
        self.block_on(self.client.request(requests))
    }

    /// As [`ParallelRequests::stream`](crate::ParallelRequests::stream): an iterator over outcomes
    /// as they complete.
    pub fn stream<I>(
        &self,
        requests: I,
    ) -> Result<Outcomes<'_, <I::Item as BatchItem>::Key>, ConfigurationError>
    where
        I: IntoIterator<Item: BatchItem, IntoIter: Send + 'static>,
        I::Item: Send,
        <I::Item as BatchItem>::Key: Send + 'static,
    {
        let outcomes = self.block_on(async { self.client.stream(requests).start() })?;
        Ok(Outcomes::new(self, outcomes))
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
        self.block_on(self.client.send(request))
            .unwrap_or_else(|error| {
                Err(
                    BackendError::new(ErrorKind::Config, "this cannot block here")
                        .with_source(error),
                )
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

    /// As [`ParallelRequests::close`](crate::ParallelRequests::close).
    pub fn close(self) -> Result<(), ConfigurationError> {
        self.block_on(self.client.close())
    }

    fn block_on<F: Future>(&self, work: F) -> Result<F::Output, ConfigurationError> {
        refuse_inside_a_runtime()?;
        match &self.runtime {
            Some(runtime) => Ok(runtime.block_on(work)),
            // It is there until the client is dropped.
            None => Err(ConfigurationError::InsideRuntime),
        }
    }
}

impl Drop for ParallelRequests {
    fn drop(&mut self) {
        // An ordinary drop of a runtime blocks, which panics inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn refuse_inside_a_runtime() -> Result<(), ConfigurationError> {
    match Handle::try_current() {
        Ok(_) => Err(ConfigurationError::InsideRuntime),
        Err(_) => Ok(()),
    }
}
