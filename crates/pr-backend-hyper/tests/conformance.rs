//! The conformance suite, instantiated for this backend.

use std::sync::Arc;

use pr_backend_hyper::HyperBackend;

pr_testkit::conformance_suite!(|config| {
    Arc::new(HyperBackend::with_config(config).expect("the suite's settings are good"))
});
