//! The floor of HTTP/1.1: hyper's connections, one for each request in flight.

use std::sync::Arc;

use futures::future::try_join_all;
use http::{HeaderValue, Method, Request, Uri, Version, header};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;

use super::floor::{Driver, Wire};
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
    name: "hyper-conn-http1",
    group: Group::Floor,
    what: "hyper::client::conn::http1 alone: no pool, no redirects, no deadlines, bodies counted and \
           not kept",
    settings: "a connection of its own for each request in flight, made beforehand and made anew if \
               the peer closes it; TCP_NODELAY",
    workloads: Workload::ONE_ORIGIN,
    run,
};

fn run(plan: &Plan) -> Result<Measured, Failure> {
    plan.only(Version::HTTP_11)?;
    drive::run(plan, connect)
}

async fn connect(plan: &Plan, workers: usize) -> Result<Vec<Connection>, Failure> {
    let target = plan.targets.one_origin()?;
    let tls = if target.is_tls() {
        Some(Arc::new(tls::client_config(plan, &["http/1.1"])?))
    } else {
        None
    };
    try_join_all((0..workers).map(|_| Connection::new(target, tls.clone()))).await
}

/// One worker's own connection.
struct Connection {
    sender: SendRequest<Payload>,
    _driver: Driver,
    host: HeaderValue,
    tls: Option<Arc<ClientConfig>>,
}

impl Connection {
    async fn new(target: &Target, tls: Option<Arc<ClientConfig>>) -> Result<Self, Failure> {
        let wire = Wire::connect(target, tls.as_ref()).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(wire)).await?;
        let driver = Driver::spawn(async {
            // What goes wrong with it is seen by its request.
            let _ = connection.await;
        });
        let authority = target.uri.authority().map_or("", |one| one.as_str());
        Ok(Self {
            sender,
            _driver: driver,
            host: HeaderValue::from_str(authority)?,
            tls,
        })
    }

    async fn exchange(
        &mut self,
        method: Method,
        target: &Target,
        body: Payload,
    ) -> Result<u64, Failure> {
        if self.sender.ready().await.is_err() {
            *self = Self::new(target, self.tls.take()).await?;
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        // The request target is in origin form (RFC 9112, section 3.2.1).
        if let Some(path) = target.uri.path_and_query() {
            *request.uri_mut() = Uri::from(path.clone());
        }
        request
            .headers_mut()
            .insert(header::HOST, self.host.clone());
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let bytes = count(body).await?;
        Head::of(&head).verify(Version::HTTP_11, bytes)
    }
}

impl Worker for Connection {
    async fn get(&mut self, target: &Target) -> Result<u64, Failure> {
        self.exchange(Method::GET, target, Payload::EMPTY).await
    }

    async fn download(&mut self, target: &Target) -> Result<u64, Failure> {
        self.get(target).await
    }

    async fn upload(&mut self, target: &Target, bytes: u64) -> Result<u64, Failure> {
        self.exchange(Method::POST, target, Payload::new(bytes))
            .await?;
        Ok(bytes)
    }
}
