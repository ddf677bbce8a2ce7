//! The client for programs without a runtime, and its refusal to block inside one.

use std::{sync::Arc, time::Duration};

use parallel_requests::{ConfigurationError, ErrorKind, ParallelRequests, blocking};
use pr_testkit::{Answer, MemoryBackend};

const URL: &str = "http://h.example/";

fn client(backend: &MemoryBackend) -> Result<blocking::ParallelRequests, ConfigurationError> {
    let settings = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .concurrency(5);
    blocking::ParallelRequests::from_builder(settings)
}

#[test]
fn it_does_what_the_async_one_does() {
    let backend = MemoryBackend::always(Answer::ok().body("hello").after(Duration::from_millis(1)));
    let client = client(&backend).unwrap();
    assert_eq!(client.get(URL).unwrap().text(), "hello");
    let batch = client.request((0..20).map(|number| (number, URL))).unwrap();
    assert_eq!(batch.successes().count(), 20);
    assert_eq!(batch.by_key(&7).unwrap().index, 7);
    let mut indices: Vec<_> = client
        .stream([URL; 30])
        .unwrap()
        .map(|outcome| outcome.index)
        .collect();
    indices.sort_unstable();
    assert_eq!(indices, (0..30).collect::<Vec<_>>());
    assert_eq!(backend.counts().max_in_flight, 5);
    client.close().unwrap();
}

#[test]
fn an_iterator_that_is_taken_into_a_runtime_goes_on() {
    let backend = MemoryBackend::always(Answer::ok());
    let outcomes = client(&backend).unwrap().stream([URL; 30]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let count = runtime.unwrap().block_on(async { outcomes.count() });
    assert_eq!(count, 30);
}

#[test]
fn dropping_the_iterator_cancels_the_rest() {
    let backend = MemoryBackend::always(Answer::ok());
    let client = client(&backend).unwrap();
    let endless = std::iter::repeat(URL);
    assert_eq!(client.stream(endless).unwrap().take(3).count(), 3);
    assert!(client.get(URL).is_ok(), "the places are free again");
}

#[test]
fn inside_a_runtime_it_is_an_error_and_no_panic() {
    let backend = MemoryBackend::always(Answer::ok());
    let made_outside = client(&backend).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let error = client(&backend).unwrap_err();
        assert!(matches!(error, ConfigurationError::InsideRuntime));
        assert!(
            error
                .to_string()
                .contains("use parallel_requests::ParallelRequests and .await")
        );
        assert!(made_outside.request([URL]).is_err());
        assert!(made_outside.stream([URL]).is_err());
        assert_eq!(made_outside.get(URL).unwrap_err().kind(), ErrorKind::Config);
        // Its own runtime ends with it, here, where waiting for that would panic.
        drop(made_outside);
    });
    assert_eq!(backend.counts().begun, 0);
}
