//! A resolver that speaks DNS itself, in place of the system's.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{op::ResponseCode, rr::Name},
};
use pr_core::{BackendError, DnsFailure, ErrorKind, Resolve, ResolveError};
use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinError, JoinHandle},
};

/// Looks names up by `hickory-resolver`: thousands at a time and to be cancelled, where the system's
/// resolver takes a thread for each and runs to its end.
///
/// The price: it knows the hosts file and DNS over UDP and TCP, and nothing else that a system may
/// be set up to ask (mDNS, LDAP and the like). IPv6 addresses come first. It remembers nothing; that
/// is what [`dns_cache_ttl`](pr_core::TransportConfig::dns_cache_ttl) is for.
///
/// It has a thread of its own, which ends with the last clone. Dropping a look-up cancels it.
///
/// ```
/// use std::sync::Arc;
/// use pr_connect::HickoryResolver;
/// use pr_core::TransportConfig;
///
/// let resolver = HickoryResolver::system()?;
/// let config = TransportConfig::default().resolver(Arc::new(resolver));
/// # drop(config);
/// # Ok::<(), pr_core::BackendError>(())
/// ```
#[derive(Clone)]
pub struct HickoryResolver {
    inner: Arc<Inner>,
}

struct Inner {
    resolver: TokioResolver,
    /// Sockets and timers of look-ups must run on, whichever caller's runtime stands still.
    runtime: Option<Runtime>,
}

impl HickoryResolver {
    /// Asks the name servers of the system's configuration: `/etc/resolv.conf`, or what Windows is
    /// set to, read once.
    ///
    /// One that cannot be read, or a thread that cannot be started, is an error of kind
    /// [`Config`](ErrorKind::Config).
    pub fn system() -> Result<Self, BackendError> {
        let mut builder = TokioResolver::builder_tokio().map_err(|error| {
            refuse("the system's DNS configuration cannot be read").with_source(error)
        })?;
        builder.options_mut().cache_size = 0;
        Self::new(builder.build())
    }

    /// Asks these name servers, over UDP, and over TCP where an answer is too long for that; not
    /// the hosts file. One that has not answered within `timeout` is asked a second time.
    ///
    /// No server at all is an error of kind [`Config`](ErrorKind::Config).
    pub fn with_servers(servers: &[SocketAddr], timeout: Duration) -> Result<Self, BackendError> {
        if servers.is_empty() {
            return Err(refuse("there is no name server to ask"));
        }
        let with_port = |address: &SocketAddr| {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            for connection in &mut server.connections {
                connection.port = address.port();
            }
            server
        };
        let servers = servers.iter().map(with_port).collect();
        let config = ResolverConfig::from_name_servers(servers);
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        let options = builder.options_mut();
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.timeout = timeout;
        Self::new(builder.build())
    }

    fn new(resolver: Result<TokioResolver, NetError>) -> Result<Self, BackendError> {
        let resolver =
            resolver.map_err(|error| refuse("the resolver cannot be set up").with_source(error))?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("pr-hickory")
            .enable_all()
            .build()
            .map_err(|error| {
                refuse("the resolver's thread cannot be started").with_source(error)
            })?;
        Ok(Self {
            inner: Arc::new(Inner {
                resolver,
                runtime: Some(runtime),
            }),
        })
    }
}

impl Resolve for HickoryResolver {
    fn resolve(&self, host: &str) -> BoxFuture<'static, Result<Vec<IpAddr>, ResolveError>> {
        let name = match Name::from_ascii(host) {
            Ok(name) => name,
            // What cannot be a name is not one.
            Err(error) => {
                let error = ResolveError::new(DnsFailure::NotFound).with_source(error);
                return Box::pin(async { Err(error) });
            }
        };
        let resolver = self.inner.resolver.clone();
        let looking_up = async move { resolver.lookup_ip(name).await };
        let task = self.inner.runtime.as_ref().map(|it| it.spawn(looking_up));
        let task = task.map(Task);
        Box::pin(async move {
            let Some(task) = task else {
                return Err(ResolveError::new(DnsFailure::Other));
            };
            match task.await {
                Ok(Ok(addresses)) => Ok(addresses.iter().collect()),
                Ok(Err(error)) => Err(ResolveError::new(failure(&error)).with_source(error)),
                Err(error) => Err(ResolveError::new(DnsFailure::Other).with_source(error)),
            }
        })
    }
}

fn failure(error: &NetError) -> DnsFailure {
    let by_code = |code| match code {
        ResponseCode::NXDomain | ResponseCode::NoError => DnsFailure::NotFound,
        ResponseCode::ServFail => DnsFailure::Transient,
        _ => DnsFailure::Other,
    };
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => by_code(none.response_code),
        NetError::Dns(DnsError::ResponseCode(code)) => by_code(*code),
        NetError::Timeout | NetError::Io(_) | NetError::NoConnections | NetError::Busy => {
            DnsFailure::Transient
        }
        _ => DnsFailure::Other,
    }
}

fn refuse(why: &'static str) -> BackendError {
    BackendError::new(ErrorKind::Config, why)
}

/// A task that ends with whoever waits for it.
struct Task<T>(JoinHandle<T>);

impl<T> Future for Task<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The last clone may be dropped on another runtime, where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for HickoryResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HickoryResolver").finish_non_exhaustive()
    }
}
