//! The client over the in-memory backend: batches, streams, choice of backend, life and death.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod blocking;
#[cfg(test)]
mod selection;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod threads;
#[cfg(test)]
mod transports;

#[cfg(test)]
fn client(
    backend: &pr_testkit::MemoryBackend,
    concurrency: usize,
) -> parallel_requests::ParallelRequests {
    parallel_requests::ParallelRequests::builder()
        .backend(std::sync::Arc::new(backend.clone()))
        .concurrency(concurrency)
        .build()
        .expect("the settings are valid")
}
