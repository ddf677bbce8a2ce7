//! `preq fetch`: requests from the command line, a file or standard input; an outcome a line.
//!
//! ```text
//! input (a thread) --entries--> dispatch (a task for each request) --records--> output (main thread)
//! ```
//!
//! Memory depends on what is in flight: entries are read as there is room, and a request keeps its
//! place until its outcome has been written.

mod client;
mod connections;
mod dispatch;
mod input;
mod line;
mod order;
mod output;
mod progress;
mod record;
mod summary;
mod tally;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parallel_requests::ParallelRequests;
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};

use self::{
    dispatch::{Delivered, Plan},
    input::Entries,
    output::Output,
    progress::Progress,
    summary::Summary,
};
use crate::{
    args::FetchArgs,
    exit::{CommandError, Exit, say},
    runtime::block_on,
};

/// How long connections may take to close when all is done.
const FAREWELL: Duration = Duration::from_secs(1);

/// How many records are written in one go at most.
const BATCH: usize = 256;

/// Sends everything, prints every outcome, and the summary.
pub(crate) fn run(args: FetchArgs) -> Result<Exit, CommandError> {
    let client = client::build(&args)?;
    let template = line::Template::new(&args)?;
    let input = input::open(args.input.as_deref())?;
    // A file has a length that nobody knows before its end.
    let total = match input {
        Some(_) => None,
        None => args.repeat.checked_mul(args.urls.len() as u64),
    };
    let options = Options {
        plan: Plan {
            concurrency: args.concurrency,
            repeat: args.repeat,
            ordered: args.ordered,
            body: args.body,
        },
        fail: args.fail,
        quiet: args.quiet,
        total,
    };
    let entries = input::read(args.urls, input, template)?;
    block_on(fetch(client, entries, options))?
}

/// What the command line says, once the client and the input are made of it.
struct Options {
    plan: Plan,
    fail: bool,
    quiet: bool,
    total: Option<u64>,
}

/// Why there are no more outcomes.
#[derive(Debug)]
enum End {
    /// There are no more requests.
    Done,
    /// Ctrl-C.
    Interrupted,
    /// Standard output is closed or broken.
    Output(std::io::Error),
}

async fn fetch(
    client: ParallelRequests,
    entries: Entries,
    options: Options,
) -> Result<Exit, CommandError> {
    let stop = stop_on_ctrl_c();
    let progress = Progress::new(options.total, options.quiet);
    let mut output = Output::new(&client, &options.plan, options.fail, progress);
    let begun = Arc::new(AtomicU64::new(0));
    let started = Instant::now();

    let (sender, mut records) = mpsc::unbounded_channel();
    let work = dispatch::dispatch(
        client.clone(),
        entries,
        options.plan,
        Arc::clone(&begun),
        sender,
    );
    let work = tokio::spawn(work);
    let end = write_all(&mut records, &mut output, &stop).await;

    // Without this, those who wait for a place would go on; after it, all that is in flight ends.
    if !matches!(end, End::Done) {
        work.abort();
    }
    let input = match work.await {
        Ok(input) => input,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Ok(()),
    };
    let end = match end {
        // What was complete by then counts, in the order of its completion.
        End::Interrupted => match write_rest(&mut records, &mut output).await {
            Ok(()) => End::Interrupted,
            Err(error) => End::Output(error),
        },
        end => end,
    };
    let wall = started.elapsed();
    // Peers that do not answer must not hold up the end.
    let _ = timeout(FAREWELL, client.close()).await;

    let tally = output.finish();
    if !options.quiet {
        let cancelled = begun.load(Ordering::Relaxed).saturating_sub(tally.total());
        say(&Summary {
            tally: &tally,
            wall,
            end: &end,
            cancelled,
            selection: client.selection(),
            warnings: &client.warnings(),
        }
        .to_string());
    }
    match (end, input) {
        (End::Interrupted, _) => Ok(Exit::Interrupted),
        (End::Output(error), _) => Err(CommandError::Output(error)),
        (End::Done, Err(error)) => Err(CommandError::Failed(error)),
        (End::Done, Ok(())) if tally.failed() > 0 => Ok(Exit::Failure),
        (End::Done, Ok(())) => Ok(Exit::Success),
    }
}

/// Writes each record as it comes, until there are no more or it is told to stop.
async fn write_all(
    records: &mut mpsc::UnboundedReceiver<Delivered>,
    output: &mut Output,
    stop: &Notify,
) -> End {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let received = tokio::select! {
            biased;
            () = stop.notified() => return End::Interrupted,
            received = records.recv_many(&mut batch, BATCH) => received,
        };
        let written = match received {
            0 => output.release(),
            _ => output.write(batch.drain(..)),
        };
        match written {
            Err(error) => return End::Output(error),
            Ok(()) if received == 0 => return End::Done,
            Ok(()) => {}
        }
    }
}

/// Writes what was complete when the work was cancelled.
async fn write_rest(
    records: &mut mpsc::UnboundedReceiver<Delivered>,
    output: &mut Output,
) -> std::io::Result<()> {
    let mut batch = Vec::new();
    while records.recv_many(&mut batch, BATCH).await > 0 {
        output.write(batch.drain(..))?;
    }
    output.release()
}

/// The first Ctrl-C asks for an end, the second makes one: it must work even while the output is
/// stuck, so it is waited for elsewhere.
fn stop_on_ctrl_c() -> Arc<Notify> {
    let stop = Arc::new(Notify::new());
    let asked = Arc::clone(&stop);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            asked.notify_one();
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(i32::from(Exit::Interrupted as u8));
            }
        }
    });
    stop
}
