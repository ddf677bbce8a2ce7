//! reqwest, which most people take.

use http::Version;
use reqwest::{Body, Certificate, Client, Response};

use super::{Group, Subject};
use crate::args::Workload;
use crate::drive::{self, Worker};
use crate::failure::Failure;
use crate::measure::Measured;
use crate::payload::Payload;
use crate::plan::{Plan, Target};
use crate::tls;
use crate::verify::Head;

pub(super) const SUBJECT: Subject = Subject {
    name: "reqwest",
    group: Group::Rival,
    what: "reqwest 0.13: pool, redirects, proxies",
    settings: "one client for all requests; TCP_NODELAY; HTTP/2 by prior knowledge or ALPN, or HTTP/1.1 \
               only; frames of up to 1 MiB, which halves what a large download costs; windows as by \
               default (2 MiB a stream, 5 MiB a connection), since larger ones gained nothing; as many \
               idle connections as it likes; no proxy from the environment; rustls with aws-lc-rs; \
               built without its decompression and cookies; redirects as by default, since none \
               gained nothing; no deadline",
    workloads: Workload::ALL,
    run,
};

fn run(plan: &Plan) -> Result<Measured, Failure> {
    drive::run(plan, async |plan, workers| {
        let handle = Handle {
            client: client(plan)?,
            version: plan.version(),
        };
        Ok(vec![handle; workers])
    })
}

fn client(plan: &Plan) -> Result<Client, Failure> {
    tls::install_provider();
    let mut builder = Client::builder()
        .tcp_nodelay(true)
        .no_proxy()
        .pool_max_idle_per_host(usize::MAX)
        .http2_max_frame_size(1 << 20);
    if plan.version() == Version::HTTP_11 {
        builder = builder.http1_only();
    } else if !plan.is_tls() {
        builder = builder.http2_prior_knowledge();
    }
    if let Some(pem) = &plan.ca {
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(pem)?);
    }
    Ok(builder.build()?)
}

#[derive(Clone)]
struct Handle {
    client: Client,
    version: Version,
}

impl Handle {
    async fn whole(&self, response: Response) -> Result<u64, Failure> {
        let head = head(&response);
        let bytes = response.bytes().await?.len() as u64;
        head.verify(self.version, bytes)
    }
}

fn head(response: &Response) -> Head {
    Head::new(response.version(), response.status(), response.headers())
}

impl Worker for Handle {
    async fn get(&mut self, target: &Target) -> Result<u64, Failure> {
        let response = self.client.get(&target.text).send().await?;
        self.whole(response).await
    }

    async fn download(&mut self, target: &Target) -> Result<u64, Failure> {
        let mut response = self.client.get(&target.text).send().await?;
        let head = head(&response);
        let mut bytes = 0;
        while let Some(piece) = response.chunk().await? {
            bytes += piece.len() as u64;
        }
        head.verify(self.version, bytes)
    }

    async fn upload(&mut self, target: &Target, bytes: u64) -> Result<u64, Failure> {
        let body = Body::wrap(Payload::new(bytes));
        let response = self.client.post(&target.text).body(body).send().await?;
        self.whole(response).await?;
        Ok(bytes)
    }
}
