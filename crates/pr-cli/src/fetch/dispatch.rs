//! Sends requests as there is room, each in a task of its own, and hands over a record of each.
//!
//! The facade's `stream` takes an iterator, and an iterator that waits for standard input would
//! hold up whatever is in flight; its responses also hold their bodies, which nobody here wants
//! unless `--body` says so. So requests are sent one by one through the same client.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use futures::StreamExt;
use parallel_requests::{BackendError, ParallelRequests, RequestConfig};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{JoinError, JoinSet},
};

use super::{
    input::Entries,
    line::Entry,
    record::{Answer, Failure, Record},
};

/// How much is sent at a time, and how often.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) concurrency: usize,
    pub(super) repeat: u64,
    pub(super) ordered: bool,
    pub(super) body: bool,
}

/// A record, and the place in the window that it keeps until it has been written.
pub(super) struct Delivered {
    pub(super) record: Record,
    pub(super) place: OwnedSemaphorePermit,
}

/// How many records, each of a few hundred bytes, may wait for their turn.
const EARLY: usize = 16_384;

impl Plan {
    /// How many requests may have begun without their record having been written.
    fn window(&self) -> usize {
        let waiting = if self.ordered && !self.body {
            EARLY.max(self.concurrency)
        } else {
            self.concurrency
        };
        self.concurrency + waiting
    }
}

/// Sends every entry as often as it is wanted. Ends when the last record has been handed over, or
/// with the reason why the input cannot be read any further.
///
/// Dropping the future cancels what is in flight.
pub(super) async fn dispatch(
    client: ParallelRequests,
    mut entries: Entries,
    plan: Plan,
    begun: Arc<AtomicU64>,
    records: mpsc::UnboundedSender<Delivered>,
) -> Result<(), String> {
    let window = Arc::new(Semaphore::new(plan.window()));
    let in_flight = Arc::new(Semaphore::new(plan.concurrency));
    let mut tasks = JoinSet::new();
    let mut index = 0;
    let mut end = Ok(());
    'input: while let Some(entry) = entries.recv().await {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                end = Err(error);
                break;
            }
        };
        for _ in 0..plan.repeat {
            let (Ok(place), Ok(turn)) = (
                Arc::clone(&window).acquire_owned().await,
                Arc::clone(&in_flight).acquire_owned().await,
            ) else {
                break 'input;
            };
            begun.fetch_add(1, Ordering::Relaxed);
            let (client, entry, records) = (client.clone(), entry.clone(), records.clone());
            tasks.spawn(async move {
                let record = one(&client, index, entry, plan.body).await;
                drop(turn);
                // If nobody is there to receive, the work is about to be cancelled.
                let _ = records.send(Delivered { record, place });
            });
            index += 1;
            while let Some(ended) = tasks.try_join_next() {
                pass_on_panic(ended);
            }
        }
    }
    while let Some(ended) = tasks.join_next().await {
        pass_on_panic(ended);
    }
    end
}

fn pass_on_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

async fn one(client: &ParallelRequests, index: u64, entry: Entry, keep_body: bool) -> Record {
    let started = Instant::now();
    let result = match entry.request {
        Ok(request) => send(client, request, keep_body)
            .await
            .map_err(|error| Failure::of(&error, entry.line)),
        Err(mistake) => Err(Failure::input(&mistake, entry.line)),
    };
    Record {
        index,
        url: entry.url,
        elapsed: started.elapsed(),
        result,
    }
}

/// Sends a request and reads its response to the end. Without `keep_body`, pieces of the body are
/// counted and let go.
async fn send(
    client: &ParallelRequests,
    request: RequestConfig,
    keep_body: bool,
) -> Result<Answer, BackendError> {
    if keep_body {
        let response = client.send(request).await?;
        return Ok(Answer {
            url: response.url().as_str().into(),
            status: response.status_code(),
            version: response.version(),
            bytes: response.content().len() as u64,
            connection: response.connection().id,
            body: Some(response.text().into_owned()),
        });
    }
    let mut response = client.open(request).await?;
    let mut bytes = 0;
    while let Some(piece) = response.next().await {
        bytes += piece?.len() as u64;
    }
    Ok(Answer {
        url: response.url().as_str().into(),
        status: response.status_code(),
        version: response.version(),
        bytes,
        connection: response.connection().id,
        body: None,
    })
}
