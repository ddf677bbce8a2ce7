//! What went wrong inside a loopback server, kept until a test can be failed with it: a panic on
//! the server's own thread would otherwise only reach standard error.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;

/// A shared list of failures; every clone records into the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failures {
    messages: Arc<Mutex<Vec<String>>>,
}

impl Failures {
    pub(crate) fn record(&self, message: String) {
        self.lock().push(message);
    }

    /// Runs `work` and turns a panic in it into a recorded failure and `None`.
    ///
    /// This is no async function, because that would hold `work` twice, and servers move it about
    /// with every request.
    pub(crate) fn watch<T>(
        self,
        what: &'static str,
        work: impl Future<Output = T>,
    ) -> impl Future<Output = Option<T>> {
        AssertUnwindSafe(work)
            .catch_unwind()
            .map(move |outcome| match outcome {
                Ok(value) => Some(value),
                Err(payload) => {
                    self.record(format!("{what} panicked: {}", panic_text(&*payload)));
                    None
                }
            })
    }

    /// Panics with everything recorded so far, and forgets it, so that a failure that a test has
    /// seen is not raised a second time on drop.
    pub(crate) fn raise(&self) {
        let messages = std::mem::take(&mut *self.lock());
        assert!(
            messages.is_empty(),
            "the test server failed:\n  {}",
            messages.join("\n  ")
        );
    }

    /// As [`raise`](Self::raise), for `Drop`: a second panic during unwinding would abort the
    /// process and hide the first one, which says more.
    pub(crate) fn raise_unless_panicking(&self) {
        if !std::thread::panicking() {
            self.raise();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of a panic, as far as the payload is text.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a payload that is not text")
}
