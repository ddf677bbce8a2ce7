//! One event that a test and a scripted server tell each other about, in either direction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::bell::Bell;

/// Something that happens once, which others wait for: closed at first, then open for ever.
///
/// A test opens a latch to let a [`Script`](crate::Script) go on
/// ([`Script::wait_for`](crate::Script::wait_for)), and waits for one that a script opens
/// ([`Script::open`](crate::Script::open)) to know how far the server is. Clones are the same latch.
///
/// ```
/// use std::time::Duration;
/// use pr_testkit::Latch;
///
/// let latch = Latch::new();
/// let other = latch.clone();
/// std::thread::spawn(move || other.open());
/// assert!(latch.wait_blocking(Duration::from_secs(10)));
/// assert!(latch.is_open());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Latch {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: AtomicBool,
    bell: Bell,
}

impl Latch {
    /// A closed latch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it and wakes all who wait. Opening an open latch changes nothing.
    pub fn open(&self) {
        self.inner.open.store(true, Ordering::SeqCst);
        self.inner.bell.ring();
    }

    /// Whether it has been opened.
    pub fn is_open(&self) -> bool {
        self.inner.open.load(Ordering::SeqCst)
    }

    /// Waits until it is open; `false` if that took longer than `timeout`. Dropping the future
    /// stops waiting and has no other effect.
    #[must_use = "a wait that timed out is a failed test"]
    pub async fn wait(&self, timeout: Duration) -> bool {
        let look = || self.is_open().then_some(());
        self.inner.bell.wait(timeout, look).await.is_some()
    }

    /// As [`wait`](Self::wait), for code without a runtime.
    #[must_use = "a wait that timed out is a failed test"]
    pub fn wait_blocking(&self, timeout: Duration) -> bool {
        let look = || self.is_open().then_some(());
        self.inner.bell.wait_blocking(timeout, look).is_some()
    }

    /// Waits for as long as it takes; a scripted server ends the wait when it is dropped.
    pub(crate) async fn opened(&self) {
        while !self.wait(Duration::from_secs(3600)).await {}
    }
}
