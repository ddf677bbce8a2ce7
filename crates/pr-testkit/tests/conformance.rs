//! The suite against the backend in memory, as far as one without a network goes.

use std::sync::Arc;

use pr_testkit::MemoryBackend;

pr_testkit::conformance_suite!(|_config| Arc::new(MemoryBackend::routes()));
