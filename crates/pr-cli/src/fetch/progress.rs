//! The progress bar, unless nobody wants it.

use indicatif::HumanCount;
use parallel_requests::{BatchProgress, ProgressBar};

use super::tally::Tally;
use crate::args::FetchArgs;

/// The client's bar, or none.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    /// Whether 4xx and 5xx are failures, which they are not to the client.
    fail: bool,
}

impl Bar {
    pub(super) fn new(progress: BatchProgress, args: &FetchArgs) -> Self {
        Self {
            bar: (!args.quiet).then(|| ProgressBar::new(progress)),
            fail: args.fail,
        }
    }

    /// Tells failures that are none to the client.
    pub(super) fn show_failures(&self, tally: &Tally) {
        if let Some(bar) = self.bar.as_ref().filter(|_| self.fail) {
            let refused = tally.refused();
            if refused > 0 {
                bar.set_remark(format!("{} with 4xx or 5xx", HumanCount(refused)));
            }
        }
    }

    /// Does something that needs the terminal for itself.
    pub(super) fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        drop(self.bar);
    }
}
