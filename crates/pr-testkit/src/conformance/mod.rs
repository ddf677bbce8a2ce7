//! The conformance suite: what every backend must do, as cases that any backend's tests instantiate
//! in a few lines, a stranger's crate too. Which of them apply follows from the backend's
//! [`Capabilities`].
//!
//! In `tests/conformance.rs` of the backend's crate:
//!
//! ```
//! # use pr_testkit::MemoryBackend;
//! # struct MyBackend;
//! # impl MyBackend {
//! #     fn new(_: pr_core::TransportConfig) -> Result<MemoryBackend, pr_core::BackendError> {
//! #         Ok(MemoryBackend::routes())
//! #     }
//! # }
//! pr_testkit::conformance_suite!(|config| {
//!     std::sync::Arc::new(MyBackend::new(config).expect("the settings are good"))
//! });
//! # fn main() {}
//! ```
//!
//! That makes one `#[test]` of each [case](CASES). A case runs on a multi-threaded runtime of its
//! own; if the backend lacks a capability that the case needs, it prints so and passes.

mod cancellation;
mod case;
mod certificates;
mod closing;
mod codings;
mod connection_limits;
mod connections;
mod contract;
mod early_answers;
mod errors;
mod framing;
mod heads;
mod http2;
mod instantiate;
mod names;
mod observing;
mod origins;
mod proxies;
mod redirects;
mod requests;
mod responses;
mod secrets;
mod sessions;
mod settings;
mod socks;
mod streaming;
mod subject;
mod suite;
mod tampering;
mod timeouts;

use std::sync::Arc;
use std::time::Duration;

use pr_core::{Backend, Capabilities, TransportConfig};

pub use self::case::{Case, Skip};
pub use self::suite::CASES;

use self::subject::Subject;

/// How long a whole case may take. Nothing in one takes so long, so what does not end by then
/// hangs, and that is a failure with a name rather than a test run that never ends.
const CASE_LIMIT: Duration = Duration::from_secs(120);

/// Runs the case of this name against the backends that `make` makes: what
/// [`conformance_suite!`](crate::conformance_suite) puts into each test.
///
/// `make` is called within a runtime, as often as the case needs a backend. What it is given trusts
/// [`TestCa::shared`](crate::TestCa::shared) only.
///
/// # Panics
///
/// If the case fails, if it does not end, or if there is none of this name.
pub fn run(name: &str, make: impl Fn(TransportConfig) -> Arc<dyn Backend> + Send + Sync + 'static) {
    let case = CASES.iter().find(|case| case.name() == name);
    let case = case.unwrap_or_else(|| panic!("there is no case {name:?}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a test can start two threads");
    runtime.block_on(async {
        let subject = Subject::new(make);
        if let Some(skip) = case.skip(subject.capabilities()) {
            println!("skipped: {skip}");
            return;
        }
        let ran = tokio::time::timeout(CASE_LIMIT, case.run(subject)).await;
        assert!(ran.is_ok(), "the case did not end within {CASE_LIMIT:?}");
    });
    // A thread that still blocks would keep the runtime from ending; the assertions have been made.
    runtime.shutdown_timeout(Duration::from_secs(5));
}

/// The names of the cases that apply to a backend with these capabilities.
///
/// ```
/// use pr_core::{Capabilities, Capability};
/// use pr_testkit::conformance;
///
/// let none: Vec<_> = conformance::selected(Capabilities::of(&[])).collect();
/// assert!(none.contains(&"input_errors_are_typed"));
/// assert!(!none.contains(&"bad_certificates_are_tls_errors"));
/// ```
pub fn selected(capabilities: Capabilities) -> impl Iterator<Item = &'static str> {
    CASES
        .iter()
        .filter(move |case| case.skip(capabilities).is_none())
        .map(Case::name)
}
