//! Distance between a client and its peer, and the silence of a network that has lost one of them:
//! what loopback does not have.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

use crate::failures::Failures;
use crate::thread::LoopbackThread;

/// A TCP relay on a thread of its own that stands between a client and a server, and hands on every
/// byte, in both directions, a fixed time after it came: a round trip takes twice as long.
///
/// It delays and does not slow down: as much is on its way at a time as both ends let it be, up to
/// 16 MiB in each direction of each connection, beyond which it stops reading. What the relay has
/// seen of the traffic says how well a client makes use of a distance, without a clock.
///
/// It can also fall [silent](Self::fall_silent), as when a router forgets a connection.
///
/// ```
/// use std::time::{Duration, Instant};
/// use pr_testkit::{DelayingProxy, Server};
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
/// # runtime.block_on(async {
/// let server = Server::start();
/// let proxy = DelayingProxy::start(server.addr(), Duration::from_millis(25));
///
/// let begun = Instant::now();
/// let response = reqwest::get(format!("http://{}/bytes/1000", proxy.authority())).await?;
/// assert_eq!(response.bytes().await?, pr_testkit::content::bytes(1000));
/// assert!(begun.elapsed() >= Duration::from_millis(50));
/// assert!(proxy.most_in_flight() >= 1000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DelayingProxy {
    thread: LoopbackThread,
    failures: Failures,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    one_way: Duration,
    accepted: AtomicU64,
    /// Connections up to this number swallow what they are given.
    silent_up_to: AtomicU64,
    to_client: Gauge,
    to_target: Gauge,
}

/// Bytes on their way, and the most that there have been.
#[derive(Debug, Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// How many bytes one direction of one connection holds at most.
const CAPACITY: usize = 16 << 20;

/// How many bytes are read at a time.
const PIECE: usize = 64 << 10;

impl DelayingProxy {
    /// Starts a relay to this address that takes `one_way` to deliver a byte. TCP handshakes are not
    /// delayed.
    ///
    /// # Panics
    ///
    /// If no loopback port or thread is to be had.
    pub fn start(target: SocketAddr, one_way: Duration) -> Self {
        let shared = Arc::new(Shared {
            target,
            one_way,
            accepted: AtomicU64::new(0),
            silent_up_to: AtomicU64::new(0),
            to_client: Gauge::default(),
            to_target: Gauge::default(),
        });
        let failures = Failures::default();
        let relay = accept_all(shared.clone(), failures.clone());
        let thread = LoopbackThread::start("pr-testkit relay", failures.clone(), relay)
            .expect("a relay needs a free port and a thread");
        Self {
            thread,
            failures,
            shared,
        }
    }

    /// The address to connect to instead of the target's.
    pub fn addr(&self) -> SocketAddr {
        self.thread.addr()
    }

    /// Host and port, as in `127.0.0.1:40123`.
    pub fn authority(&self) -> String {
        self.addr().to_string()
    }

    /// From now on, swallows whatever either end of today's connections sends, and what is on its
    /// way; closes nothing. Neither end can tell this from a peer that has nothing to say.
    /// Connections that come later are relayed.
    pub fn fall_silent(&self) {
        let today = self.shared.accepted.load(SeqCst);
        self.shared.silent_up_to.store(today, SeqCst);
    }

    /// How many connections have been accepted.
    pub fn connections(&self) -> u64 {
        self.shared.accepted.load(SeqCst)
    }

    /// The most bytes that were on their way to clients at a time, over all connections.
    pub fn most_in_flight(&self) -> usize {
        self.shared.to_client.most.load(SeqCst)
    }

    /// The most bytes that were on their way to the target at a time, over all connections.
    pub fn most_in_flight_to_target(&self) -> usize {
        self.shared.to_target.most.load(SeqCst)
    }
}

impl Drop for DelayingProxy {
    fn drop(&mut self) {
        self.thread.stop();
        self.failures.raise_unless_panicking();
    }
}

fn accept_all(
    shared: Arc<Shared>,
    failures: Failures,
) -> impl FnOnce(TcpListener) -> futures::future::BoxFuture<'static, ()> + Send + 'static {
    move |listener| {
        Box::pin(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = shared.accepted.fetch_add(1, SeqCst) + 1;
                let (shared, failures) = (shared.clone(), failures.clone());
                tokio::spawn(async move {
                    // An error is the end of one side, of which the other hears by its own end.
                    let relayed = relay(client, number, &shared);
                    drop(failures.watch("a relayed connection", relayed).await);
                });
            }
        })
    }
}

async fn relay(client: TcpStream, number: u64, shared: &Shared) -> io::Result<()> {
    let target = TcpStream::connect(shared.target).await?;
    client.set_nodelay(true)?;
    target.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_target, to_target) = target.into_split();
    let there = Lane::new(shared, number, &shared.to_target);
    let back = Lane::new(shared, number, &shared.to_client);
    tokio::try_join!(
        there.carry(from_client, to_target),
        back.carry(from_target, to_client)
    )?;
    Ok(())
}

/// One direction of one connection.
struct Lane<'a> {
    shared: &'a Shared,
    number: u64,
    gauge: &'a Gauge,
    room: Semaphore,
}

impl<'a> Lane<'a> {
    fn new(shared: &'a Shared, number: u64, gauge: &'a Gauge) -> Self {
        Self {
            shared,
            number,
            gauge,
            room: Semaphore::new(CAPACITY),
        }
    }

    async fn carry(&self, from: OwnedReadHalf, to: OwnedWriteHalf) -> io::Result<()> {
        // Bounded by the room that there is for bytes.
        let (depart, arrivals) = mpsc::unbounded_channel();
        tokio::try_join!(self.read(from, depart), self.write(arrivals, to))?;
        Ok(())
    }

    async fn read(
        &self,
        mut from: OwnedReadHalf,
        depart: mpsc::UnboundedSender<(Instant, Bytes)>,
    ) -> io::Result<()> {
        let mut buffer = vec![0; PIECE];
        loop {
            let read = from.read(&mut buffer).await?;
            let piece = Bytes::copy_from_slice(&buffer[..read]);
            // The semaphore is never closed, and a piece is smaller than a count can be.
            if let Ok(count) = u32::try_from(read)
                && let Ok(permits) = self.room.acquire_many(count).await
            {
                permits.forget();
            }
            self.gauge.add(read);
            let due = Instant::now() + self.shared.one_way;
            // Nobody receives any more once the other side is closed. The end is the piece without
            // bytes.
            if depart.send((due, piece)).is_err() || read == 0 {
                return Ok(());
            }
        }
    }

    async fn write(
        &self,
        mut arrivals: mpsc::UnboundedReceiver<(Instant, Bytes)>,
        mut to: OwnedWriteHalf,
    ) -> io::Result<()> {
        while let Some((due, piece)) = arrivals.recv().await {
            sleep_until(due).await;
            self.gauge.now.fetch_sub(piece.len(), SeqCst);
            if !self.is_silent() {
                if piece.is_empty() {
                    to.shutdown().await?;
                } else {
                    to.write_all(&piece).await?;
                }
            }
            self.room.add_permits(piece.len());
        }
        if self.is_silent() {
            // Not even the end is told: the socket is kept until its other half ends.
            to.forget();
        }
        Ok(())
    }

    fn is_silent(&self) -> bool {
        self.number <= self.shared.silent_up_to.load(SeqCst)
    }
}

impl Gauge {
    fn add(&self, bytes: usize) {
        let now = self.now.fetch_add(bytes, SeqCst) + bytes;
        self.most.fetch_max(now, SeqCst);
    }
}
