//! Making a connection for everybody who waits for one, in a task of its own.

use std::sync::{Arc, OnceLock};

use h2::client::SendRequest;
use pr_connect::{Alpn, Connected, Connector, Protocol};
use pr_core::{BackendError, ConnectionInfo, DialTimings, ErrorKind, Scheme};
use tokio::runtime::Handle;

use crate::{
    clock::{Clock, Lifetimes},
    connection::Connection,
    origin::{Dialed, Origin},
    origins::Origins,
    pulse::{Pulse, Wire},
    settings,
    tasks::{self, Stop, TaskGuard, Tasks},
    upload::Chunk,
};

/// What is needed to make connections, for all origins of a backend.
#[derive(Debug)]
pub(crate) struct Dialer {
    pub(crate) connector: Connector,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) lifetimes: Lifetimes,
    /// How many connections may be idle, over all origins.
    pub(crate) max_idle: usize,
    pub(crate) origins: Arc<Origins>,
}

/// Where a dial leaves how long it took, for the request that has begun it. Not told to the request's
/// progress at once, because the request may have been dropped meanwhile.
pub(crate) type Report = Arc<OnceLock<DialTimings>>;

/// A dial that is about to begin. However it ends, the origin gets to know.
pub(crate) struct Prepared {
    runtime: Handle,
    dial: Dial,
}

/// A dial and, once it has made an HTTP/2 connection, the life of that connection: one task.
struct Dial {
    dialer: Arc<Dialer>,
    origin: Arc<Origin>,
    number: u64,
    /// The origin has a connection, and can do without this one.
    is_extra: bool,
    report: Option<Report>,
    // Last, so that the task counts as running until it has let go of everything else.
    guard: Arc<TaskGuard>,
}

/// What dialing made.
enum Made {
    Http2(
        ConnectionInfo,
        SendRequest<Chunk>,
        Box<h2::client::Connection<Wire, Chunk>>,
    ),
    Http1(Connected),
    /// There was no place for a further connection.
    Nothing,
}

impl Dialer {
    /// Prepares the dial of this number, for a connection that is needed or one that would be nice
    /// to have. It fails where there is no runtime, or no backend any
    /// more.
    pub(crate) fn prepare(
        self: &Arc<Self>,
        origin: &Arc<Origin>,
        number: u64,
        is_extra: bool,
    ) -> Result<Prepared, BackendError> {
        let runtime = tasks::current_runtime()?;
        let guard = self.tasks.register(&runtime)?;
        let dial = Dial {
            dialer: self.clone(),
            origin: origin.clone(),
            number,
            is_extra,
            report: None,
            guard: Arc::new(guard),
        };
        Ok(Prepared { runtime, dial })
    }

    /// Connects, and shakes hands as ALPN or prior knowledge says.
    async fn connect(&self, dial: &Dial, pulse: &Arc<Pulse>) -> Result<Made, BackendError> {
        let origin = &*dial.origin;
        let alpn = Alpn::Http2OrHttp1;
        let connected = if dial.is_extra {
            let connecting = self.connector.connect_if_room(origin.key(), alpn);
            let Some(connected) = connecting.await? else {
                return Ok(Made::Nothing);
            };
            connected
        } else {
            let tell = |stage| origin.dial_reached(dial.number, stage);
            let connecting = self.connector.connect_telling(origin.key(), alpn, &tell);
            connecting.await?
        };
        if let Some(report) = &dial.report {
            report.get_or_init(|| connected.timings);
        }
        // Plain TCP agrees on nothing; the origins that are dialed here without TLS are those that
        // are known to speak HTTP/2. A proxy that forwards for them is not.
        let known = origin.key().scheme() == Scheme::Http && connected.forwarding.is_none();
        if !known && connected.protocol == Protocol::Http1 {
            return Ok(Made::Http1(connected));
        }
        let (sender, connection) = settings::builder(origin.limits())
            .handshake(Wire::new(connected.io, pulse.clone()))
            .await
            .map_err(|error| {
                BackendError::new(
                    ErrorKind::Connect,
                    "the connection ended before the HTTP/2 preface could be sent",
                )
                .with_source(error)
            })?;
        self.origins.make_room(self.max_idle);
        Ok(Made::Http2(connected.info, sender, Box::new(connection)))
    }
}

impl Prepared {
    /// By which the dial can be told to end.
    pub(crate) fn stop(&self) -> Arc<Stop> {
        self.dial.guard.stop()
    }

    /// Where it is going to say how long it took.
    pub(crate) fn report(&mut self) -> Report {
        self.dial.report.get_or_insert_default().clone()
    }

    /// Dials and then serves the connection, in a task of the runtime that prepared this.
    pub(crate) fn spawn(self) {
        // The guard ends the task, so nobody needs its handle.
        drop(self.runtime.spawn(self.dial.run()));
    }
}

impl Dial {
    async fn run(self) {
        let clock = Clock::start(self.dialer.lifetimes);
        let pulse = Arc::new(Pulse::new(self.guard.stop()));
        let made = self
            .guard
            .unless_stopped(self.dialer.connect(&self, &pulse))
            .await;
        let result = match made {
            None => return,
            Some(Ok(Made::Http2(info, sender, connection))) => {
                let dialed = Dialed::Http2(info, sender, pulse.clone());
                if self.origin.dialed(self.number, dialed) {
                    let (origin, guard) = (self.origin.clone(), self.guard.clone());
                    Connection::new(*connection, info.id, origin, guard, clock, pulse).await;
                }
                return;
            }
            Some(Ok(Made::Http1(connected))) => Dialed::Http1(connected),
            Some(Ok(Made::Nothing)) => Dialed::NoRoom,
            Some(Err(error)) => Dialed::Failed(error),
        };
        self.origin.dialed(self.number, result);
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        // Neither changes anything if the dial has come to its end.
        if std::thread::panicking() {
            // Trying again would end the same way, over and over.
            let error = BackendError::new(
                ErrorKind::Config,
                "no connection can be made here; the Tokio runtime needs its I/O and time drivers \
                 enabled",
            );
            self.origin.dialed(self.number, Dialed::Failed(error));
        } else {
            self.origin.dial_lost(self.number);
        }
    }
}
