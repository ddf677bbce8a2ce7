//! The client over the in-memory backend: batches, streams, choice of backend, life and death.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod blocking;
#[cfg(test)]
mod collected;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod order;
#[cfg(test)]
mod progress;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod selection;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod threads;
#[cfg(test)]
mod transports;
#[cfg(test)]
mod typed;

/// A client that sends each request once.
#[cfg(test)]
fn client(
    backend: &pr_testkit::MemoryBackend,
    concurrency: usize,
) -> parallel_requests::ParallelRequests {
    parallel_requests::ParallelRequests::builder()
        .backend(std::sync::Arc::new(backend.clone()))
        .concurrency(concurrency)
        .retry(parallel_requests::RetryPolicy::never())
        .build()
        .expect("the settings are valid")
}
