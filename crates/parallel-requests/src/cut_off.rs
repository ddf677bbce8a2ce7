//! What the layers know of a call that is dropped before its end: see [`watch`].

use std::cell::RefCell;

use pr_core::{Attempt, Delivery};

/// What became of a call until it was dropped.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// An attempt had left the gate, and its reply was not there.
    is_under_way: bool,
    /// The attempts before, in order.
    earlier: Vec<Attempt>,
}

thread_local! {
    static REMAINS: RefCell<Option<Remains>> = const { RefCell::new(None) };
}

/// Drops a call with this, and collects what the layers had to say of it: they
/// [note](under_way) [it](earlier_attempts) as their futures are dropped. Nothing that is noted
/// outside of this goes anywhere.
///
/// Whoever moves the call to another task hides what it knows.
pub(crate) fn watch(drop: impl FnOnce()) -> Remains {
    let former = REMAINS.replace(Some(Remains::default()));
    drop();
    REMAINS.replace(former).unwrap_or_default()
}

/// An attempt is dropped that may have been sent.
pub(crate) fn under_way() {
    note(|remains| remains.is_under_way = true);
}

/// A request is dropped that has these attempts behind it.
pub(crate) fn earlier_attempts(attempts: Vec<Attempt>) {
    note(|remains| remains.earlier = attempts);
}

fn note(work: impl FnOnce(&mut Remains)) {
    // Futures may be dropped when the thread is all but gone; then nobody asks.
    let _ = REMAINS.try_with(|remains| {
        if let Some(remains) = &mut *remains.borrow_mut() {
            work(remains);
        }
    });
}

impl Remains {
    /// Whether the last attempt, the one that was dropped, had begun.
    pub(crate) fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// Whether the request may have been processed.
    pub(crate) fn delivery(&self) -> Delivery {
        let may_be = |attempt: &Attempt| {
            let result = attempt.result.as_ref();
            result.is_ok() || result.is_err_and(|error| error.delivery == Delivery::Unknown)
        };
        if self.is_under_way || self.earlier.iter().any(may_be) {
            Delivery::Unknown
        } else {
            Delivery::NotSent
        }
    }

    /// The attempts before the last, in order.
    pub(crate) fn into_earlier(self) -> Vec<Attempt> {
        self.earlier
    }
}
