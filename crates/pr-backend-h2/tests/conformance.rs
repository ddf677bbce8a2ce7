//! The conformance suite, instantiated for this backend.

use std::sync::Arc;

use pr_backend_h2::H2Backend;

pr_testkit::conformance_suite!(|config| {
    Arc::new(H2Backend::with_config(config).expect("the suite's settings are good"))
});
