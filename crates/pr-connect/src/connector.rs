//! The way from a connection key to a connection, within the time that it may take.

use std::{
    convert::Infallible,
    fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::TryFutureExt;
use pr_core::{
    BackendError, ConnectionKey, DialTimings, ErrorKind, FailedHop, Proxy, Scheme, Stage,
    TransportConfig,
};
use pr_tls::{Alpn, TlsContext};

use crate::{
    Budget, Connected, Obtained, Place, Reuse, Stream,
    budget::{Admission, is_shortage, none_left},
    clock::Clock,
    dial::Dialer,
    error::Failure,
    names::{Found, Names},
    proxy::{Passage, Passed, SocksPassage, Way},
    race,
    secure::Secure,
    transport::Transport,
};

/// Opens connections: name resolution, TCP or a Unix socket, the proxy, and TLS where the scheme is
/// `https`.
///
/// - **Names** are resolved by the settings' [`resolver`](TransportConfig::resolver) or the
///   system's, once at a time for each, and remembered for a while, unless nobody was there.
/// - **Addresses** of a host are all tried, IPv6 and IPv4 in turn, the next one when one has failed
///   or has not answered in 250 ms (Happy Eyeballs, RFC 8305). The settings'
///   [`address_filter`](TransportConfig::address_filter) is asked about each right before. Through a
///   `socks5` proxy, which resolves no names, they are tried one after another: when the proxy says
///   that it cannot reach one, it is dialed again and asked for the next.
/// - **Sockets** have `TCP_NODELAY` set, since a request waits for nothing that Nagle's algorithm
///   could gather. TCP keep-alive probes start after
///   [`tcp_keep_alive`](TransportConfig::tcp_keep_alive) of silence and come every 15 s, so that a
///   connection through a forgetful NAT is noticed while it is idle.
/// - **Places**: no more connections are open at a time than [the settings](TransportConfig) and the
///   process's limit of file descriptors allow; see [`Budget`].
///
/// Clones are cheap and share everything, names and TLS sessions included.
///
/// ```
/// use std::time::Duration;
/// use pr_connect::Connector;
/// use pr_core::TransportConfig;
///
/// let config = TransportConfig::default().connect_timeout(Duration::from_secs(3));
/// let connector = Connector::new(&config)?;
/// # drop(connector);
/// # Ok::<(), pr_core::BackendError>(())
/// ```
#[derive(Clone)]
pub struct Connector {
    inner: Arc<Inner>,
}

struct Inner {
    names: Names,
    dialer: Dialer,
    tls: TlsContext,
    connect_timeout: Duration,
    budget: Budget,
}

impl Connector {
    /// Takes what is set for all connections: names, addresses, TLS and the time limit; the rest of
    /// `config` is not for dialing.
    ///
    /// A setting that cannot work, such as a certificate that cannot be read, is an error of kind
    /// [`Config`](pr_core::ErrorKind::Config).
    pub fn new(config: &TransportConfig) -> Result<Self, BackendError> {
        config.validate()?;
        Ok(Self {
            inner: Arc::new(Inner {
                names: Names::new(config),
                dialer: Dialer::new(config),
                tls: TlsContext::new(&config.tls)?,
                connect_timeout: config.connect_timeout,
                budget: Budget::new(config),
            }),
        })
    }

    /// Opens a connection that may carry requests of this key: through the key's Unix socket if it
    /// has one, otherwise through its proxy if it has one. An `http` or `https` proxy forwards
    /// plain requests, which [`Connected::forwarding`] tells, and gives a tunnel (CONNECT) to
    /// `https` origins; a SOCKS5 proxy gives a tunnel to all.
    ///
    /// `alpn` says what to offer over TLS unless the TLS settings do; without TLS the protocol is
    /// HTTP/1.1. The connection belongs to the Tokio runtime of the caller, whose time and I/O
    /// drivers must be enabled; it may be [taken from it](Stream::into_parts). Dropping the future
    /// closes whatever it had opened; a look-up by the system's resolver that has begun ends by
    /// itself on a thread of the runtime.
    ///
    /// While as many connections are open as may be, it waits for a place in the [`Budget`], for as
    /// long as it takes: the `connect_timeout` begins afterwards. When the process has no file
    /// descriptor left, it waits as well, and tries again when a connection closes and every now and
    /// then, until `connect_timeout` has passed without any connection having been opened.
    ///
    /// Errors: kind [`Dns`](pr_core::ErrorKind::Dns), [`Connect`](pr_core::ErrorKind::Connect),
    /// also if there are no descriptors, or [`Tls`](pr_core::ErrorKind::Tls);
    /// [`Proxy`](pr_core::ErrorKind::Proxy) for what goes wrong before the proxy has been passed,
    /// and [`Protocol`](pr_core::ErrorKind::Protocol) if its answer holds a NUL;
    /// [`Input`](pr_core::ErrorKind::Input) for a host or credentials that cannot be sent to the
    /// proxy, and if the address filter forbids all addresses of the host;
    /// [`Config`](pr_core::ErrorKind::Config) if it forbids those of the proxy, for TLS settings that
    /// cannot work, or a machine without CA certificates; [`Unsupported`](pr_core::ErrorKind::Unsupported) for a Unix socket
    /// where the platform has none. When the settings' `connect_timeout` has passed, it is a
    /// [`Timeout`](pr_core::ErrorKind::Timeout) in the phase
    /// [`Connect`](pr_core::TimeoutPhase::Connect) whose message says in which part. Of the way through
    /// a proxy, [`failed_hop`](BackendError::failed_hop) says which part it was. Nothing of a request
    /// has been sent in any of them.
    pub async fn connect(
        &self,
        key: &ConnectionKey,
        alpn: Alpn,
    ) -> Result<Connected, BackendError> {
        self.connect_telling(key, alpn, &|_| {}).await
    }

    /// The same, and says meanwhile what it waits for: [`Queued`](Stage::Queued) when that is a
    /// place or a descriptor, and [`Connecting`](Stage::Connecting) when it goes on afterwards.
    pub async fn connect_telling(
        &self,
        key: &ConnectionKey,
        alpn: Alpn,
        tell: &(dyn Fn(Stage) + Send + Sync),
    ) -> Result<Connected, BackendError> {
        // No pool offers connections of a type that has no values.
        let obtaining = self.connect_or_reuse::<Infallible>(key, alpn, Reuse::Never, tell);
        match obtaining.await? {
            Obtained::Dialed(connected) => Ok(*connected),
            Obtained::HandedOver(never) => match never {},
        }
    }

    /// The same, but takes a connection that somebody else [hands over](Budget::hand_over), as far
    /// as `reuse` allows, while it waits for a place.
    pub async fn connect_or_reuse<T: Send + 'static>(
        &self,
        key: &ConnectionKey,
        alpn: Alpn,
        reuse: Reuse,
        tell: &(dyn Fn(Stage) + Send + Sync),
    ) -> Result<Obtained<T>, BackendError> {
        // Boxed because handshakes are large, and it is small beside a connection.
        Box::pin(self.inner.obtain(key, alpn, reuse, tell)).await
    }

    /// The same as [`connect`](Self::connect) for a connection that is not needed: `None` if there
    /// is no place for it now, or no descriptor.
    pub async fn connect_if_room(
        &self,
        key: &ConnectionKey,
        alpn: Alpn,
    ) -> Result<Option<Connected>, BackendError> {
        let Some(place) = self.inner.budget.try_place(key) else {
            return Ok(None);
        };
        match Box::pin(self.inner.dial_at(place, key, alpn)).await {
            Ok(connected) => Ok(Some(connected)),
            Err(Undialed::Short(..)) => Ok(None),
            Err(Undialed::Failed(error)) => Err(error),
        }
    }

    /// The connections that may be open at a time.
    pub fn budget(&self) -> &Budget {
        &self.inner.budget
    }

    /// Remembers no name any more: connections opened from now on resolve theirs anew.
    ///
    /// For a network that is not the same any more. Look-ups on their way still answer those that
    /// wait for them.
    ///
    /// ```
    /// # use pr_connect::Connector;
    /// # fn network_has_changed(connector: &Connector) {
    /// connector.forget_names();
    /// # }
    /// ```
    pub fn forget_names(&self) {
        self.inner.names.forget();
    }
}

