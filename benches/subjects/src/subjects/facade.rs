//! The facade, as a person uses it: `stream` over a lazy iterator, `open` for what is too large to
//! hold, `send` for an upload. It keeps requests in flight by itself.

use std::time::Instant;

use futures::{StreamExt, stream};
use http::Version;
use parallel_requests::{ParallelRequests, RequestConfig};

use super::backends::{length, transport, upload};
use super::{Group, Subject};
use crate::args::Workload;
use crate::failure::Failure;
use crate::measure::{Latencies, Measured, Meter, Tally};
use crate::plan::{Plan, Target};
use crate::verify::Head;

pub(super) const H2: Subject = Subject {
    name: "facade-h2",
    group: Group::Ours,
    what: "parallel-requests on h2, the default",
    settings: "defaults but for concurrency, roots, prior knowledge for http and --connections",
    workloads: Workload::ALL,
    run: |plan| run(plan, "h2", plan.version(), None),
};

pub(super) const H2_4_CONNECTIONS: Subject = Subject {
    name: "facade-h2-4conn",
    group: Group::Ours,
    what: "parallel-requests on h2 with more connections",
    settings: "as facade-h2, with http2_connections_per_origin at 4",
    workloads: Workload::ALL,
    run: |plan| run(plan, "h2", plan.version(), Some(4)),
};

pub(super) const HYPER: Subject = Subject {
    name: "facade-hyper",
    group: Group::Ours,
    what: "parallel-requests on hyper",
    settings: "defaults but for concurrency and roots",
    workloads: Workload::ALL,
    run: |plan| {
        plan.only(Version::HTTP_11)?;
        run(plan, "hyper", Version::HTTP_11, None)
    },
};

pub(super) const BLOCKING: Subject = Subject {
    name: "facade-blocking",
    group: Group::Ours,
    what: "parallel-requests on blocking",
    settings: "defaults but for concurrency and roots; that makes as many threads as there are \
               requests in flight, 512 at most",
    workloads: Workload::ALL,
    run: |plan| {
        plan.only(Version::HTTP_11)?;
        run(plan, "blocking", Version::HTTP_11, None)
    },
};

fn run(
    plan: &Plan,
    backend: &'static str,
    version: Version,
    connections: Option<usize>,
) -> Result<Measured, Failure> {
    let user = User {
        plan,
        backend,
        version,
        connections,
    };
    plan.runtime()?.block_on(async {
        if plan.workload == Workload::Cold {
            return user.cold().await;
        }
        let client = user.client()?;
        if plan.warm_up > 0 {
            let (tally, _) = user.work(&client, plan.warm_up).await;
            tally.must_be_clean()?;
        }
        let meter = Meter::start();
        let (tally, latencies) = user.work(&client, plan.requests).await;
        Ok(Measured::end(meter, tally, &latencies))
    })
}

/// Somebody with a plan.
struct User<'a> {
    plan: &'a Plan,
    backend: &'static str,
    version: Version,
    connections: Option<usize>,
}

impl User<'_> {
    fn client(&self) -> Result<ParallelRequests, Failure> {
        let mut transport = transport(self.plan)?;
        if let Some(connections) = self.connections {
            transport = transport.http2_connections_per_origin(connections);
        }
        let mut builder = ParallelRequests::builder()
            .backend(self.backend)
            .concurrency(self.plan.concurrency)
            .transport(transport);
        // HTTP/1.1 has to be asked for where the backend can do more.
        if self.backend == "h2" && self.version == Version::HTTP_11 {
            builder = builder.http2(false);
        }
        Ok(builder.build()?)
    }

    async fn work(&self, client: &ParallelRequests, requests: u64) -> (Tally, Latencies) {
        if !matches!(self.plan.workload, Workload::Download | Workload::Upload) {
            return self.stream(client, requests).await;
        }
        let (mut tally, latencies) = (Tally::default(), Latencies::new());
        let mut results = stream::iter(0..requests)
            .map(async |request| {
                let started = Instant::now();
                let target = self.plan.targets.of(request);
                let result = match self.plan.workload {
                    Workload::Download => self.download(client, target).await,
                    _ => self.upload(client, target).await,
                };
                (result, started.elapsed())
            })
            .buffer_unordered(self.plan.concurrency);
        while let Some((result, elapsed)) = results.next().await {
            if result.is_ok() {
                latencies.record(0, elapsed);
            }
            tally.record(result);
        }
        drop(results);
        (tally, latencies)
    }

    async fn stream(&self, client: &ParallelRequests, requests: u64) -> (Tally, Latencies) {
        let targets = self.plan.targets.clone();
        let input = (0..requests).map(move |n| RequestConfig::get(targets.of(n).text.as_str()));
        let (mut tally, latencies) = (Tally::default(), Latencies::new());
        let mut outcomes = client.stream(input);
        while let Some(outcome) = outcomes.next().await {
            let result = outcome
                .result
                .map_err(Failure::from)
                .and_then(|response| length(self.version, &response));
            if result.is_ok() {
                latencies.record(0, outcome.elapsed);
            }
            tally.record(result);
        }
        (tally, latencies)
    }

    async fn download(&self, client: &ParallelRequests, target: &Target) -> Result<u64, Failure> {
        let mut response = client.open(target.text.as_str()).await?;
        let head = Head::new(
            response.version(),
            response.status_code(),
            response.headers(),
        );
        let mut bytes = 0;
        while let Some(piece) = response.next().await {
            bytes += piece?.len() as u64;
        }
        head.verify(self.version, bytes)
    }

    async fn upload(&self, client: &ParallelRequests, target: &Target) -> Result<u64, Failure> {
        let response = client.send(upload(target, self.plan.upload_bytes)).await?;
        length(self.version, &response)?;
        Ok(self.plan.upload_bytes)
    }

    /// The whole life of a client, again and again.
    async fn cold(&self) -> Result<Measured, Failure> {
        let (mut tally, latencies) = (Tally::default(), Latencies::new());
        let meter = Meter::start();
        for request in 0..self.plan.requests {
            let started = Instant::now();
            let target = self.plan.targets.of(request);
            let result = async {
                let response = self.client()?.get(target.text.as_str()).await?;
                length(self.version, &response)
            };
            tally.record(result.await);
            latencies.record(0, started.elapsed());
        }
        Ok(Measured::end(meter, tally, &latencies))
    }
}
