//! What is set once for a backend's whole life: trust, time limits, pools.

use std::{fmt, time::Duration};

use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::{BackendError, ErrorKind};

/// The settings of a transport. All three backends take the same ones; where one has no meaning
/// for a backend, its description says so.
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
    /// Whom to trust. Default: the system's trust store.
    pub roots: Roots,
    /// The longest that name resolution, TCP, proxy and TLS may take together. Default: 10 s.
    pub connect_timeout: Duration,
    /// How long a connection may be idle before it is closed. Default: 90 s.
    pub idle_timeout: Duration,
    /// How many idle HTTP/1.1 connections are kept to one origin. Default: 256.
    pub max_idle_per_origin: usize,
    /// How many idle connections are kept in all, over every origin; the one that has been idle
    /// longest goes first. Default: 512.
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
            roots: Roots::default(),
            connect_timeout: Duration::from_secs(10),
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
    /// Sets [`roots`](Self::roots).
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// Sets [`connect_timeout`](Self::connect_timeout).
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
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
        if matches!(&self.roots, Roots::Only(roots) if roots.is_empty()) {
            return refuse("Roots::Only holds no certificate, so that no peer could be trusted");
        }
        Ok(())
    }
}

/// The certificate authorities that a backend trusts.
#[derive(Clone, Debug, Default)]
pub enum Roots {
    /// The system's.
    #[default]
    System,
    /// The system's and these.
    SystemAnd(Vec<Certificate>),
    /// Only these.
    Only(Vec<Certificate>),
}

/// An X.509 certificate.
///
/// ```
/// use pr_core::Certificate;
///
/// let error = Certificate::from_pem_bundle(b"no certificate").unwrap_err();
/// assert!(error.message().contains("no certificate"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
}

impl Certificate {
    /// A certificate in DER form. It is checked when a backend is made of it.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Self {
        Self { der: der.into() }
    }

    /// All certificates of a PEM text, such as a `ca.pem` file.
    ///
    /// Broken PEM, or none at all, is an error of kind [`Config`](ErrorKind::Config).
    pub fn from_pem_bundle(pem: &[u8]) -> Result<Vec<Self>, BackendError> {
        let certificates: Vec<Self> = CertificateDer::pem_slice_iter(pem)
            .map(|der| der.map(|der| Self { der: der.to_vec() }))
            .collect::<Result<_, _>>()
            .map_err(|error| {
                BackendError::new(ErrorKind::Config, "the PEM text is broken")
                    .with_source(error.to_string())
            })?;
        if certificates.is_empty() {
            return Err(BackendError::new(
                ErrorKind::Config,
                "the PEM text holds no certificate (no BEGIN CERTIFICATE line)",
            ));
        }
        Ok(certificates)
    }

    /// The DER form.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} bytes of DER)", self.der.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_nothing_at_all_are_refused() {
        let set = TransportConfig::default;
        let zero = Duration::ZERO;
        let refused = [
            (set().connect_timeout(zero), "connect_timeout"),
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
        let without = set()
            .http2_keep_alive_interval(None)
            .max_connection_age(None);
        assert!(without.validate().is_ok());
        assert!(set().validate().is_ok());
    }
}
