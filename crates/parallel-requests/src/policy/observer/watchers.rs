//! The observers of a client, kept apart from each other's panics.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Event, Observer};

/// All observers of a client. Clones are the same.
#[derive(Clone)]
pub(crate) struct Watchers(Arc<[Watcher]>);

struct Watcher {
    observer: Arc<dyn Observer>,
    has_panicked: AtomicBool,
}

impl Watchers {
    /// `None` if there are none.
    pub(crate) fn of(observers: Vec<Arc<dyn Observer>>) -> Option<Self> {
        let watchers: Arc<[Watcher]> = observers
            .into_iter()
            .map(|observer| Watcher {
                observer,
                has_panicked: AtomicBool::new(false),
            })
            .collect();
        (!watchers.is_empty()).then_some(Self(watchers))
    }

    /// Tells all of them, each on its own risk.
    pub(super) fn tell(&self, event: &Event) {
        for watcher in self.0.iter() {
            watcher.tell(event);
        }
    }
}

impl Watcher {
    /// Whoever panics once may well do so for each of a million events, for instance because a
    /// mutex of his is poisoned now. So he is told nothing more.
    fn tell(&self, event: &Event) {
        if self.has_panicked.load(Ordering::Relaxed) {
            return;
        }
        if catch_unwind(AssertUnwindSafe(|| self.observer.on_event(event))).is_err() {
            self.has_panicked.store(true, Ordering::Relaxed);
            tracing::warn!("an observer of requests panicked, and is told nothing more");
        }
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} observers", self.0.len())
    }
}
