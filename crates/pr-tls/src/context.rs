//! The TLS settings of one backend, and the rustls configurations that are made of them.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use pr_core::{BackendError, ErrorKind, Roots};
use rustls::{
    ClientConfig,
    client::danger::ServerCertVerifier,
    crypto::{CryptoProvider, aws_lc_rs},
};

use crate::{trust::Trust, unverified::AnyCertificate};

/// Which protocols a handshake offers by ALPN (RFC 7301).
///
/// ```
/// use pr_tls::Alpn;
///
/// assert_eq!(Alpn::Http2OrHttp1.protocols(), [&b"h2"[..], b"http/1.1"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 by preference, otherwise HTTP/1.1.
    Http2OrHttp1,
}

impl Alpn {
    /// The names as they stand in the handshake, the preferred one first.
    pub const fn protocols(self) -> &'static [&'static [u8]] {
        match self {
            Self::Http1 => &[b"http/1.1"],
            Self::Http2OrHttp1 => &[b"h2", b"http/1.1"],
        }
    }
}

/// The TLS settings of one backend: whom it trusts, and what it has loaded and remembers for that.
///
/// The system's trust store is read the first time that a verified configuration is asked for,
/// once; a backend that speaks plain HTTP only never reads it. Clones share everything.
///
/// ```
/// use pr_core::{Certificate, ErrorKind, Roots};
/// use pr_tls::TlsContext;
///
/// let broken = Roots::Only(vec![Certificate::from_der(*b"no certificate")]);
/// let error = TlsContext::new(&broken).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// ```
#[derive(Clone)]
pub struct TlsContext {
    inner: Arc<Inner>,
}

struct Inner {
    provider: Arc<CryptoProvider>,
    trust: Trust,
    made: Mutex<Made>,
}

/// What has been made so far.
#[derive(Default)]
struct Made {
    verifier: Option<Arc<dyn ServerCertVerifier>>,
    configs: Vec<(Setting, Arc<ClientConfig>)>,
}

/// What makes a configuration, and with it a session cache, different from another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Setting {
    verify_ssl: bool,
    alpn: Alpn,
}

impl TlsContext {
    /// Takes the certificate authorities to trust.
    ///
    /// Certificates that come with `roots` are parsed here; one that is broken is an error of kind
    /// [`Config`](ErrorKind::Config). The system's trust store is not touched yet.
    pub fn new(roots: &Roots) -> Result<Self, BackendError> {
        Ok(Self {
            inner: Arc::new(Inner {
                provider: Arc::new(aws_lc_rs::default_provider()),
                trust: Trust::new(roots)?,
                made: Mutex::default(),
            }),
        })
    }

    /// The configuration for handshakes that do or do not verify the peer's certificate.
    ///
    /// The same arguments give the same configuration, so that sessions are resumed. The first
    /// verified one reads the system's trust store, which takes some milliseconds; if that has no
    /// certificates, it is an error of kind [`Config`](ErrorKind::Config), and the next call tries
    /// again.
    pub fn client_config(
        &self,
        verify_ssl: bool,
        alpn: Alpn,
    ) -> Result<Arc<ClientConfig>, BackendError> {
        let setting = Setting { verify_ssl, alpn };
        // Nothing below can leave a half-made state behind, so a poisoned lock is still good.
        let mut made = self
            .inner
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, config)) = made.configs.iter().find(|(known, _)| *known == setting) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.inner.make(setting, &mut made.verifier)?);
        made.configs.push((setting, Arc::clone(&config)));
        Ok(config)
    }
}

impl Inner {
    fn make(
        &self,
        setting: Setting,
        verifier: &mut Option<Arc<dyn ServerCertVerifier>>,
    ) -> Result<ClientConfig, BackendError> {
        let chosen: Arc<dyn ServerCertVerifier> = if setting.verify_ssl {
            if let Some(verifier) = verifier {
                Arc::clone(verifier)
            } else {
                let loaded = self.trust.verifier(&self.provider)?;
                Arc::clone(verifier.insert(loaded))
            }
        } else {
            Arc::new(AnyCertificate::new(Arc::clone(&self.provider)))
        };
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                BackendError::new(ErrorKind::Config, "TLS cannot be set up").with_source(error)
            })?
            .dangerous()
            .with_custom_certificate_verifier(chosen)
            .with_no_client_auth();
        config.alpn_protocols = setting
            .alpn
            .protocols()
            .iter()
            .map(|name| name.to_vec())
            .collect();
        Ok(config)
    }
}

impl fmt::Debug for TlsContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsContext")
            .field("trust", &self.inner.trust)
            .finish_non_exhaustive()
    }
}
