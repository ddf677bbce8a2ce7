//! Our three backends as somebody uses them who depends on nothing else of this project: requests
//! with all of HTTP's semantics, no facade and no batch engine.

use std::sync::Arc;

use futures::StreamExt;
use http::Version;
use pr_backend_blocking::BlockingBackend;
use pr_backend_h2::H2Backend;
use pr_backend_hyper::HyperBackend;
use pr_core::{
    Backend, BackendError, BackendExt, Body, Certificate, NormalizedResponse, RequestConfig, Roots,
    TransportConfig,
};

use super::{Group, Subject};
use crate::args::Workload;
use crate::drive::{self, Worker};
use crate::failure::Failure;
use crate::measure::Measured;
use crate::payload::Payload;
use crate::plan::{Plan, Target};
use crate::verify::Head;

pub(super) const H2: Subject = Subject {
    name: "backend-h2",
    group: Group::Ours,
    what: "pr-backend-h2 alone, by BackendExt",
    settings: "one backend for all requests; defaults but for roots, prior knowledge for http and \
               --connections",
    workloads: Workload::ALL,
    run: |plan| run(plan, plan.version(), H2Backend::with_config),
};

pub(super) const HYPER: Subject = Subject {
    name: "backend-hyper",
    group: Group::Ours,
    what: "pr-backend-hyper alone, by BackendExt",
    settings: "one backend for all requests; defaults but for roots, and as many idle connections kept \
               as there are requests in flight",
    workloads: Workload::ALL,
    run: |plan| {
        plan.only(Version::HTTP_11)?;
        run(plan, Version::HTTP_11, HyperBackend::with_config)
    },
};

pub(super) const BLOCKING: Subject = Subject {
    name: "backend-blocking",
    group: Group::Ours,
    what: "pr-backend-blocking alone, by BackendExt",
    settings: "one backend for all requests; defaults but for roots, as many threads as there are \
               requests in flight, and as many idle connections",
    workloads: Workload::ALL,
    run: |plan| {
        plan.only(Version::HTTP_11)?;
        run(plan, Version::HTTP_11, BlockingBackend::with_config)
    },
};

fn run<B: Backend>(
    plan: &Plan,
    version: Version,
    make: fn(TransportConfig) -> Result<B, BackendError>,
) -> Result<Measured, Failure> {
    drive::run(plan, async |plan, workers| {
        let config = transport(plan)?
            .max_threads(plan.concurrency)
            .max_idle_per_origin(plan.concurrency.max(256))
            .max_idle(plan.concurrency.max(512));
        let handle = Handle {
            backend: Arc::new(make(config)?),
            version,
        };
        Ok((0..workers).map(|_| handle.clone()).collect())
    })
}

/// The transport's defaults, but for whom to trust and what `http` means.
pub(super) fn transport(plan: &Plan) -> Result<TransportConfig, Failure> {
    let mut config = TransportConfig::default()
        .http2_prior_knowledge(!plan.is_tls() && plan.version() == Version::HTTP_2);
    if let Some(pem) = &plan.ca {
        config = config.roots(Roots::Only(Certificate::from_pem_bundle(pem)?));
    }
    if let Some(connections) = plan.connections {
        config = config.http2_connections_per_origin(connections);
    }
    Ok(config)
}

/// A POST of so many bytes that are made while they are sent, and again if need be.
pub(super) fn upload(target: &Target, bytes: u64) -> RequestConfig {
    let body = Body::factory(Some(bytes), move || Box::pin(Payload::new(bytes)));
    RequestConfig::post(target.text.as_str()).data(body)
}

/// The length of a good response's body.
pub(super) fn length(version: Version, response: &NormalizedResponse) -> Result<u64, Failure> {
    Head::new(
        response.version(),
        response.status_code(),
        response.headers(),
    )
    .verify(version, response.content().len() as u64)
}

struct Handle<B> {
    backend: Arc<B>,
    version: Version,
}

impl<B> Clone for Handle<B> {
    fn clone(&self) -> Self {
        Self {
            backend: Arc::clone(&self.backend),
            version: self.version,
        }
    }
}

impl<B: Backend> Handle<B> {
    /// HTTP/1.1 has to be asked for where a backend can do more.
    fn request(&self, request: RequestConfig) -> RequestConfig {
        if self.version == Version::HTTP_11 {
            request.http2(false)
        } else {
            request
        }
    }
}

impl<B: Backend> Worker for Handle<B> {
    async fn get(&mut self, target: &Target) -> Result<u64, Failure> {
        let request = self.request(RequestConfig::get(target.text.as_str()));
        length(self.version, &self.backend.request(request).await?)
    }

    async fn download(&mut self, target: &Target) -> Result<u64, Failure> {
        let request = self.request(RequestConfig::get(target.text.as_str()));
        let mut response = self.backend.stream(request).await?;
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

    async fn upload(&mut self, target: &Target, bytes: u64) -> Result<u64, Failure> {
        let request = self.request(upload(target, bytes));
        length(self.version, &self.backend.request(request).await?)?;
        Ok(bytes)
    }
}
