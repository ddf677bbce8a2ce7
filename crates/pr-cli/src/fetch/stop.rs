//! What ends a run before its input does: Ctrl-C, the deadline, too many failures.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use parallel_requests::Cancellation;

use crate::exit::Exit;

/// Ends the batch from anywhere, and remembers why. Clones are the same.
#[derive(Clone)]
pub(super) struct Stop {
    cancellation: Cancellation,
    why: Arc<OnceLock<Why>>,
}

/// Why a run was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Ctrl-C.
    Interrupted,
    /// `--deadline` passed.
    Deadline(Duration),
    /// So many requests failed.
    Failures(u64),
}

impl Stop {
    /// Stops at Ctrl-C and at the deadline. Both are waited for elsewhere, so that they take effect
    /// even while the output is stuck.
    pub(super) fn watch(deadline: Option<Duration>) -> Self {
        let stop = Self {
            cancellation: Cancellation::new(),
            why: Arc::default(),
        };
        tokio::spawn(stop.clone().on_ctrl_c());
        if let Some(limit) = deadline {
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::time::sleep(limit).await;
                stop.now(Why::Deadline(limit));
            });
        }
        stop
    }

    /// Ends the batch. If it has been ended already, the first reason stays.
    pub(super) fn now(&self, why: Why) {
        let _ = self.why.set(why);
        self.cancellation.cancel();
    }

    /// Why the batch was ended, if it was.
    pub(super) fn why(&self) -> Option<Why> {
        self.why.get().copied()
    }

    /// What ends the batch.
    pub(super) fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }

    /// The first Ctrl-C asks for an end, the second makes one.
    async fn on_ctrl_c(self) {
        if tokio::signal::ctrl_c().await.is_ok() {
            self.now(Why::Interrupted);
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(i32::from(Exit::Interrupted as u8));
            }
        }
    }
}
