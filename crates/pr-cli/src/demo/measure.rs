//! One batch through one backend, against a server of its own whose ledger counts the connections.

use std::time::{Duration, Instant};

use http::Version;
use parallel_requests::{BackendError, Certificate, ParallelRequests, Roots};
use pr_testkit::{Server, TestCa};

use crate::{
    exit::{CommandError, explain},
    latency::Latencies,
};

/// What is sent.
pub(super) struct Batch {
    pub(super) requests: u64,
    pub(super) concurrency: usize,
    /// How long the server takes over each.
    pub(super) delay: Duration,
    /// How many are sent one after another beforehand.
    pub(super) sample: u32,
}

/// What came of it.
pub(super) struct Measurement {
    pub(super) backend: &'static str,
    pub(super) version: Version,
    pub(super) requests: u64,
    pub(super) connections: u64,
    pub(super) wall: Duration,
    pub(super) latencies: Latencies,
    /// Estimated.
    pub(super) one_by_one: Duration,
}

impl Batch {
    /// Sends the sample and then the batch. A single failure fails it all: on loopback there is
    /// no excuse.
    pub(super) async fn measure(
        &self,
        backend: &'static str,
        authority: &TestCa,
    ) -> Result<Measurement, CommandError> {
        let server = Server::builder()
            .tls(authority.localhost())
            .record_requests(false)
            .try_start()
            .map_err(|error| CommandError::Failed(format!("no server on loopback: {error}")))?;
        let url = server.url(&format!("/delay/{}", self.delay.as_secs_f64()));
        let failed = |error: &BackendError| {
            CommandError::Failed(format!("the {backend} backend: {}", error.chain()))
        };

        let client = self.client(backend, authority)?;
        let one = self.one_after_another(&client, &url).await;
        let one = one.map_err(|error| failed(&error))?;
        client.close().await;

        // A client of its own: the batch is to pay for its connections itself.
        let client = self.client(backend, authority)?;
        let before = server.ledger().counts().connections_accepted;
        let mut latencies = Latencies::new();
        let mut version = Version::HTTP_11;
        let started = Instant::now();
        let requests = (0..self.requests).map({
            let url = url.clone();
            move |_| url.clone()
        });
        let mut outcomes = client.stream(requests);
        while let Some(outcome) = outcomes.next().await {
            latencies.record(outcome.elapsed);
            let response = outcome.result.map_err(|error| failed(&error))?;
            let status = response.status_code();
            if !status.is_success() {
                return Err(CommandError::Failed(format!(
                    "the {backend} backend: the server answered {status}"
                )));
            }
            version = version.max(response.version());
        }
        let wall = started.elapsed();
        let connections = server.ledger().counts().connections_accepted - before;
        client.close().await;
        Ok(Measurement {
            backend,
            version,
            requests: self.requests,
            connections,
            wall,
            latencies,
            one_by_one: one.mul_f64(self.requests_as_factor()),
        })
    }

    fn client(&self, backend: &str, authority: &TestCa) -> Result<ParallelRequests, CommandError> {
        ParallelRequests::builder()
            .backend(backend)
            .concurrency(self.concurrency)
            .roots(Roots::Only(vec![Certificate::from_der(authority.der())]))
            .build()
            .map_err(|error| CommandError::Failed(explain(&error)))
    }

    /// How long one request takes of several one after another over a connection that is open.
    async fn one_after_another(
        &self,
        client: &ParallelRequests,
        url: &str,
    ) -> Result<Duration, BackendError> {
        client.get(url).await?;
        let started = Instant::now();
        for _ in 0..self.sample {
            client.get(url).await?;
        }
        Ok(started.elapsed() / self.sample)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "it is for an estimate, and the number is at most a million"
    )]
    fn requests_as_factor(&self) -> f64 {
        self.requests as f64
    }
}
