//! The runtime that the subcommands run in.

use tokio::runtime::Builder;

use crate::exit::{CommandError, explain};

/// Runs `work` to its end on this thread, with a runtime around it, and waits for nothing that
/// `work` leaves behind.
///
/// `work` is on this thread, so that it may block while it writes; what it spawns, which is every
/// request, shares one other thread with all connections. Spread over more, the same requests take
/// up to twice the processor time.
pub(crate) fn block_on<F: Future>(work: F) -> Result<F::Output, CommandError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| {
            let why = explain(&error);
            CommandError::Failed(format!("the async runtime could not be started: {why}"))
        })?;
    let output = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(output)
}
