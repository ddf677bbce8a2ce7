//! `preq fetch`: requests from the command line, a file or standard input; an outcome a line.
//!
//! ```text
//! input (a thread) --entries--> requests --> batch (the client) --records--> output (main thread)
//! ```
//!
//! Memory depends on what is in flight: entries are read as there is room, and a request keeps its
//! place until its outcome has been taken, or where outcomes have an order, been written.

mod client;
mod connections;
mod input;
mod journal;
mod line;
mod order;
mod output;
mod policies;
mod progress;
mod record;
mod requests;
mod stop;
mod summary;
mod tally;
mod window;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt};
use parallel_requests::{Delivery, Outcome, ParallelRequests};
use tokio::time::timeout;

use self::{
    journal::{Done, Identity, Journal},
    output::Output,
    progress::Bar,
    record::{Record, Style},
    requests::{Asked, Requests},
    stop::{Stop, Why},
    summary::{Journaled, Summary},
    tally::Tally,
    window::Window,
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

/// How many records, each of a few hundred bytes, may wait for their turn.
const EARLY: usize = 16_384;

/// Sends everything, prints every outcome, and the summary.
pub(crate) fn run(args: &FetchArgs) -> Result<Exit, CommandError> {
    let client = client::build(args)?;
    let template = line::Template::new(args)?;
    let input = input::open(args.input.as_deref())?;
    let identity = Identity::new(args, template.data())
        .map_err(|error| CommandError::Usage(format!("--input: {error}")))?;
    // The last that can be wrong, so that no journal is begun for a run that is not.
    let (journal, done) = journal::open(&args.journal, &identity, args.fail)?;
    let done = Arc::new(done);
    // A file has a length that nobody knows before its end.
    let total = match input {
        Some(_) => None,
        None => args.repeat.checked_mul(args.urls.len() as u64),
    };
    let total = total.map(|total| total.saturating_sub(done.count()));

    let urls = args.urls.clone();
    let entries = input::read(urls, input, template, args.repeat, Arc::clone(&done))?;
    let window = args.ordered.then(|| Window::new(window(args)));
    let requests = Requests::new(entries, args.repeat, Arc::clone(&done), window, total);
    block_on(fetch(client, requests, args, journal, &done))?
}

/// How many requests may have begun without their record having been written.
fn window(args: &FetchArgs) -> usize {
    let concurrency = args.policies.concurrency;
    let waiting = if args.body {
        concurrency
    } else {
        EARLY.max(concurrency)
    };
    concurrency + waiting
}

/// Why there are no more outcomes.
#[derive(Debug)]
enum End {
    /// There are no more requests.
    Done,
    /// Somebody, or a setting, wanted no more.
    Stopped(Why),
    /// Standard output is closed or broken.
    Output(io::Error),
    /// The journal cannot be written.
    Journal(io::Error),
}

async fn fetch(
    client: ParallelRequests,
    mut requests: Requests,
    args: &FetchArgs,
    journal: Option<Journal>,
    done: &Done,
) -> Result<Exit, CommandError> {
    let stop = Stop::watch(args.deadline);
    requests.stop_at(stop.cancellation().clone());
    let broken = requests.broken();
    let style = Style {
        backend: client.backend().name(),
        verbose_attempts: args.verbose_attempts,
    };
    let batch = client
        .batch_from_stream(requests)
        .cancellation(stop.cancellation().clone());
    let bar = Bar::new(batch.progress(), args);
    let tally = Tally::new(args.fail);
    let mut output = Output::new(style, args.ordered, journal, tally, bar);
    let started = Instant::now();

    let end = write_all(batch.stream(), &mut output, &stop, args).await;
    let wall = started.elapsed();
    // Peers that do not answer must not hold up the end.
    let _ = timeout(FAREWELL, client.close()).await;

    let (tally, journal) = output.finish();
    if !args.quiet {
        say(&Summary {
            tally: &tally,
            wall,
            end: &end,
            journal: journal.as_ref().map(|journal| Journaled {
                path: journal.path(),
                before: done.count(),
                failed_before: done.failures(),
            }),
            selection: client.selection(),
            warnings: &client.warnings(),
        }
        .to_string());
    }
    let failed = tally.failed() + done.failures();
    exit(end, broken.get(), failed, journal.as_ref())
}

/// What the exit code says of this end.
fn exit(
    end: End,
    broken: Option<&String>,
    failed: u64,
    journal: Option<&Journal>,
) -> Result<Exit, CommandError> {
    match end {
        End::Stopped(Why::Interrupted) => Ok(Exit::Interrupted),
        End::Stopped(Why::Deadline(_)) => Ok(Exit::DeadlinePassed),
        End::Stopped(Why::Failures(_)) => Ok(Exit::Failure),
        End::Output(error) => Err(CommandError::Output(error)),
        End::Journal(error) => Err(CommandError::Failed(format!(
            "cannot write the journal{}: {error}\n\
             What came last was not printed either. With --resume it is sent again.",
            journal.map_or(String::new(), |journal| format!(
                " {}",
                journal.path().display()
            )),
        ))),
        End::Done => match broken {
            Some(why) => Err(CommandError::Failed(why.clone())),
            None if failed > 0 => Ok(Exit::Failure),
            None => Ok(Exit::Success),
        },
    }
}

/// Writes each record as it comes, until there are no more: all that was asked for is done, or the
/// batch was stopped, and what was complete by then has been written.
async fn write_all(
    outcomes: impl Stream<Item = Outcome<Asked>> + Unpin,
    output: &mut Output,
    stop: &Stop,
    args: &FetchArgs,
) -> End {
    let most = match (args.fail_fast, args.max_failures) {
        (true, _) => Some(0),
        (false, most) => most,
    };
    // With a journal not many, because a crash takes what has not been written.
    let batch = match args.journal.journal {
        Some(_) => BATCH.min(args.policies.concurrency),
        None => BATCH,
    };
    let mut batches = outcomes.ready_chunks(batch);
    while let Some(batch) = batches.next().await {
        let written = batch
            .into_iter()
            .try_for_each(|outcome| write_one(outcome, output, args.body))
            // Whoever waits for these lines gets them now, not when more have come.
            .and_then(|()| output.flush());
        if let Err(end) = written {
            return end;
        }
        output.show_failures();
        let failed = output.tally.failed();
        if most.is_some_and(|most| failed > most) {
            stop.now(Why::Failures(failed));
        }
    }
    match (output.release(), stop.why()) {
        (Err(end), _) => end,
        (Ok(()), Some(why)) => End::Stopped(why),
        (Ok(()), None) => End::Done,
    }
}

fn write_one(outcome: Outcome<Asked>, output: &mut Output, body: bool) -> Result<(), End> {
    if let Some(record) = Record::of(&outcome, body) {
        return output.put(record, outcome.key.turn, outcome.key.seat);
    }
    let error = outcome.error();
    let in_flight = error.is_some_and(|error| error.delivery() != Delivery::NotSent);
    output.tally.count_cancelled(in_flight);
    Ok(())
}
