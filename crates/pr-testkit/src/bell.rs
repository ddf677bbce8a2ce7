//! Waking those who wait for a change, in async and in blocking code alike, at the price of one
//! atomic load when nobody waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Bell {
    waiting: AtomicUsize,
    notify: Notify,
    mutex: Mutex<()>,
    condvar: Condvar,
}

impl Bell {
    /// Tells all waiters to look again. Call it after the change, which must be sequentially
    /// consistent: then either the waiter sees the change or this sees the waiter.
    pub(crate) fn ring(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.notify.notify_waiters();
            drop(self.mutex.lock().unwrap_or_else(PoisonError::into_inner));
            self.condvar.notify_all();
        }
    }

    /// Waits until `look` yields a value; `None` after `timeout`.
    pub(crate) async fn wait<T>(
        &self,
        timeout: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let _waiting = Waiting::new(&self.waiting);
        let deadline = tokio::time::sleep(timeout);
        tokio::pin!(deadline);
        loop {
            let rung = self.notify.notified();
            tokio::pin!(rung);
            // Registered before looking, so that a ring in between is not lost.
            rung.as_mut().enable();
            if let Some(value) = look() {
                return Some(value);
            }
            tokio::select! {
                () = rung => {}
                () = &mut deadline => return look(),
            }
        }
    }

    /// As [`wait`](Self::wait), on a thread that may block.
    pub(crate) fn wait_blocking<T>(
        &self,
        timeout: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let _waiting = Waiting::new(&self.waiting);
        let deadline = Instant::now() + timeout;
        let mut guard = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(value) = look() {
                return Some(value);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            guard = self
                .condvar
                .wait_timeout(guard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
