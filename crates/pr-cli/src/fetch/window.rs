//! Keeps the outcomes that wait for their turn from becoming too many.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;

/// So many requests may have begun whose outcome has not been written.
pub(super) struct Window {
    size: usize,
    taken: AtomicUsize,
    waiting: AtomicWaker,
}

/// A place in the window, free again when this is dropped.
pub(super) struct Seat {
    window: Arc<Window>,
}

impl Window {
    pub(super) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self {
            size,
            taken: AtomicUsize::new(0),
            waiting: AtomicWaker::new(),
        })
    }

    /// Takes a seat, or waits for one. Only one task at a time may wait.
    pub(super) fn poll_seat(window: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Seat> {
        if window.taken.load(Ordering::Acquire) >= window.size {
            window.waiting.register(cx.waker());
            // One may have become free in between.
            if window.taken.load(Ordering::Acquire) >= window.size {
                return Poll::Pending;
            }
        }
        window.taken.fetch_add(1, Ordering::AcqRel);
        Poll::Ready(Seat {
            window: Arc::clone(window),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.window.taken.fetch_sub(1, Ordering::AcqRel);
        self.window.waiting.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn whoever_finds_no_seat_is_woken_when_there_is_one() {
        let window = Window::new(2);
        let mut seats = Vec::new();
        for _ in 0..2 {
            seats.push(poll_fn(|cx| Window::poll_seat(&window, cx)).await);
        }
        assert!(
            poll_fn(|cx| Window::poll_seat(&window, cx))
                .now_or_never()
                .is_none()
        );
        let asked = Arc::clone(&window);
        let waiting = tokio::spawn(poll_fn(move |cx| Window::poll_seat(&asked, cx)));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        seats.pop();
        drop(waiting.await.unwrap());
        assert_eq!(window.taken.load(Ordering::Relaxed), 1);
    }
}
