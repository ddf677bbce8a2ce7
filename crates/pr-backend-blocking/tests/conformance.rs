//! What every backend must do, done by this one.

use std::sync::Arc;

use pr_backend_blocking::BlockingBackend;

pr_testkit::conformance_suite!(|config| {
    Arc::new(BlockingBackend::with_config(config).expect("the suite's settings are good"))
});
