//! Names to addresses, by whomever a user chooses.

use std::{error::Error as StdError, fmt, net::IpAddr};

use futures::future::BoxFuture;

use crate::BoxError;

/// Looks names up: implement it to use a resolver of your own.
///
/// It is asked by every backend, once at a time for each name (unless whoever asks has not been polled
/// for 250 ms), and its answers are cached as
/// [`dns_cache_ttl`](crate::TransportConfig::dns_cache_ttl) says. Hosts that are addresses already,
/// and those of [`resolve_overrides`](crate::TransportConfig::resolve_overrides), do not come here.
/// The future is polled on a Tokio runtime; when nobody waits for the answer any more, it is
/// dropped.
///
/// ```
/// use std::{net::IpAddr, sync::Arc};
/// use futures::future::BoxFuture;
/// use pr_core::{DnsFailure, Resolve, ResolveError, TransportConfig};
///
/// /// Knows one name.
/// #[derive(Debug)]
/// struct Hosts;
///
/// impl Resolve for Hosts {
///     fn resolve(&self, host: &str) -> BoxFuture<'static, Result<Vec<IpAddr>, ResolveError>> {
///         let answer = match host {
///             "db.internal" => Ok(vec![IpAddr::from([10, 0, 0, 7])]),
///             _ => Err(ResolveError::new(DnsFailure::NotFound)),
///         };
///         Box::pin(async { answer })
///     }
/// }
///
/// let config = TransportConfig::default().resolver(Arc::new(Hosts));
/// ```
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// The addresses of a host, in the order in which they are to be tried; IPv6 and IPv4 are then
    /// tried in turn (RFC 8305). The host is in ASCII and lower case, without a port.
    ///
    /// No address at all counts as [`DnsFailure::NotFound`].
    fn resolve(&self, host: &str) -> BoxFuture<'static, Result<Vec<IpAddr>, ResolveError>>;
}

/// Why a name could not be resolved; also in the error of the request, by
/// [`BackendError::dns_failure`](crate::BackendError::dns_failure).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DnsFailure {
    /// There is no such name, or it has no address: asking again gives the same.
    NotFound,
    /// The resolver or a name server failed, or did not answer: it may the next time.
    Transient,
    /// Anything else.
    Other,
}

impl DnsFailure {
    /// Every failure there is.
    pub const ALL: &'static [Self] = &[Self::NotFound, Self::Transient, Self::Other];

    /// The failure as one lower-case word with hyphens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Transient => "transient",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for DnsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a [`Resolve`] answers when it has no address.
///
/// ```
/// use pr_core::{DnsFailure, ResolveError};
///
/// let error = ResolveError::new(DnsFailure::Transient).with_source("SERVFAIL");
/// assert_eq!(error.failure(), DnsFailure::Transient);
/// ```
#[derive(Debug)]
pub struct ResolveError {
    failure: DnsFailure,
    source: Option<BoxError>,
}

impl ResolveError {
    /// An error of this kind.
    pub fn new(failure: DnsFailure) -> Self {
        Self {
            failure,
            source: None,
        }
    }

    /// Keeps the cause.
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Of which kind it is.
    pub fn failure(&self) -> DnsFailure {
        self.failure
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.failure {
            DnsFailure::NotFound => "there is no such name, or it has no address",
            DnsFailure::Transient => "the resolver did not answer, or failed for now",
            DnsFailure::Other => "the resolver failed",
        })
    }
}

impl StdError for ResolveError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
