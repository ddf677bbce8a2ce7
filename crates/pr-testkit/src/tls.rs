//! The server's side of TLS.

use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::certificates::Identity;

/// Accepts TLS connections with this identity, these ALPN names and, if an authority is given, from
/// clients only that it vouches for.
pub(crate) fn acceptor(
    identity: &Identity,
    alpn: Vec<Vec<u8>>,
    client_authority: Option<&[u8]>,
) -> io::Result<TlsAcceptor> {
    // Named rather than installed: the process's default provider is the program's to choose.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = match client_authority {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from(authority.to_vec()))
                .map_err(io::Error::other)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(io::Error::other)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(identity.chain(), identity.key())
        .map_err(io::Error::other)?;
    config.alpn_protocols = alpn;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
