//! hyper-util's pooled client, what one takes to be closer to hyper than reqwest is.

use http::{Method, Request, Version};
use http_body_util::BodyExt;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::{Group, Subject};
use crate::args::Workload;
use crate::drive::{self, Worker};
use crate::failure::Failure;
use crate::measure::Measured;
use crate::payload::{Payload, count};
use crate::plan::{Plan, Target};
use crate::tls;
use crate::verify::Head;

pub(super) const SUBJECT: Subject = Subject {
    name: "hyper-util",
    group: Group::Rival,
    what: "hyper_util::client::legacy::Client: a pool, no redirects, no deadlines",
    settings: "one client for all requests; TCP_NODELAY set on its connector (it is off by default); \
               HTTP/2 by http2_only, so that a cold burst makes one connection; frames of up to 1 MiB; \
               windows as by default (2 MiB a stream, 5 MiB a connection); as many idle connections as \
               it likes; hyper-rustls with aws-lc-rs for https",
    workloads: Workload::ALL,
    run,
};

fn run(plan: &Plan) -> Result<Measured, Failure> {
    if plan.is_tls() {
        drive::run(plan, async |plan, workers| {
            let tls = tls::client_config(plan, &[])?;
            let builder = HttpsConnectorBuilder::new()
                .with_tls_config(tls)
                .https_only();
            let connector = if plan.version() == Version::HTTP_2 {
                builder.enable_http2().wrap_connector(tcp())
            } else {
                builder.enable_http1().wrap_connector(tcp())
            };
            Ok(handles(plan, connector, workers))
        })
    } else {
        drive::run(plan, async |plan, workers| {
            Ok(handles(plan, tcp(), workers))
        })
    }
}

fn tcp() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector
}

/// One client, and a handle of it for each worker.
fn handles<C: Connect + Clone>(plan: &Plan, connector: C, workers: usize) -> Vec<Handle<C>> {
    let client = Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_only(plan.version() == Version::HTTP_2)
        .http2_max_frame_size(1 << 20)
        .build(connector);
    let handle = Handle {
        client,
        version: plan.version(),
    };
    vec![handle; workers]
}

#[derive(Clone)]
struct Handle<C> {
    client: Client<C, Payload>,
    version: Version,
}

impl<C: Connect + Clone + Send + Sync + 'static> Handle<C> {
    async fn exchange(
        &self,
        method: Method,
        target: &Target,
        body: Payload,
        keep: bool,
    ) -> Result<u64, Failure> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = target.uri.clone();
        let (head, body) = self.client.request(request).await?.into_parts();
        let bytes = if keep {
            body.collect().await?.to_bytes().len() as u64
        } else {
            count(body).await?
        };
        Head::of(&head).verify(self.version, bytes)
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> Worker for Handle<C> {
    async fn get(&mut self, target: &Target) -> Result<u64, Failure> {
        self.exchange(Method::GET, target, Payload::EMPTY, true)
            .await
    }

    async fn download(&mut self, target: &Target) -> Result<u64, Failure> {
        self.exchange(Method::GET, target, Payload::EMPTY, false)
            .await
    }

    async fn upload(&mut self, target: &Target, bytes: u64) -> Result<u64, Failure> {
        self.exchange(Method::POST, target, Payload::new(bytes), true)
            .await?;
        Ok(bytes)
    }
}
