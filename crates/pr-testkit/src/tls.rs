//! The server's side of TLS.

use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use tokio_rustls::TlsAcceptor;

use crate::certificates::Identity;

/// How a server speaks TLS, whoever it says it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSettings {
    /// The names to offer in ALPN, best first; empty, without ALPN.
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) versions: TlsVersions,
    pub(crate) client: Option<ClientCertificates>,
}

/// Which versions of TLS a server speaks; rustls knows no other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum TlsVersions {
    #[default]
    Both,
    Tls12,
    Tls13,
}

/// Whose certificates a server asks its clients for.
#[derive(Clone, Debug)]
pub(crate) struct ClientCertificates {
    /// The certificate of the authority that vouches for clients, in DER.
    pub(crate) authority: Vec<u8>,
    /// Whether a client without a certificate is turned away.
    pub(crate) required: bool,
}

impl TlsVersions {
    fn list(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Both => vec![&version::TLS12, &version::TLS13],
            Self::Tls12 => vec![&version::TLS12],
            Self::Tls13 => vec![&version::TLS13],
        }
    }
}

impl TlsSettings {
    pub(crate) fn acceptor(self, identity: &Identity) -> io::Result<TlsAcceptor> {
        // Named rather than installed: the process's default provider is the program's to choose.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.versions.list())
            .map_err(io::Error::other)?;
        let builder = match self.client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let mut roots = RootCertStore::empty();
                roots
                    .add(CertificateDer::from(client.authority))
                    .map_err(io::Error::other)?;
                let mut verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                if !client.required {
                    verifier = verifier.allow_unauthenticated();
                }
                builder.with_client_cert_verifier(verifier.build().map_err(io::Error::other)?)
            }
        };
        let mut config = builder
            .with_single_cert(identity.chain(), identity.key())
            .map_err(io::Error::other)?;
        config.alpn_protocols = self.alpn;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
