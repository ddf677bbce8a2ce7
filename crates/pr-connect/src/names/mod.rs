//! From a host to its addresses: given ones, remembered ones, or those that a resolver finds.

mod cache;
mod flight;
#[cfg(feature = "hickory")]
mod hickory;
mod system;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use pr_core::{DnsFailure, Resolve, ResolveError, TransportConfig};
use tokio::task::spawn_blocking;

use self::flight::{Departures, Outcome, Turn};
#[cfg(feature = "hickory")]
pub use self::hickory::HickoryResolver;

/// Resolves names, each by one look-up at a time however many wait for it.
///
/// Those that wait may be of different runtimes, one of which may stand still: a look-up by a
/// user's resolver is therefore driven by one of those that wait, and done again by another one if
/// that is dropped, rather than handed over together with its timers and sockets.
pub(crate) struct Names {
    resolver: Option<Arc<dyn Resolve>>,
    overrides: HashMap<String, Vec<SocketAddr>>,
    departures: Arc<Departures>,
}

/// The addresses of a host.
pub(crate) struct Found {
    pub(crate) addresses: Vec<SocketAddr>,
    /// Whether the name had to be resolved or remembered: it was neither an address nor overridden.
    pub(crate) by_name: bool,
}

impl Names {
    pub(crate) fn new(config: &TransportConfig) -> Self {
        Self {
            resolver: config.resolver.clone(),
            overrides: config.resolve_overrides.clone(),
            departures: Departures::new(config.dns_cache_ttl, config.dns_cache_size),
        }
    }

    /// The addresses of a host, an IPv6 address without brackets, in lower case. At least one.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Found, Arc<ResolveError>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Found {
                addresses: vec![SocketAddr::new(address, port)],
                by_name: false,
            });
        }
        if let Some(addresses) = self.overrides.get(host) {
            let with_port = |address: &SocketAddr| match address.port() {
                0 => SocketAddr::new(address.ip(), port),
                _ => *address,
            };
            return Ok(Found {
                addresses: addresses.iter().map(with_port).collect(),
                by_name: false,
            });
        }
        let addresses = self.look_up(host).await?;
        let with_port = |address: &IpAddr| SocketAddr::new(*address, port);
        Ok(Found {
            addresses: addresses.iter().map(with_port).collect(),
            by_name: true,
        })
    }

    /// Remembers no name any more.
    pub(crate) fn forget(&self) {
        self.departures.forget();
    }

    async fn look_up(&self, host: &str) -> Outcome {
        loop {
            match self.departures.join(host) {
                Turn::Known(addresses) => return Ok(addresses),
                Turn::Follow(answer) => {
                    if let Ok(outcome) = answer.await {
                        return outcome;
                    }
                    // Whoever was asking has given up; somebody else has to.
                }
                Turn::Lead(flight, answer) => {
                    let Some(resolver) = &self.resolver else {
                        let host = host.to_owned();
                        // Such a look-up cannot be stopped, so it may as well serve the next one.
                        spawn_blocking(move || flight.land(system::look_up(&host)));
                        return answer.await.unwrap_or_else(|_| {
                            let stopped = ResolveError::new(DnsFailure::Transient)
                                .with_source("the runtime is shutting down");
                            Err(Arc::new(stopped))
                        });
                    };
                    return flight.land(resolver.resolve(host).await);
                }
            }
        }
    }
}
