//! The floor of HTTP/2: the `h2` crate, and nothing that a client needs besides.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::{Method, Request, Version, header};

use super::floor::{Driver, Wire};
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
    name: "raw-h2",
    group: Group::Floor,
    what: "the h2 crate alone: no pool, no redirects, no deadlines, bodies counted and not kept",
    settings: "1 connection (or --connections), requests dealt out evenly; TCP_NODELAY; windows of \
               2 MiB a stream and 64 MiB a connection, frames of up to 1 MiB; server push off",
    workloads: Workload::ONE_ORIGIN,
    run,
};

/// Large enough that no download waits for a window update on loopback.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;

/// A download in frames of 16 KiB, the default, costs twice as much.
const FRAME: u32 = 1 << 20;

fn run(plan: &Plan) -> Result<Measured, Failure> {
    plan.only(Version::HTTP_2)?;
    drive::run(plan, connect)
}

async fn connect(plan: &Plan, workers: usize) -> Result<Vec<Connection>, Failure> {
    let target = plan.targets.one_origin()?;
    let tls = if target.is_tls() {
        Some(Arc::new(tls::client_config(plan, &["h2"])?))
    } else {
        None
    };
    let mut connections = Vec::new();
    for _ in 0..plan.connections.unwrap_or(1).min(workers) {
        let wire = Wire::connect(target, tls.as_ref()).await?;
        let (sender, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME)
            .handshake::<_, Bytes>(wire)
            .await?;
        let driver = Driver::spawn(async {
            // What goes wrong with it is seen by its requests.
            let _ = connection.await;
        });
        connections.push(Connection {
            sender,
            _driver: Arc::new(driver),
        });
    }
    let dealt = connections.iter().cycle().take(workers);
    Ok(dealt.cloned().collect())
}

/// One worker's handle of a connection that several share.
#[derive(Clone)]
struct Connection {
    sender: SendRequest<Bytes>,
    _driver: Arc<Driver>,
}

impl Connection {
    async fn send(
        &mut self,
        request: Request<()>,
        end: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), Failure> {
        // This also waits for a place among the streams that the peer allows.
        poll_fn(|cx| self.sender.poll_ready(cx)).await?;
        Ok(self.sender.send_request(request, end)?)
    }
}

impl Worker for Connection {
    async fn get(&mut self, target: &Target) -> Result<u64, Failure> {
        let (response, _) = self.send(request(Method::GET, target), true).await?;
        count(response).await
    }

    async fn download(&mut self, target: &Target) -> Result<u64, Failure> {
        self.get(target).await
    }

    async fn upload(&mut self, target: &Target, bytes: u64) -> Result<u64, Failure> {
        let mut request = request(Method::POST, target);
        request
            .headers_mut()
            .insert(header::CONTENT_LENGTH, bytes.into());
        let (response, body) = self.send(request, bytes == 0).await?;
        if bytes > 0 {
            send_body(body, Payload::new(bytes)).await?;
        }
        count(response).await?;
        Ok(bytes)
    }
}

fn request(method: Method, target: &Target) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = target.uri.clone();
    *request.version_mut() = Version::HTTP_2;
    request
}

async fn count(response: ResponseFuture) -> Result<u64, Failure> {
    let (head, mut body) = response.await?.into_parts();
    let mut bytes = 0;
    while let Some(piece) = body.data().await {
        let length = piece?.len();
        bytes += length as u64;
        body.flow_control().release_capacity(length)?;
    }
    Head::of(&head).verify(Version::HTTP_2, bytes)
}

async fn send_body(mut body: SendStream<Bytes>, mut payload: Payload) -> Result<(), Failure> {
    while let Some(mut piece) = payload.piece(usize::MAX) {
        while !piece.is_empty() {
            body.reserve_capacity(piece.len());
            let granted = poll_fn(|cx| body.poll_capacity(cx)).await;
            let granted = granted.ok_or_else(|| Failure::new("the peer ended the stream"))??;
            let part = piece.split_to(granted.min(piece.len()));
            body.send_data(part, false)?;
        }
    }
    body.send_data(Bytes::new(), true)?;
    Ok(())
}
