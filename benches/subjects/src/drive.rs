//! How requests are kept in flight: as many workers as the concurrency says, each with one request
//! at a time, all taking the next from a common count. Clients that drive themselves, such as the
//! facade, need none of this.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use futures::future::try_join_all;

use crate::args::Workload;
use crate::failure::Failure;
use crate::measure::{Latencies, Measured, Meter, Tally};
use crate::plan::{Plan, Target, Targets};

/// A client as one of many workers sees it. Each method gives the length of the body that it read,
/// or for an upload sent, after [`verify`](crate::verify::Head::verify).
pub(crate) trait Worker: Send + 'static {
    /// A GET whose body is held in one piece, if the client does that for its users.
    fn get(&mut self, target: &Target) -> impl Future<Output = Result<u64, Failure>> + Send;

    /// A GET whose body is dropped as it comes.
    fn download(&mut self, target: &Target) -> impl Future<Output = Result<u64, Failure>> + Send;

    /// A POST of so many bytes, made while they are sent.
    fn upload(
        &mut self,
        target: &Target,
        bytes: u64,
    ) -> impl Future<Output = Result<u64, Failure>> + Send;
}

/// Runs the plan with the workers that `connect` makes; it is told how many.
pub(crate) fn run<W: Worker>(
    plan: &Plan,
    connect: impl AsyncFn(&Plan, usize) -> Result<Vec<W>, Failure>,
) -> Result<Measured, Failure> {
    plan.runtime()?.block_on(async {
        if plan.workload == Workload::Cold {
            return cold(plan, connect).await;
        }
        let mut workers = connect(plan, plan.concurrency).await?;
        if plan.warm_up > 0 {
            let (warm, tally) = drive(workers, Work::new(plan, plan.warm_up)).await?;
            tally.must_be_clean()?;
            workers = warm;
        }
        let work = Work::new(plan, plan.requests);
        let latencies = Arc::clone(&work.latencies);
        let meter = Meter::start();
        let (workers, tally) = drive(workers, work).await?;
        let measured = Measured::end(meter, tally, &latencies);
        drop(workers);
        Ok(measured)
    })
}

/// The whole life of a client, again and again.
async fn cold<W: Worker>(
    plan: &Plan,
    connect: impl AsyncFn(&Plan, usize) -> Result<Vec<W>, Failure>,
) -> Result<Measured, Failure> {
    let latencies = Latencies::new();
    let mut tally = Tally::default();
    let meter = Meter::start();
    for request in 0..plan.requests {
        let started = Instant::now();
        let result = async {
            let mut workers = connect(plan, 1).await?;
            let worker = workers
                .first_mut()
                .ok_or_else(|| Failure::new("the subject has no worker"))?;
            worker.get(plan.targets.of(request)).await
        };
        tally.record(result.await);
        latencies.record(0, started.elapsed());
    }
    Ok(Measured::end(meter, tally, &latencies))
}

/// A number of requests that workers share.
struct Work {
    workload: Workload,
    targets: Targets,
    next: AtomicU64,
    end: u64,
    upload_bytes: u64,
    latencies: Arc<Latencies>,
}

impl Work {
    fn new(plan: &Plan, requests: u64) -> Arc<Self> {
        Arc::new(Self {
            workload: plan.workload,
            targets: plan.targets.clone(),
            next: AtomicU64::new(0),
            end: requests,
            upload_bytes: plan.upload_bytes,
            latencies: Arc::new(Latencies::new()),
        })
    }

    /// Where the next request goes; `None` when all have been taken.
    fn take(&self) -> Option<&Target> {
        let request = self.next.fetch_add(1, Relaxed);
        (request < self.end).then(|| self.targets.of(request))
    }
}

/// Gives the workers back, connections and all, when the work is done.
async fn drive<W: Worker>(workers: Vec<W>, work: Arc<Work>) -> Result<(Vec<W>, Tally), Failure> {
    let tasks = workers.into_iter().enumerate().map(|(index, worker)| {
        let work = Arc::clone(&work);
        tokio::spawn(labour(worker, index, work))
    });
    let mut tally = Tally::default();
    let mut workers = Vec::new();
    for (worker, part) in try_join_all(tasks).await? {
        workers.push(worker);
        tally.add(part);
    }
    Ok((workers, tally))
}

async fn labour<W: Worker>(mut worker: W, index: usize, work: Arc<Work>) -> (W, Tally) {
    let mut tally = Tally::default();
    while let Some(target) = work.take() {
        let started = Instant::now();
        let result = match work.workload {
            Workload::Download => worker.download(target).await,
            Workload::Upload => worker.upload(target, work.upload_bytes).await,
            _ => worker.get(target).await,
        };
        if result.is_ok() {
            work.latencies.record(index, started.elapsed());
        }
        tally.record(result);
    }
    (worker, tally)
}
