//! The system's resolver, with errors that can be told from those of TCP.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    str::FromStr,
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiFuture, GaiResolver, Name};
use tower_service::Service;

/// Looks names up with `getaddrinfo`, on the runtime's threads for blocking work.
#[derive(Clone, Debug)]
pub(crate) struct Resolver(GaiResolver);

impl Resolver {
    pub(crate) fn new() -> Self {
        Self(GaiResolver::new())
    }

    /// The first address of a host, with some port.
    pub(crate) async fn look_up(&self, host: &str) -> Result<SocketAddr, ResolveError> {
        let name = Name::from_str(host)
            .map_err(|error| ResolveError(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let mut addresses = self.clone().call(name).await?;
        addresses
            .next()
            .ok_or_else(|| ResolveError(io::ErrorKind::NotFound.into()))
    }
}

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = ResolveError;
    type Future = Resolving;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        self.0.poll_ready(cx).map_err(ResolveError)
    }

    fn call(&mut self, name: Name) -> Resolving {
        Resolving(self.0.call(name))
    }
}

/// A look-up on its way.
pub(crate) struct Resolving(GaiFuture);

impl Future for Resolving {
    type Output = Result<GaiAddrs, ResolveError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(ResolveError)
    }
}

/// The mark that an error comes from name resolution. It is no cause of its own, so it shows the
/// resolver's text and cause as they are.
#[derive(Debug)]
pub(crate) struct ResolveError(io::Error);

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ResolveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
