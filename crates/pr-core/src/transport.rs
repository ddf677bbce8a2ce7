//! What is set once for a backend's whole life: trust, names, addresses, time limits, pools.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use url::Host;

use crate::{AddressFilter, BackendError, ErrorKind, Resolve, Roots, TlsConfig};

/// The settings of a transport. All three backends take the same ones; where one has no meaning
/// for a backend, its description says so.
///
/// # Connections
///
/// A backend has at most [`max_connections`](Self::max_connections) open at a time, and
/// [`max_connections_per_origin`](Self::max_connections_per_origin) to one origin. A request uses an
/// idle connection if there is one for it. If it needs a new one and no more may be open, the
/// connection that has been idle longest is closed to make room, whatever its origin, so that idle
/// connections never keep a request from being sent. If none is idle, the request waits, first come,
/// first served, except that a connection whose request has ended is given to the next one that waits
/// for that same origin, up to 32 times before whoever is first gets its place. Waiting does not count
/// against [`connect_timeout`](Self::connect_timeout), which begins afterwards; the request's own
/// timeout bounds it, and its error names the phase [`Queue`](crate::TimeoutPhase::Queue).
///
/// A second HTTP/2 connection to an origin is never waited for: requests go over the first. An HTTP/2
/// connection that is never idle, because there are always requests on it, takes no further ones
/// after somebody else has waited for a second, and makes room when those it carries have ended.
///
/// If the process has no file descriptor left, because other parts of it use them up, it is the same:
/// requests wait, idle connections are closed, and another try is made whenever a connection closes,
/// and every 50 ms. Only when no connection at all could be opened for
/// [`connect_timeout`](Self::connect_timeout) is it an error, of kind
/// [`Connect`](ErrorKind::Connect).
///
/// ```
/// use std::time::Duration;
/// use pr_core::TransportConfig;
///
/// let config = TransportConfig::default()
///     .connect_timeout(Duration::from_secs(3))
///     .idle_timeout(Duration::from_secs(30));
/// assert_eq!(config.connect_timeout, Duration::from_secs(3));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransportConfig {
    /// The TLS settings of every connection whose request brings none of its own
    /// ([`RequestConfig::tls`](crate::RequestConfig::tls)), and, but for identity and ALPN, of the
    /// connection to an `https` proxy.
    pub tls: TlsConfig,
    /// The longest that name resolution, TCP, proxy and TLS may take together. Default: 10 s.
    pub connect_timeout: Duration,
    /// Who resolves names. Default: `None`, which is the system's resolver (`getaddrinfo`).
    ///
    /// Either way a name is looked up once at a time however many connections wait for it, and the
    /// answer is kept for [`dns_cache_ttl`](Self::dns_cache_ttl).
    pub resolver: Option<Arc<dyn Resolve>>,
    /// How long the addresses of a name are used without asking again; zero for not at all.
    /// Default: 30 s. A look-up that failed is not remembered, nor are addresses that nobody
    /// answers at.
    pub dns_cache_ttl: Duration,
    /// How many names are remembered at most; the one that expires first makes room.
    /// Default: 1,024.
    pub dns_cache_size: usize,
    /// Addresses of names that are not looked up, by the name as a URL has it: in ASCII and lower
    /// case, here without a dot at its end. A port other than 0 takes the place of the URL's.
    pub resolve_overrides: HashMap<String, Vec<SocketAddr>>,
    /// Sees every address before it is dialed. Default: `None`, all may be dialed. A host that has no
    /// other addresses is an error of kind [`Input`](ErrorKind::Input), and a proxy one of kind
    /// [`Config`](ErrorKind::Config); neither is worth a retry.
    pub address_filter: Option<AddressFilter>,
    /// The address of this machine from which connections are opened. Default: the system's choice.
    /// Peers of the other family cannot be reached then.
    pub local_address: Option<IpAddr>,
    /// How long a connection may be silent before the kernel asks the peer whether it is still
    /// there (TCP keep-alive); `None` for never. Default: 60 s.
    pub tcp_keep_alive: Option<Duration>,
    /// The longest head of a response, in bytes of names, values and what frames them. Longer ones
    /// are errors of kind [`Limit`](ErrorKind::Limit). Default: 64 KiB.
    pub max_head_size: usize,
    /// How many header fields a response may have, trailers counted by themselves. More are an
    /// error of kind [`Limit`](ErrorKind::Limit). Default: 100.
    pub max_header_fields: usize,
    /// How many informational (1xx) responses may come before the final one. More are an error of
    /// kind [`Limit`](ErrorKind::Limit). Default: 32.
    pub max_informational: usize,
    /// How many connections of one backend may be open at a time: those that are being dialed, that
    /// carry requests and that are idle, over all origins. `None`, the default, derives the number
    /// from the process's soft limit of file descriptors (`ulimit -n`, `RLIMIT_NOFILE`) as it is when
    /// the backend is made: three quarters of what it leaves after a reserve, which is 64 or half of
    /// the limit, whichever is less. That is 24 of 64, 144 of 256 and 720 of 1,024, and never more
    /// than 16,384, which is also the number where there is no such limit (Windows).
    ///
    /// A request that needs one more connection waits; see [Connections](#connections).
    pub max_connections: Option<usize>,
    /// How many connections may be open at a time to one origin under one
    /// [`ConnectionKey`](crate::ConnectionKey), that is, also through one proxy and under the same TLS
    /// settings. Default: `None`, no more than [`max_connections`](Self::max_connections); as
    /// HTTP/1.1 carries one request on a connection, the number of requests in flight bounds it, and
    /// for HTTP/2 there is [`http2_connections_per_origin`](Self::http2_connections_per_origin).
    pub max_connections_per_origin: Option<usize>,
    /// How long a connection may be idle before it is closed. Default: 90 s.
    pub idle_timeout: Duration,
    /// How many idle HTTP/1.1 connections are kept to one origin. Default: 256.
    pub max_idle_per_origin: usize,
    /// How many idle connections are kept in all, over every origin; the one that has been idle
    /// longest goes first. Default: 512. Where [`max_connections`](Self::max_connections) is derived,
    /// it counts as no more than three quarters of that.
    pub max_idle: usize,
    /// How many HTTP/2 connections are opened to one origin at most. Default: 2. h2 only.
    ///
    /// The first one does until it has no stream left or carries more than 32 requests at a time.
    /// More than 2 pay off where many small requests are in flight to a fast peer that is close.
    pub http2_connections_per_origin: usize,
    /// How long an HTTP/2 connection may be silent, while responses are awaited on it, before its
    /// peer is asked for a sign of life by a PING (RFC 9113, section 6.7); `None` for no PING at
    /// all. Default: 20 s, shorter than the time after which routers forget a quiet connection.
    /// h2 only.
    ///
    /// Silence is noticed after one to two intervals. A connection that has been idle for longer is
    /// asked along with its next request, and one on which a request was given up without a single
    /// byte having come back is asked at once. While nothing but answers to PINGs arrives, the time
    /// between two of them doubles, up to 16 intervals, because peers take many of them for an
    /// attack. An idle connection is left in peace.
    pub http2_keep_alive_interval: Option<Duration>,
    /// How long the peer has to answer a PING, or to show any other sign of life, before its
    /// connection is given up: its requests fail with kind [`Closed`](ErrorKind::Closed), and the
    /// next one dials. Default: 20 s, so that a slow uplink's full send buffer is not taken for a
    /// dead peer. h2 only.
    ///
    /// New requests avoid the connection much earlier, after a tenth of that time.
    pub http2_keep_alive_timeout: Duration,
    /// How old a connection may get before it carries no new requests; it is closed when those that
    /// it carries have ended. `None` for no limit. Default: 1 hour.
    ///
    /// The name is resolved anew only when a connection is dialed, so this is how long a client that
    /// is never idle takes to follow a change of DNS, or to find the machines that a load balancer
    /// has got meanwhile. A handshake an hour costs next to nothing.
    pub max_connection_age: Option<Duration>,
    /// Whether `http://` means HTTP/2 without asking (RFC 9113, section 3.3). Default: no. h2 only.
    pub http2_prior_knowledge: bool,
    /// How many threads there are at most, which is how many requests are on their way at a time.
    /// Default: 64. blocking only.
    pub max_threads: usize,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            tls: TlsConfig::default(),
            connect_timeout: Duration::from_secs(10),
            resolver: None,
            dns_cache_ttl: Duration::from_secs(30),
            dns_cache_size: 1024,
            resolve_overrides: HashMap::new(),
            address_filter: None,
            local_address: None,
            tcp_keep_alive: Some(Duration::from_secs(60)),
            max_head_size: 64 << 10,
            max_header_fields: 100,
            max_informational: 32,
            max_connections: None,
            max_connections_per_origin: None,
            idle_timeout: Duration::from_secs(90),
            max_idle_per_origin: 256,
            max_idle: 512,
            http2_connections_per_origin: 2,
            http2_keep_alive_interval: Some(Duration::from_secs(20)),
            http2_keep_alive_timeout: Duration::from_secs(20),
            max_connection_age: Some(Duration::from_secs(60 * 60)),
            http2_prior_knowledge: false,
            max_threads: 64,
        }
    }
}

