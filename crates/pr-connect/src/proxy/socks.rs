//! A way through a SOCKS5 proxy (RFC 1928).

use std::{
    future::{Ready, ready},
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::{client::legacy::connect::proxy::SocksV5, rt::TokioIo};
use pr_core::{BackendError, ConnectionKey};
use tokio::net::TcpStream;
use tower_service::Service;

use super::{Credentials, failed};
use crate::{address, error, resolver::Resolver};

/// Asks the proxy for a way to the key's origin, whose name is resolved by `names` or, without it,
/// by the proxy.
pub(super) async fn open(
    tcp: TcpStream,
    key: &ConnectionKey,
    credentials: Option<Credentials>,
    names: Option<&Resolver>,
) -> Result<TcpStream, BackendError> {
    let credentials = credentials.map(Credentials::text).transpose()?;
    let origin = match names {
        Some(resolver) => {
            let found = resolver
                .look_up(key.bare_host())
                .await
                .map_err(error::dialing)?;
            let found = SocketAddr::new(found.ip(), key.port());
            address::uri(&found.to_string())?
        }
        None => address::uri_of(key.host(), key.port())?,
    };
    // The proxy has been dialed, so its own address is not looked at any more.
    let mut socks = SocksV5::new(Uri::default(), Dialed(Some(tcp)));
    if let Some((user, password)) = credentials {
        socks = socks.with_auth(user, password);
    }
    let tunnel = socks.call(origin).await.map_err(|error| {
        // The error says in its text what happened, and has no cause of its own.
        failed(format!("the SOCKS5 proxy refused or failed: {error}")).with_source(error)
    })?;
    Ok(tunnel.into_inner())
}

/// A connection that is there already, in the shape of something that dials.
struct Dialed(Option<TcpStream>);

impl Service<Uri> for Dialed {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<TcpStream>>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _proxy: Uri) -> Self::Future {
        ready(
            self.0
                .take()
                .map(TokioIo::new)
                .ok_or(io::ErrorKind::NotConnected.into()),
        )
    }
}