/// Who is at the first hop of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hop {
    Origin,
    Proxy,
}

/// Why a place came to nothing.
enum Undialed {
    /// For want of a descriptor. The ticket says where to wait for another one.
    Short(BackendError, u64),
    Failed(BackendError),
}

impl Inner {
    async fn obtain<T: Send + 'static>(
        &self,
        key: &ConnectionKey,
        alpn: Alpn,
        reuse: Reuse,
        tell: &(dyn Fn(Stage) + Send + Sync),
    ) -> Result<Obtained<T>, BackendError> {
        let until = (Instant::now(), self.connect_timeout);
        let (mut free, mut ticket, mut shortage) = (self.budget.try_place(key), None, None);
        loop {
            let place = if let Some(place) = free.take() {
                place
            } else {
                tell(Stage::Queued);
                match self.budget.admission(key, reuse, ticket, until).await {
                    Admission::Connection(connection) => {
                        return Ok(Obtained::HandedOver(connection));
                    }
                    Admission::Short => return Err(out_of_descriptors(shortage)),
                    Admission::Place(place) => {
                        tell(Stage::Connecting);
                        place
                    }
                }
            };
            match self.dial_at(place, key, alpn).await {
                Ok(connected) => return Ok(Obtained::Dialed(Box::new(connected))),
                Err(Undialed::Short(error, its)) => (shortage, ticket) = (Some(error), Some(its)),
                Err(Undialed::Failed(error)) => return Err(error),
            }
        }
    }

    /// Opens the connection that has this place.
    async fn dial_at(
        &self,
        place: Place,
        key: &ConnectionKey,
        alpn: Alpn,
    ) -> Result<Connected, Undialed> {
        match self.connect(key, alpn).await {
            Ok(mut connected) => {
                self.budget.note_success();
                connected.io = connected.io.at(place);
                Ok(connected)
            }
            Err(error) if is_shortage(&error) => {
                let ticket = self.budget.note_shortage(&place);
                Err(Undialed::Short(error, ticket))
            }
            Err(error) => Err(Undialed::Failed(error)),
        }
    }

    async fn connect(&self, key: &ConnectionKey, alpn: Alpn) -> Result<Connected, BackendError> {
        // All that can be wrong with the settings is found before anybody is dialed.
        let secure = match key.scheme() {
            Scheme::Http => None,
            Scheme::Https => Some(Secure::with_origin(&self.tls, key, alpn)?),
        };
        let clock = Clock::start(self.connect_timeout);
        let mut timings = DialTimings::default();
        let way = if let Some(path) = key.unix_socket() {
            let opening = Transport::unix(path);
            let opening = clock.time("the Unix socket's connection", &mut timings.tcp, opening);
            Way::Plain(opening.await.map_err(Failure::of_origin)?)
        } else if let Some(proxy) = key.proxy() {
            match self.pass(proxy, key, &clock, &mut timings).await? {
                Passed::Through(way) => way,
                Passed::Forwarding(way, forwarding) => {
                    let stream = way.into_stream();
                    return Ok(Connected::new(stream, Some(forwarding), timings));
                }
            }
        } else {
            let origin = (key.bare_host(), key.port());
            let reaching = self.reach(origin, Hop::Origin, &clock, &mut timings);
            Way::Plain(reaching.await.map_err(Failure::of_origin)?)
        };
        let part = "the TLS handshake";
        let at_origin = |error: BackendError| match key.proxy() {
            Some(_) => error.with_failed_hop(FailedHop::Origin),
            None => error,
        };
        let stream = match (secure, way) {
            (None, way) => way.into_stream(),
            (Some(secure), Way::Plain(transport)) => {
                let handshake = secure.shake_hands(transport);
                let handshake = clock.time(part, &mut timings.tls, handshake).await;
                Stream::tls(handshake.map_err(at_origin)?)
            }
            (Some(secure), Way::Encrypted(outer)) => {
                let handshake = secure.shake_hands(*outer);
                let handshake = clock.time(part, &mut timings.tls, handshake).await;
                Stream::nested(handshake.map_err(at_origin)?)
            }
        };
        Ok(Connected::new(stream, None, timings))
    }

    /// Dials a host.
    async fn reach(
        &self,
        (host, port): (&str, u16),
        hop: Hop,
        clock: &Clock,
        timings: &mut DialTimings,
    ) -> Result<Transport, Failure> {
        let (dns, tcp) = match hop {
            Hop::Origin => ("DNS", "TCP"),
            Hop::Proxy => ("DNS of the proxy", "TCP to the proxy"),
        };
        let found = self.find((host, port), dns, clock, timings).await?;
        let dialing = self.dialer.dial(found.addresses);
        let dialed = clock.time(tcp, &mut timings.tcp, dialing).await;
        if let (Err(failure), Some(addresses)) = (&dialed, &found.by_name)
            && failure.is_of_the_peer()
        {
            self.names.disown(host, addresses);
        }
        dialed.map(Transport::Tcp)
    }

    async fn find(
        &self,
        (host, port): (&str, u16),
        step: &'static str,
        clock: &Clock,
        timings: &mut DialTimings,
    ) -> Result<Found, Failure> {
        let mut taken = timings.dns;
        let resolving = self.names.resolve(host, port).map_err(Failure::Name);
        let found = clock.time(step, &mut taken, resolving).await?;
        if found.by_name.is_some() {
            timings.dns = taken;
        }
        Ok(found)
    }

    /// Dials the proxy, and gets past it.
    async fn pass(
        &self,
        proxy: &Proxy,
        key: &ConnectionKey,
        clock: &Clock,
        timings: &mut DialTimings,
    ) -> Result<Passed, BackendError> {
        let passage = Passage::new(proxy, key, &self.tls)?;
        if let (Passage::Socks(socks), "socks5") = (&passage, proxy.scheme()) {
            let way = self.pass_to_address(socks, proxy, key, clock, timings);
            return Ok(Passed::Through(way.await?));
        }
        // An address that may not be dialed may not be dialed by a proxy either, if it is known.
        if let Ok(address) = key.bare_host().parse() {
            self.dialer.check(address).map_err(Failure::of_origin)?;
        }
        let transport = self.reach_proxy(proxy, clock, timings).await?;
        match passage {
            Passage::Http(http) => http.take(transport, key, clock, timings).await,
            Passage::Socks(socks) => {
                let way = socks.take(transport, key, None, clock, timings).await;
                way.map(Passed::Through).map_err(|refusal| refusal.error)
            }
        }
    }

    /// Resolves the origin's name here, and asks the proxy for one of its addresses after another:
    /// each over a connection of its own, since a proxy closes one on which it has refused.
    async fn pass_to_address(
        &self,
        passage: &SocksPassage,
        proxy: &Proxy,
        key: &ConnectionKey,
        clock: &Clock,
        timings: &mut DialTimings,
    ) -> Result<Way, BackendError> {
        let (host, port) = (key.bare_host(), key.port());
        let found = self.find((host, port), "DNS", clock, timings).await;
        let at_origin = |failure: Failure| failure.of_origin().with_failed_hop(FailedHop::Origin);
        let found = found.map_err(at_origin)?;
        let (mut forbidden, mut refused) = (None, None);
        for address in race::alternating(found.addresses) {
            if let Err(failure) = self.dialer.check(address.ip()) {
                forbidden = Some(failure);
                continue;
            }
            let transport = self.reach_proxy(proxy, clock, timings).await?;
            let target = Some(address);
            let way = passage.take(transport, key, target, clock, timings).await;
            match way {
                Ok(way) => return Ok(way),
                Err(refusal) if refusal.of_address => refused = Some(refusal.error),
                Err(refusal) => return Err(refusal.error),
            }
        }
        if let Some(error) = refused {
            if let Some(addresses) = &found.by_name {
                self.names.disown(host, addresses);
            }
            return Err(error);
        }
        // No resolver gives nothing, and no overrides do.
        let nothing = || Failure::Socket(io::ErrorKind::AddrNotAvailable.into());
        Err(forbidden.unwrap_or_else(nothing).of_origin())
    }

    async fn reach_proxy(
        &self,
        proxy: &Proxy,
        clock: &Clock,
        timings: &mut DialTimings,
    ) -> Result<Transport, BackendError> {
        let host = proxy.host().to_ascii_lowercase();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let reaching = self.reach((host, proxy.port()), Hop::Proxy, clock, timings);
        reaching.await.map_err(Failure::of_proxy)
    }
}

fn out_of_descriptors(cause: Option<BackendError>) -> BackendError {
    let error = BackendError::new(
        ErrorKind::Connect,
        "the process or the machine has no file descriptor left for a connection; raise the limit \
         (ulimit -n), or lower max_connections or the concurrency",
    );
    match cause {
        Some(cause) => error.with_source(cause),
        None => error.with_source(none_left()),
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("tls", &self.inner.tls)
            .field("connect_timeout", &self.inner.connect_timeout)
            .field("budget", &self.inner.budget)
            .finish_non_exhaustive()
    }
}