impl TransportConfig {
    /// Sets [`tls`](Self::tls).
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// Sets whom to trust, within [`tls`](Self::tls).
    pub fn roots(mut self, roots: Roots) -> Self {
        self.tls = self.tls.roots(roots);
        self
    }

    /// Sets [`resolver`](Self::resolver).
    pub fn resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// Sets [`dns_cache_ttl`](Self::dns_cache_ttl).
    pub fn dns_cache_ttl(mut self, ttl: Duration) -> Self {
        self.dns_cache_ttl = ttl;
        self
    }

    /// Sets [`dns_cache_size`](Self::dns_cache_size).
    pub fn dns_cache_size(mut self, names: usize) -> Self {
        self.dns_cache_size = names;
        self
    }

    /// Adds to [`resolve_overrides`](Self::resolve_overrides): connections to `host` go to these
    /// addresses, tried in their order.
    ///
    /// ```
    /// use pr_core::TransportConfig;
    ///
    /// // To the staging machine, by the name, and with the certificate, of the real one.
    /// let staging = TransportConfig::default().resolve("api.example", ["10.0.0.7:8443".parse()?]);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn resolve(
        mut self,
        host: impl AsRef<str>,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Self {
        // In the form in which a URL has it. What is no host is refused by `validate`.
        let host = host.as_ref().trim_end_matches('.');
        let host = Host::parse(host).map_or_else(|_| host.to_owned(), |host| host.to_string());
        let addresses = addresses.into_iter().collect();
        self.resolve_overrides.insert(host, addresses);
        self
    }

