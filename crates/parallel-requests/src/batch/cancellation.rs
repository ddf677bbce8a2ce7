//! The handle that ends a batch from elsewhere.

use tokio_util::sync::CancellationToken;

/// Ends batches from elsewhere: another task, a signal's handler, another thread. Clones are the
/// same; one may be given to any number of batches.
///
/// What it does to a batch is told at [`BatchBuilder::cancellation`](crate::BatchBuilder::cancellation).
///
/// ```
/// use parallel_requests::Cancellation;
///
/// let cancellation = Cancellation::new();
/// let for_the_signal = cancellation.clone();
/// assert!(!cancellation.is_cancelled());
/// for_the_signal.cancel();
/// assert!(cancellation.is_cancelled());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancellation(CancellationToken);

impl Cancellation {
    /// One that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels, once and for all. It does not wait.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether it has been cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is cancelled.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }
}
