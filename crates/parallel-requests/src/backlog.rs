//! What a batch's caller has not come to take yet, and those of its requests that wait until he has:
//! see [`Backlog`].

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst},
    },
};

use futures::future::BoxFuture;
use tokio::sync::Semaphore;

/// How many outcomes of one batch have landed and not been given out, and who waits for that to
/// change.
///
/// What a batch pulls is bounded by its window, so that no more outcomes than that can pile up. But
/// requests that are [held up](crate::held::Held) do not count against the window, and when what held
/// them is over, there may be far more of them than it is wide. So an attempt that had to wait asks
/// here before it goes: if the batch has pulled more than its window, and half a window of outcomes
/// lies there already, it gives back what it holds and [parks](wait) until the caller has taken some.
/// The engine counts, policies ask, and neither knows the other.
///
/// A policy finds the batch of the request by the thread that polls it, because a lane
/// [says](enter) whose requests it polls. If a layer of the user's polls them elsewhere they
/// have no backlog.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// How many outcomes may lie there while more has been pulled than the window holds.
    limit: usize,
    window: usize,
    /// Each in all, from the beginning; written on one side only, so that a store will do.
    pulled: AtomicUsize,
    landed: AtomicUsize,
    given: AtomicUsize,
    /// Who is parked, those that have been let go and have not noticed included.
    parked: AtomicUsize,
    /// How many have been let go and have not noticed.
    let_go: AtomicUsize,
    /// Has a permit for each that has been let go, first come, first served.
    gate: Semaphore,
}

thread_local! {
    static HERE: RefCell<Option<Arc<Backlog>>> = const { RefCell::new(None) };
}

impl Backlog {
    /// For a batch that may have pulled so many requests, if none is held up.
    pub(crate) fn new(window: usize) -> Self {
        Self {
            limit: window.div_ceil(2),
            window,
            pulled: AtomicUsize::new(0),
            landed: AtomicUsize::new(0),
            given: AtomicUsize::new(0),
            parked: AtomicUsize::new(0),
            let_go: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        }
    }

    /// So many requests have been pulled by now, in all.
    pub(crate) fn pulled(&self, all: usize) {
        self.pulled.store(all, Relaxed);
    }

    /// So many outcomes have landed more.
    pub(crate) fn landed(&self, more: usize) {
        self.landed.fetch_add(more, SeqCst);
    }

    /// So many outcomes have been given out by now, in all.
    pub(crate) fn given(&self, all: usize) {
        self.given.store(all, Relaxed);
    }

    /// Whether anybody waits to be let go. Somebody who is about to park may be missed; when the
    /// caller is going to wait himself, [`settle`](Self::settle) is there for that.
    pub(crate) fn has_parked(&self) -> bool {
        self.parked.load(Relaxed) > self.let_go.load(Relaxed)
    }

    /// To be called before the caller waits for outcomes, after the last count: from here on, whoever
    /// is about to park is seen by [`has_parked`](Self::has_parked), or sees the counts.
    pub(crate) fn settle(&self) {
        self.given.fetch_add(0, SeqCst);
        self.parked.fetch_add(0, SeqCst);
    }

    /// Lets as many go as there is room for, if so many requests are held up; and in any case as many
    /// as may lie there. All others may be behind those that are parked, in the lanes' queues, and wait
    /// for them.
    pub(crate) fn let_go(&self, held: usize) {
        if self.is_full() {
            return;
        }
        let let_go = self.let_go.load(SeqCst);
        let waiting = self.parked.load(SeqCst).saturating_sub(let_go);
        let others = self.unfinished().saturating_sub(waiting);
        let room = self.window.saturating_add(held).saturating_sub(others);
        let least = self.limit.saturating_sub(self.unread() + let_go);
        let count = room.max(least).min(waiting).min(Semaphore::MAX_PERMITS / 2);
        if count > 0 {
            self.let_go.fetch_add(count, SeqCst);
            self.gate.add_permits(count);
        }
    }

    fn unfinished(&self) -> usize {
        let pulled = self.pulled.load(SeqCst);
        pulled.saturating_sub(self.given.load(SeqCst))
    }

    fn unread(&self) -> usize {
        let landed = self.landed.load(SeqCst);
        landed.saturating_sub(self.given.load(SeqCst))
    }

    fn is_full(&self) -> bool {
        self.unread() >= self.limit && self.unfinished() > self.window
    }

