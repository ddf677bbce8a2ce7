//! From a host to its addresses: given ones, remembered ones, or those that a resolver finds.

mod cache;
mod flight;
#[cfg(feature = "hickory")]
mod hickory;
mod system;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use pr_core::{DnsFailure, Resolve, ResolveError, TransportConfig};

use self::flight::{Departures, Followed, Outcome, Turn};
#[cfg(feature = "hickory")]
pub use self::hickory::HickoryResolver;

/// Resolves names, each by one look-up at a time however many wait for it.
///
/// Those that wait may be of different runtimes, one of which may stand still: a look-up by a
/// user's resolver is therefore driven by one of those that wait, and done again by another one if
/// that is dropped or not polled any more, rather than handed over together with its timers and
/// sockets.
pub(crate) struct Names {
    resolver: Option<Arc<dyn Resolve>>,
    overrides: HashMap<String, Vec<SocketAddr>>,
    departures: Arc<Departures>,
}

/// The addresses of a host.
pub(crate) struct Found {
    pub(crate) addresses: Vec<SocketAddr>,
    /// What was found for the name, or remembered; `None` for an address and what is overridden.
    pub(crate) by_name: Option<Arc<[IpAddr]>>,
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
                by_name: None,
            });
        }
        // The same name with a dot at its end, which says that it is complete.
        let name = host.strip_suffix('.').unwrap_or(host);
        if let Some(addresses) = self.overrides.get(name) {
            let with_port = |address: &SocketAddr| {
                // A copy, because an IPv6 address may have a scope (RFC 4007).
                let mut address = *address;
                if address.port() == 0 {
                    address.set_port(port);
                }
                address
            };
            return Ok(Found {
                addresses: addresses.iter().map(with_port).collect(),
                by_name: None,
            });
        }
        let addresses = self.look_up(host).await?;
        let with_port = |address: &IpAddr| SocketAddr::new(*address, port);
        Ok(Found {
            addresses: addresses.iter().map(with_port).collect(),
            by_name: Some(addresses),
        })
    }

    /// Remembers no name any more.
    pub(crate) fn forget(&self) {
        self.departures.forget();
    }

    /// Remembers no more what was found for a name, because nobody is there.
    pub(crate) fn disown(&self, host: &str, addresses: &Arc<[IpAddr]>) {
        self.departures.disown(host, addresses);
    }

    async fn look_up(&self, host: &str) -> Outcome {
        let mut turn = self.departures.join(host, None);
        loop {
            turn = match (turn, &self.resolver) {
                (Turn::Known(addresses), _) => return Ok(addresses),
                (Turn::Follow(answer), None) => match answer.wait().await {
                    Followed::Answered(outcome) => return outcome,
                    Followed::GivenUp | Followed::StandsStill => self.departures.join(host, None),
                },
                (Turn::Follow(mut answer), Some(_)) => match answer.watch().await {
                    Followed::Answered(outcome) => return outcome,
                    Followed::GivenUp => self.departures.join(host, None),
                    Followed::StandsStill => self.departures.join(host, Some(&answer)),
                },
                (Turn::Lead(flight, answer), None) => {
                    // It cannot be stopped, so it may as well serve the next one.
                    system::ask(host, flight);
                    return match answer.wait().await {
                        Followed::Answered(outcome) => outcome,
                        Followed::GivenUp | Followed::StandsStill => {
                            let stopped = ResolveError::new(DnsFailure::Transient)
                                .with_source("the runtime is shutting down");
                            Err(Arc::new(stopped))
                        }
                    };
                }
                (Turn::Lead(flight, _), Some(resolver)) => {
                    let found = flight.lead(resolver.resolve(host)).await;
                    return flight.land(found);
                }
            }
        }
    }
}
