//! How many requests wait for something of their own: see [`Held`].

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::SeqCst},
};

use futures::task::AtomicWaker;
use slab::Slab;

/// How many of the client's requests have begun and hold no place: they wait for something that is
/// theirs alone, a pause of their host or their own next attempt, and would wait as long if there
/// were nothing else to do.
///
/// A policy counts here what it holds up, and the engine pulls as many requests more, so that the
/// places are used by others meanwhile. Neither knows the other. What waits for its turn among all
/// requests is not counted: more of those would help nobody.
///
/// Whoever adds to it wakes those who [watch](Watch) for that, so that he must hold no lock that a
/// waker may want.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Below zero for a moment where one thread says less before another has said more.
    count: AtomicIsize,
    /// How many watches are armed: nobody looks through them if none is.
    armed: AtomicUsize,
    watches: Mutex<Slab<Arc<Watcher>>>,
}

#[derive(Debug, Default)]
struct Watcher {
    is_armed: AtomicBool,
    bell: Arc<AtomicWaker>,
}

impl Held {
    /// So many requests more are held up.
    pub(crate) fn add(&self, count: usize) {
        // The order matters: he who watches arms first, and then reads the count.
        self.0.count.fetch_add(signed(count), SeqCst);
        if self.0.armed.load(SeqCst) > 0 {
            self.0.ring();
        }
    }

    /// So many requests are not held up any more.
    pub(crate) fn remove(&self, count: usize) {
        self.0.count.fetch_sub(signed(count), SeqCst);
    }

    /// Counts one request until what this gives is dropped.
    pub(crate) fn hold(&self) -> Hold {
        self.add(1);
        Hold(self.clone())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        usize::try_from(self.0.count.load(SeqCst)).unwrap_or(0)
    }
}

fn signed(count: usize) -> isize {
    isize::try_from(count).unwrap_or(isize::MAX)
}

impl Shared {
    #[cold]
    fn ring(&self) {
        let bells: Vec<_> = self
            .watches()
            .iter()
            .filter(|(_, watcher)| watcher.is_armed.swap(false, SeqCst))
            .map(|(_, watcher)| watcher.bell.clone())
            .collect();
        self.armed.fetch_sub(bells.len(), SeqCst);
        for bell in bells {
            bell.wake();
        }
    }

    fn watches(&self) -> MutexGuard<'_, Slab<Arc<Watcher>>> {
        // No code but our own runs under the lock, and none of it panics.
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request that is held up.
#[derive(Debug)]
pub(crate) struct Hold(Held);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.remove(1);
    }
}

/// Rings a bell when more is held up. It costs nothing until it is first armed.
#[derive(Debug)]
pub(crate) struct Watch {
    held: Held,
    bell: Arc<AtomicWaker>,
    entry: Option<(usize, Arc<Watcher>)>,
}

impl Watch {
    pub(crate) fn new(held: Held, bell: Arc<AtomicWaker>) -> Self {
        Self {
            held,
            bell,
            entry: None,
        }
    }

    /// How many requests are held up.
    pub(crate) fn count(&self) -> usize {
        self.held.count()
    }

    /// Has the bell rung, once, as soon as more is held up than was when [`count`](Self::count) is
    /// next called. Whose waker is to be woken must be registered by then.
    pub(crate) fn arm(&mut self) {
        let shared = &self.held.0;
        let (_, watcher) = self.entry.get_or_insert_with(|| {
            let watcher = Arc::new(Watcher {
                is_armed: AtomicBool::new(false),
                bell: self.bell.clone(),
            });
            (shared.watches().insert(watcher.clone()), watcher)
        });
        // Those who ring take down `armed` as much as they find armed, so that it comes first.
        if !watcher.is_armed.load(SeqCst) {
            shared.armed.fetch_add(1, SeqCst);
            watcher.is_armed.store(true, SeqCst);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((number, watcher)) = self.entry.take() {
            self.held.0.watches().remove(number);
            if watcher.is_armed.swap(false, SeqCst) {
                self.held.0.armed.fetch_sub(1, SeqCst);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Rings(AtomicUsize);

    impl Wake for Rings {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn an_armed_watch_rings_once_for_more_and_never_for_less() {
        let held = Held::default();
        let rings = Arc::new(Rings::default());
        let bell = Arc::new(AtomicWaker::new());
        let register = || bell.register(&Waker::from(rings.clone()));
        let mut watch = Watch::new(held.clone(), bell.clone());
        let count = || rings.0.load(SeqCst);

        register();
        held.add(1);
        assert_eq!(count(), 0, "it is not armed");
        watch.arm();
        watch.arm();
        held.remove(1);
        assert_eq!(count(), 0);
        let one = held.hold();
        assert_eq!((count(), held.count()), (1, 1));
        register();
        held.add(4);
        assert_eq!(count(), 1, "it is not armed any more");
        watch.arm();
        drop(one);
        held.add(1);
        assert_eq!(count(), 2);
        watch.arm();
        drop(watch);
        assert_eq!(held.0.armed.load(SeqCst), 0);
        assert!(held.0.watches().is_empty());
    }

    #[test]
    fn it_is_never_taken_for_huge() {
        let held = Held::default();
        held.remove(3);
        assert_eq!(held.count(), 0);
        held.add(4);
        assert_eq!(held.count(), 1);
    }

    #[test]
    fn growth_on_another_thread_is_never_missed() {
        const ROUNDS: usize = 2_000;
        let held = Held::default();
        let other = held.clone();
        let adding = std::thread::spawn(move || {
            for _ in 0..ROUNDS {
                other.add(1);
                std::thread::yield_now();
            }
        });
        let bell = Arc::new(AtomicWaker::new());
        let mut watch = Watch::new(held, bell.clone());
        let mut seen = 0;
        pollster::block_on(std::future::poll_fn(|cx| {
            bell.register(cx.waker());
            loop {
                watch.arm();
                if watch.count() == seen {
                    return std::task::Poll::Pending;
                }
                seen = watch.count();
                if seen == ROUNDS {
                    return std::task::Poll::Ready(());
                }
            }
        }));
        adding.join().unwrap();
    }
}