    /// Waits, in line with others, until there is room.
    async fn park(self: Arc<Self>) {
        let parked = Parked::new(&self.parked);
        // Whoever makes room from now on sees this one; whoever has, has counted it before.
        while self.is_full() {
            let Ok(permit) = self.gate.acquire().await else {
                break;
            };
            permit.forget();
            self.let_go.fetch_sub(1, SeqCst);
        }
        drop(parked);
    }
}

/// Says that what is polled on this thread is of this batch, until what this gives is dropped.
pub(crate) fn enter(backlog: Option<Arc<Backlog>>) -> Inside {
    Inside {
        former: HERE.replace(backlog),
    }
}

/// While it is there, what is polled on this thread is of one batch.
pub(crate) struct Inside {
    former: Option<Arc<Backlog>>,
}

impl Inside {
    /// The batch's backlog, taken back.
    pub(crate) fn leave(mut self) -> Option<Arc<Backlog>> {
        // What is put there on drop is nothing then.
        let inside = HERE.replace(self.former.take());
        std::mem::forget(self);
        inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        HERE.set(self.former.take());
    }
}

/// Counts one that waits.
struct Parked<'b>(&'b AtomicUsize);

impl<'b> Parked<'b> {
    fn new(count: &'b AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// What to wait for before a request that is polled right here may go on: that the caller of its
/// batch takes outcomes. `None` if there is nothing to wait for.
pub(crate) fn wait() -> Option<BoxFuture<'static, ()>> {
    HERE.with_borrow(|here| {
        let backlog = here.as_ref()?;
        backlog
            .is_full()
            .then(|| Box::pin(backlog.clone().park()) as BoxFuture<'static, ()>)
    })
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll, thread};

    use futures::{FutureExt, future::join_all, task::AtomicWaker};
    use pollster::block_on;

    use super::*;

    #[test]
    fn nobody_who_parks_is_forgotten_and_no_more_than_a_few_land() {
        const COUNT: usize = 2_000;
        const WINDOW: usize = 6;
        let backlog = Arc::new(Backlog::new(WINDOW));
        let bell = Arc::new(AtomicWaker::new());
        backlog.pulled(2 * COUNT);
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (backlog, bell) = (backlog.clone(), bell.clone());
                thread::spawn(move || {
                    let requests = (0..COUNT).map(async |number| {
                        if number % 3 == 0 {
                            // Cut off, perhaps just when it may go.
                            let _ = backlog.clone().park().now_or_never();
                        }
                        backlog.clone().park().await;
                        backlog.landed(1);
                        bell.wake();
                    });
                    block_on(join_all(requests));
                })
            })
            .collect();
        let (mut given, mut most) = (0, 0);
        block_on(poll_fn(|cx| {
            bell.register(cx.waker());
            loop {
                let landed = backlog.landed.load(SeqCst);
                most = most.max(landed - given);
                if landed > given {
                    given += 1;
                    backlog.given(given);
                } else if given == 2 * COUNT {
                    return Poll::Ready(());
                } else {
                    backlog.settle();
                }
                if backlog.has_parked() {
                    backlog.let_go(0);
                }
                if backlog.landed.load(SeqCst) == given && given < 2 * COUNT {
                    return Poll::Pending;
                }
            }
        }));
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(backlog.parked.load(SeqCst), 0);
        assert!(most <= 2 * WINDOW, "{most}");
    }

    #[test]
    fn those_that_are_parked_do_not_wait_for_those_behind_them() {
        let backlog = Arc::new(Backlog::new(6));
        backlog.pulled(100);
        backlog.landed(3);
        let mut parked = Box::pin(backlog.clone().park());
        assert!(parked.as_mut().now_or_never().is_none());
        // The caller has taken all there is; the other 96 have not begun.
        backlog.given(3);
        assert!(backlog.has_parked());
        backlog.let_go(0);
        assert!(parked.now_or_never().is_some());
    }

    #[test]
    fn a_batch_within_its_window_never_parks() {
        let backlog = Arc::new(Backlog::new(6));
        let inside = enter(Some(backlog.clone()));
        backlog.pulled(6);
        backlog.landed(6);
        assert!(wait().is_none());
        backlog.pulled(7);
        assert!(wait().is_some());
        assert!(inside.leave().is_some());
        assert!(wait().is_none(), "it is nobody's");
    }
}
