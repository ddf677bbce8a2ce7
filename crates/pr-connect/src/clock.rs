//! The time that a connection may take, and where it went.

use std::time::Duration;

use pr_core::{BackendError, TimeoutPhase};
use tokio::time::{Instant, timeout_at};

/// Runs from the beginning of one attempt to connect.
pub(crate) struct Clock {
    limit: Duration,
    /// A limit too long to be represented is no limit.
    deadline: Option<Instant>,
}

impl Clock {
    pub(crate) fn start(limit: Duration) -> Self {
        Self {
            limit,
            deadline: Instant::now().checked_add(limit),
        }
    }

    /// Waits for a part of the whole while there is time, and adds what it took to `taken`.
    pub(crate) async fn time<T, E: From<BackendError>>(
        &self,
        part: &'static str,
        taken: &mut Option<Duration>,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begin = Instant::now();
        let outcome = match self.deadline {
            None => step.await,
            Some(deadline) => timeout_at(deadline, step)
                .await
                .unwrap_or_else(|_| Err(self.too_late(part).into())),
        };
        *taken = Some(taken.unwrap_or_default() + begin.elapsed());
        outcome
    }

    fn too_late(&self, part: &'static str) -> BackendError {
        BackendError::timeout(
            TimeoutPhase::Connect,
            format!(
                "the connect timeout of {:?} passed during {part}",
                self.limit
            ),
        )
    }
}