    /// Sets [`address_filter`](Self::address_filter).
    pub fn address_filter(mut self, filter: AddressFilter) -> Self {
        self.address_filter = Some(filter);
        self
    }

    /// Sets [`local_address`](Self::local_address).
    pub fn local_address(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.local_address = address.into();
        self
    }

    /// Sets [`tcp_keep_alive`](Self::tcp_keep_alive).
    pub fn tcp_keep_alive(mut self, after: impl Into<Option<Duration>>) -> Self {
        self.tcp_keep_alive = after.into();
        self
    }

    /// Sets [`max_head_size`](Self::max_head_size).
    pub fn max_head_size(mut self, bytes: usize) -> Self {
        self.max_head_size = bytes;
        self
    }

    /// Sets [`max_header_fields`](Self::max_header_fields).
    pub fn max_header_fields(mut self, count: usize) -> Self {
        self.max_header_fields = count;
        self
    }

    /// Sets [`max_informational`](Self::max_informational).
    pub fn max_informational(mut self, count: usize) -> Self {
        self.max_informational = count;
        self
    }

    /// Sets [`connect_timeout`](Self::connect_timeout).
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets [`max_connections`](Self::max_connections).
    ///
    /// ```
    /// use pr_core::TransportConfig;
    ///
    /// let few = TransportConfig::default().max_connections(50).max_connections_per_origin(6);
    /// let derived = few.clone().max_connections(None);
    /// # assert!(few.validate().is_ok() && derived.validate().is_ok());
    /// ```
    pub fn max_connections(mut self, count: impl Into<Option<usize>>) -> Self {
        self.max_connections = count.into();
        self
    }

    /// Sets [`max_connections_per_origin`](Self::max_connections_per_origin).
    pub fn max_connections_per_origin(mut self, count: impl Into<Option<usize>>) -> Self {
        self.max_connections_per_origin = count.into();
        self
    }

    /// Sets [`idle_timeout`](Self::idle_timeout).
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// Sets [`max_idle_per_origin`](Self::max_idle_per_origin).
    pub fn max_idle_per_origin(mut self, count: usize) -> Self {
        self.max_idle_per_origin = count;
        self
    }

    /// Sets [`max_idle`](Self::max_idle).
    pub fn max_idle(mut self, count: usize) -> Self {
        self.max_idle = count;
        self
    }

    /// Sets [`http2_connections_per_origin`](Self::http2_connections_per_origin).
    pub fn http2_connections_per_origin(mut self, count: usize) -> Self {
        self.http2_connections_per_origin = count;
        self
    }

