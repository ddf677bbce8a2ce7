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
    pub http2_connections_per_origin: usize,
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
