//! The runtime that the subcommands run in.

use tokio::runtime::Builder;

use crate::exit::{CommandError, explain};

/// Runs `work` to its end on this thread, with a runtime around it, and waits for nothing that
/// `work` leaves behind.
pub(crate) fn block_on<F: Future>(work: F) -> Result<F::Output, CommandError> {
    let runtime = Builder::new_multi_thread()
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