    /// Sets [`http2_keep_alive_interval`](Self::http2_keep_alive_interval).
    ///
    /// ```
    /// use std::time::Duration;
    /// use pr_core::TransportConfig;
    ///
    /// let patient = TransportConfig::default().http2_keep_alive_interval(Duration::from_secs(60));
    /// let without = TransportConfig::default().http2_keep_alive_interval(None);
    /// # assert!(patient.validate().is_ok() && without.validate().is_ok());
    /// ```
    pub fn http2_keep_alive_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.http2_keep_alive_interval = interval.into();
        self
    }

    /// Sets [`http2_keep_alive_timeout`](Self::http2_keep_alive_timeout).
    pub fn http2_keep_alive_timeout(mut self, limit: Duration) -> Self {
        self.http2_keep_alive_timeout = limit;
        self
    }

    /// Sets [`max_connection_age`](Self::max_connection_age).
    pub fn max_connection_age(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.max_connection_age = limit.into();
        self
    }

    /// Sets [`http2_prior_knowledge`](Self::http2_prior_knowledge).
    pub fn http2_prior_knowledge(mut self, known: bool) -> Self {
        self.http2_prior_knowledge = known;
        self
    }

    /// Sets [`max_threads`](Self::max_threads).
    pub fn max_threads(mut self, count: usize) -> Self {
        self.max_threads = count;
        self
    }

    /// Refuses what cannot work, with kind [`Config`](ErrorKind::Config). Backends call it first.
    pub fn validate(&self) -> Result<(), BackendError> {
        let refuse = |what: &'static str| Err(BackendError::new(ErrorKind::Config, what));
        if self.max_connections == Some(0) {
            return refuse("max_connections is 0; it takes at least 1");
        }
        if self.max_connections_per_origin == Some(0) {
            return refuse("max_connections_per_origin is 0; it takes at least 1");
        }
        if self.http2_connections_per_origin == 0 {
            return refuse("http2_connections_per_origin is 0; it takes at least 1");
        }
        if self
            .http2_keep_alive_interval
            .is_some_and(|interval| interval.is_zero())
        {
            return refuse("http2_keep_alive_interval is zero; None is what switches it off");
        }
        if self.http2_keep_alive_timeout.is_zero() {
            return refuse(
                "http2_keep_alive_timeout is zero, so that no peer could answer in time",
            );
        }
        if self.max_connection_age.is_some_and(|limit| limit.is_zero()) {
            return refuse("max_connection_age is zero; None is what switches it off");
        }
        if self.max_threads == 0 {
            return refuse("max_threads is 0; it takes at least 1");
        }
        if self.connect_timeout.is_zero() {
            return refuse("connect_timeout is zero, so that no connection could ever be made");
        }
        if self.tcp_keep_alive.is_some_and(|after| after.is_zero()) {
            return refuse("tcp_keep_alive is zero; None is what switches it off");
        }
        if self.max_head_size < 1 << 10 {
            return refuse("max_head_size is less than 1 KiB, in which hardly any head fits");
        }
        if self.max_header_fields == 0 {
            return refuse("max_header_fields is 0, so that no response could have a header");
        }
        let without = |(_, addresses): (&String, &Vec<_>)| addresses.is_empty();
        if self.resolve_overrides.iter().any(without) {
            return refuse("a host of resolve_overrides has no address");
        }
        let is_host = |host: &String| {
            Host::parse(host)
                .is_ok_and(|parsed| parsed.to_string() == *host && !host.ends_with('.'))
        };
        if !self.resolve_overrides.keys().all(is_host) {
            return refuse(
                "a key of resolve_overrides is not a host in ASCII and lower case; \
                 TransportConfig::resolve puts it into that form",
            );
        }
        self.tls.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused() {
        let set = TransportConfig::default;
        let zero = Duration::ZERO;
        let refused = [
            (set().connect_timeout(zero), "connect_timeout"),
            (set().max_connections(0), "max_connections is"),
            (
                set().max_connections_per_origin(0),
                "max_connections_per_origin is",
            ),
            (
                set().http2_keep_alive_interval(zero),
                "http2_keep_alive_interval",
            ),
            (
                set().http2_keep_alive_timeout(zero),
                "http2_keep_alive_timeout",
            ),
            (set().max_connection_age(zero), "max_connection_age"),
        ];
        for (config, name) in refused {
            let error = config.validate().expect_err("zero cannot work");
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().starts_with(name), "{error}");
        }
        let mut odd = set();
        odd.resolve_overrides.insert(
            "Not A Host".to_owned(),
            vec!["127.0.0.1:0".parse().unwrap()],
        );
        for config in [
            odd,
            set().resolve("not a host", ["127.0.0.1:0".parse().unwrap()]),
            set().resolve("h.example", []),
        ] {
            let error = config.validate().expect_err("that cannot be meant");
            assert!(error.message().contains("resolve_overrides"), "{error}");
        }
        let fine = set().resolve("Bücher.Example.", ["127.0.0.1:0".parse().unwrap()]);
        assert!(fine.validate().is_ok());
        assert!(fine.resolve_overrides.contains_key("xn--bcher-kva.example"));
        let without = set()
            .http2_keep_alive_interval(None)
            .max_connection_age(None);
        assert!(without.validate().is_ok());
        assert!(set().validate().is_ok());
    }
}
